"""Tries a version in a separate process, as a gateway worker does when it loads it; for deploys without a gateway.

The child process is ``trial_worker.py``. A crash or a hang of the model is a refusal too.
"""

import json
from dataclasses import asdict
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.models.child_process import read_fault, run_child, why_ended
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.state.release.model_versions import ModelVersion

DEADLINE = 100.0
"""Seconds that a version has to load and to answer: less than a pending deployment may take."""
REQUEST, PROVEN = "request.json", "proven.json"
CHILD = "modelops_pipelines.operations.models.trial_worker"
SPEC_NAMES = (
    "name", "model_name", "task", "label", "positive_label", "classes", "allow_pickle", "accept_pickles", "row_wise",
    "runtime", "output",
)  # fmt: skip


def try_version(version: ModelVersion, spec: EndpointSpec, deadline: float = DEADLINE) -> ModelVersion:
    """Load a version in a separate process and have it prove that it answers; return it with the classes of its model.

    Raises ModelError that names the cause and the remedy when it cannot be loaded, cannot answer, crashes, or takes
    longer than ``deadline`` seconds.
    """
    from modelops_pipelines.operations.model_runtime.loading import (
        Proven,
    )  # loads NumPy, which most commands do not need

    with scratch_folder() as folder:
        (folder / REQUEST).write_text(json.dumps(request_of(version, spec)))
        exit_code = run_child(CHILD, folder, deadline)
        name = f"Version {version.version} of {version.model_name!r}"
        if exit_code is None:
            raise ModelError(
                f"{name} did not load and answer its example within {deadline:g} s; its process was killed",
                "Log a version that loads and answers faster",
            )
        fault = read_fault(folder, version)
        if fault is not None:
            raise fault
        try:
            proven = Proven.from_json(json.loads((folder / PROVEN).read_bytes()))
        except (OSError, ValueError, LookupError, TypeError):
            proven = None
        if exit_code != 0 or proven is None:
            why = why_ended(folder, exit_code)
            raise ModelError(f"{name} ended its process when it was tried {why}", "Correct the model")
    return proven.learned(version)


def request_of(version: ModelVersion, spec: EndpointSpec) -> dict[str, Any]:
    """Return what a child needs to know of the version and its endpoint, as JSON."""
    described = {**asdict(version), "registered_at": text(version.registered_at)}
    named = {name: getattr(spec, name) for name in SPEC_NAMES}
    limits = {"memory_mib": spec.limits.memory_mib}
    return {"version": described, "spec": {**named, "trust": asdict(spec.trust), "limits": limits}}
