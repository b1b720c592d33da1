"""Why no version came of a training, as kinds: those that pass are tried again, those that stay are not."""

from modelops_pipelines.core.errors import (
    BusyError,
    EvidenceError,
    ModelOpsError,
    OverloadError,
    RefusedSetError,
    RegistryError,
    SchemaError,
    TrainingError,
    TransientError,
    UnavailableError,
)

TIMED_OUT, OUT_OF_MEMORY, RAISED = "timed out", "out of memory", "raised"
CRASHED, NO_MODEL, REFUSED = "crashed", "no model", "refused by guards"
NOT_ENOUGH, WRONG_INPUTS, OTHER = "not enough evidence", "wrong inputs", "refused"
REGISTRY, BUSY, STATE, TRANSIENT = "registry unreachable", "lock busy", "state unavailable", "transient"
NO_ENVIRONMENT = "no environment"
"""What the trainer requires cannot be installed, or does not run."""
LOST = "lost"
"""Its process, or the machine, ended before it could say anything."""
_KINDS: tuple[tuple[type[ModelOpsError], str], ...] = (
    (RegistryError, REGISTRY),
    (BusyError, BUSY),
    (UnavailableError, STATE),
    (OverloadError, TRANSIENT),
    (TransientError, TRANSIENT),
    (RefusedSetError, REFUSED),
    (EvidenceError, NOT_ENOUGH),
    (SchemaError, WRONG_INPUTS),
)


def failure_kind(error: ModelOpsError) -> str:
    """Return the kind of a failure."""
    if isinstance(error, TrainingError):
        return error.kind
    return next((kind for of, kind in _KINDS if isinstance(error, of)), OTHER)


def may_pass(error: ModelOpsError) -> bool:
    """Return whether the same training may succeed when it is tried again."""
    return isinstance(error, TransientError)
