"""Every error that this project raises on purpose.

An error's message names the thing, the cause and the fix. Errors do not depend on HTTP, exit codes or Dagster:
``gateway/http/errors.py``, ``cli/errors.py`` and ``resources/failures.py`` map them.

::

    ModelOpsError
    ├── PermanentError            a retry gives the same result
    │   ├── OnboardingError       one or more faults in endpoints' YAML
    │   ├── SettingsError         the project's own settings or home
    │   ├── InputError            a request's body or a command's argument is invalid
    │   │   ├── MalformedError    a body that does not parse
    │   │   ├── MediaTypeError    a body of another content type than the route takes
    │   │   └── TooLargeError     a body over the limit
    │   │       └── HeaderError   a request's header over the limit
    │   ├── UnauthenticatedError  the API key is missing, unknown, expired or revoked
    │   ├── ForbiddenError        the caller lacks the role or scope, or the request comes from a foreign page
    │   ├── UnknownError          no endpoint, version, prediction or table has this name
    │   ├── ConflictError         the current state does not allow the request
    │   │   ├── GateError         a promotion of a version that has not passed the gate
    │   │   ├── RefusedSetError   a training on a set that its guards refuse
    │   │   └── RefusedVersionError  a version that cannot be served or judged, as it is, over HTTP
    │   ├── EvidenceError         not enough data for the request
    │   ├── SchemaError           a store of another version, or a column with another type
    │   ├── IntegrityError        stored data that is not what its name or record says
    │   ├── StateError            the state database is missing, empty, damaged, or another home's
    │   ├── ModelError            a model that cannot be loaded, trusted or trained
    │   │   └── TrainingError     a trainer that raised, made no model, crashed, or passed a limit of time or memory
    │   └── PredictionError       the model raised on well-formed input
    │       ├── CrashError        the version ended or blocked its process on the request
    │       └── RefusedRowError   a row that crashed the version twice; it is not tried again
    └── TransientError            a retry may succeed
        ├── CaptureError          the spool cannot be written, so no answer is sent
        ├── LimitError            rate limit exceeded
        ├── OverloadError         too many concurrent requests, or the deadline passed in the queue
        ├── SlowRequestError      a request that does not arrive in time
        ├── NotReadyError         no model is loaded for the endpoint yet
        ├── BusyError             another process holds the lock
        ├── UnavailableError      the state database does not answer, or its disk is full
        ├── RegistryError         the model registry does not answer
        ├── ProviderError         the provider of identities does not answer, or not as OpenID Connect says
        ├── AcknowledgementError  a worker did not load the desired state in time
        │   └── UnservedVersionError  a worker cannot load the version; the deployment was reverted
        └── MaintenanceError      tasks of maintenance failed; the others are done
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ModelOpsError(Exception):
    """Base of all errors here. ``message`` says what is wrong; ``remedy`` says how to fix it."""

    def __init__(self, message: str, remedy: str) -> None:
        """Keep message and remedy separate: HTTP and ``--json`` show them as two fields."""
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


class PermanentError(ModelOpsError):
    """A retry gives the same result."""


class TransientError(ModelOpsError):
    """A retry may succeed."""


class SettingsError(PermanentError):
    """The project's own settings or home are invalid."""


class InputError(PermanentError):
    """A request's body or a command's argument is invalid."""


class MalformedError(InputError):
    """A body that does not parse."""


class MediaTypeError(InputError):
    """A body of another content type than the route takes."""


class TooLargeError(InputError):
    """A body over the limit."""


class HeaderError(TooLargeError):
    """A request's header over the limit."""


class UnauthenticatedError(PermanentError):
    """The API key is missing, unknown, expired or revoked."""


class ForbiddenError(PermanentError):
    """The API key lacks the required role or scope, or the request comes from a foreign page."""


class UnknownError(PermanentError):
    """No endpoint, version, prediction or table has this name."""


class ConflictError(PermanentError):
    """The current state does not allow the request."""


class GateError(ConflictError):
    """A promotion of a version that has not passed the gate."""


class RefusedSetError(ConflictError):
    """A training on a set that its guards refuse."""


class RefusedVersionError(ConflictError):
    """A version that cannot be served or judged as it is, for its format, signature, types or classes."""


class EvidenceError(PermanentError):
    """Not enough data for the request."""


class SchemaError(PermanentError):
    """A store of another version, or a column whose type differs from its declaration."""


class StateError(PermanentError):
    """The state database is missing, empty, incomplete, damaged, or that of another home."""


class IntegrityError(PermanentError):
    """Stored data that is not what its name or record says: it was changed, or is damaged."""


class ModelError(PermanentError):
    """A model that cannot be loaded, trusted or trained."""


class TrainingError(ModelError):
    """A trainer that raised, made no model, crashed, or passed a limit of time or memory."""

    def __init__(self, message: str, remedy: str, kind: str = "raised") -> None:
        """``kind`` is one of those in ``core.improve.retraining.failures``."""
        super().__init__(message, remedy)
        self.kind = kind


class PredictionError(PermanentError):
    """The model raised on well-formed input."""


class CrashError(PredictionError):
    """The version ended its process, or blocked it for too long, while it was answering the request."""


class RefusedRowError(PredictionError):
    """A row that crashed the version twice: the version is not called with it again."""


class CaptureError(TransientError):
    """The spool cannot be written, so no answer is sent."""


class LimitError(TransientError):
    """Rate limit exceeded."""

    def __init__(self, message: str, remedy: str, retry_after: int = 1) -> None:
        """``retry_after`` is in seconds: when this caller may send the next request."""
        super().__init__(message, remedy)
        self.retry_after = retry_after


class OverloadError(TransientError):
    """Too many concurrent requests, or the request's deadline passed while it was queued."""


class SlowRequestError(TransientError):
    """A request that does not arrive in time."""


class NotReadyError(TransientError):
    """No model is loaded for the endpoint yet."""


class BusyError(TransientError):
    """Another process holds the lock."""


class UnavailableError(TransientError):
    """The state database does not answer, or its disk is full."""


class RegistryError(TransientError):
    """The model registry does not answer."""


class ProviderError(TransientError):
    """The provider of identities does not answer, or not as OpenID Connect says."""


class AcknowledgementError(TransientError):
    """A worker did not load the desired state in time."""


class UnservedVersionError(AcknowledgementError):
    """A worker cannot load the version, so the deployment was reverted."""


class MaintenanceError(TransientError):
    """One or more tasks of maintenance failed; the others are done."""


@dataclass(frozen=True)
class Fault:
    """One error in one line of a file."""

    file: str
    line: int
    culprit: str
    problem: str
    fix: str

    def __str__(self) -> str:
        """Return ``file:line: culprit: problem. fix``: editors turn it into a link."""
        return f"{self.file}:{self.line}: {self.culprit}: {self.problem}. {self.fix}"


class OnboardingError(PermanentError):
    """One or more faults in endpoints' YAML."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Report all faults at once, so that a file needs one correction."""
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{len(self.faults)} fault(s) in the endpoints' YAML:\n{lines}", "Correct these lines")
