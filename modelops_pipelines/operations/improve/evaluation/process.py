"""Judges a version in a process of its own, for callers that must not load models and query engines, as the gateway.

The child process is ``worker.py``; it records the verdict in the state database.
"""

import json
from contextlib import ExitStack

from modelops_pipelines.core import errors
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError, ConflictError, ModelOpsError, OverloadError, PredictionError
from modelops_pipelines.operations.improve.evaluation.champions import check_challenges
from modelops_pipelines.operations.models.child_process import FAULT, run_child
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores

DEADLINE = 600.0
"""Seconds that an evaluation may take."""
CHILD = "modelops_pipelines.operations.improve.evaluation.worker"


def evaluate_in_process(stores: Stores, spec: EndpointSpec, version: str, deadline: float = DEADLINE) -> Gate:
    """Judge a version as ``evaluate_version`` does; return the recorded verdict.

    One evaluation runs at a time in a project. Raises what ``evaluate_version`` raises, ConflictError while another
    one runs, OverloadError after the deadline (seconds), PredictionError when the process died.
    """
    check_challenges(stores, spec, version)
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(stores.settings.home / "evaluation.lock", "the evaluation", seconds=0))
        except BusyError as error:
            raise ConflictError(
                "Another version is being evaluated in this project", "Try again when it has ended"
            ) from error
        _run(stores, spec, version, deadline)
    return next(gate for gate in reversed(stores.gates.of(spec.name)) if gate.version == version)


def _run(stores: Stores, spec: EndpointSpec, version: str, deadline: float) -> None:
    with scratch_folder() as folder:
        environment = stores.settings.environment()
        code = run_child(CHILD, folder, deadline, [spec.name, version], low_priority=True, environment=environment)
        if (folder / FAULT).exists():
            raise _fault(json.loads((folder / FAULT).read_bytes()))
        if code is None:
            raise OverloadError(
                f"The evaluation of version {version} took over {deadline:g} s and was stopped",
                f"Run it on the gateway's host, without a deadline: modelops evaluate {spec.name} {version}",
            )
        if code != 0:
            raise PredictionError(
                f"The process that evaluated version {version} died with exit code {code}: a model may have ended it",
                f"Run it on the gateway's host to see its output: modelops evaluate {spec.name} {version}",
            )


def _fault(fault: dict[str, str]) -> ModelOpsError:
    """Return the error that the child reported, of its own type."""
    kind = getattr(errors, fault["type"], PredictionError)
    error: ModelOpsError = kind(fault["message"], fault["remedy"])
    return error
