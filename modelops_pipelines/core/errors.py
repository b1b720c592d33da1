"""Every error this project raises on purpose, and nothing else.

An error takes data and builds its message: the thing, the culprit, the fix. It knows neither HTTP nor exit codes
nor Dagster; ``gateway/http/errors.py``, ``cli/errors.py`` and ``resources/failures.py`` map them.

::

    ModelOpsError
    ├── PermanentError            trying again gives the same answer
    │   ├── OnboardingError       one or more faults in endpoints' YAML
    │   ├── SettingsError         the project's own settings or home
    │   ├── InputError            a request's body or a command's argument
    │   │   ├── MalformedError    a body that does not even parse
    │   │   └── TooLargeError     a body over the limit
    │   ├── UnauthenticatedError  no key, or one that is wrong, expired or revoked
    │   ├── ForbiddenError        a key without the role, or for other endpoints
    │   ├── UnknownError          a name that nothing bears: endpoint, version, prediction, table
    │   ├── ConflictError         the thing exists, but in a state that does not allow the request
    │   │   └── GateError         a promotion without a passed gate
    │   ├── EvidenceError         not enough data to do what was asked
    │   ├── SchemaError           a store of another version, a column that does not fit
    │   ├── ModelError            a model that cannot be loaded, trusted or trained
    │   └── PredictionError       the model raised on well-formed input
    └── TransientError            trying again may work
        ├── CaptureError          the spool cannot be written: the answer is withheld
        ├── LimitError            more requests than allowed in a window
        ├── OverloadError         more requests at once than allowed, or the deadline passed while waiting
        ├── NotReadyError         nothing is loaded for the endpoint yet
        ├── BusyError             another process holds the lock
        └── AcknowledgementError  a worker did not take the desired state over in time
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ModelOpsError(Exception):
    """The family. ``message`` says what is wrong with what; ``remedy`` says what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        """Keep both halves apart, for faces that show them apart."""
        super().__init__(f"{message}. {remedy}")
        self.message = message
        self.remedy = remedy


class PermanentError(ModelOpsError):
    """Trying again gives the same answer."""


class TransientError(ModelOpsError):
    """Trying again may work."""


class SettingsError(PermanentError):
    """The project's own settings or home are wrong."""


class InputError(PermanentError):
    """A request's body or a command's argument is wrong."""


class MalformedError(InputError):
    """A body that does not even parse."""


class TooLargeError(InputError):
    """A body over the limit."""


class UnauthenticatedError(PermanentError):
    """No key, or one that is wrong, expired or revoked."""


class ForbiddenError(PermanentError):
    """A key without the role that was needed, or for other endpoints."""


class UnknownError(PermanentError):
    """A name that nothing bears."""


class ConflictError(PermanentError):
    """The thing exists, but in a state that does not allow what was asked."""


class GateError(ConflictError):
    """A promotion without a passed gate."""


class EvidenceError(PermanentError):
    """Not enough data to do what was asked."""


class SchemaError(PermanentError):
    """A store of another version, or a column that does not fit its declaration."""


class ModelError(PermanentError):
    """A model that cannot be loaded, trusted or trained."""


class PredictionError(PermanentError):
    """The model raised on well-formed input."""


class CaptureError(TransientError):
    """The spool cannot be written, so nothing may be answered."""


class LimitError(TransientError):
    """More requests than a limit allows in its window."""

    def __init__(self, message: str, remedy: str, retry_after: int = 1) -> None:
        """``retry_after`` is in seconds: when the next request of this caller may be taken."""
        super().__init__(message, remedy)
        self.retry_after = retry_after


class OverloadError(TransientError):
    """More requests at once than the endpoint takes, or one whose deadline passed while it waited."""


class NotReadyError(TransientError):
    """Nothing is loaded for the endpoint yet."""


class BusyError(TransientError):
    """Another process holds the lock."""


class AcknowledgementError(TransientError):
    """A worker did not take the desired state over in time."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one line of a file."""

    file: str
    line: int
    culprit: str
    problem: str
    fix: str

    def __str__(self) -> str:
        """``file:line: culprit: problem. fix``, as editors and people read it."""
        return f"{self.file}:{self.line}: {self.culprit}: {self.problem}. {self.fix}"


class OnboardingError(PermanentError):
    """One or more faults in endpoints' YAML."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """All faults at once, so that a file is corrected in one go."""
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{len(self.faults)} fault(s) in the endpoints' YAML:\n{lines}", "Correct the lines named")
