"""The process in which a version proves itself for ``trial.py``. It reads a folder, writes the result there, and exits.

``python -m modelops_pipelines.operations.models.trial_worker FOLDER SECONDS``
"""

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec, Limits
from modelops_pipelines.core.endpoints.trust import Trust
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.operations.model_runtime.loading import load_and_prove
from modelops_pipelines.operations.models.child_process import limit_child, write_fault
from modelops_pipelines.operations.models.trial import PROVEN, REQUEST
from modelops_pipelines.store.state.release.model_versions import ModelVersion


def main(folder: Path) -> None:
    """Load the version that the folder's request names and write what was found out of it, or why it cannot serve."""
    request = json.loads((folder / REQUEST).read_bytes())
    version, spec = read_version(request["version"]), read_spec(request["spec"])
    try:
        _, proven = load_and_prove(version, spec)
    except ModelOpsError as error:
        write_fault(folder, error)
        return
    (folder / PROVEN).write_text(json.dumps(proven.as_json()))


def read_version(given: Mapping[str, Any]) -> ModelVersion:
    """Return the version that a request describes."""
    return ModelVersion(**{**given, "registered_at": datetime.fromisoformat(given["registered_at"])})


def read_spec(given: Mapping[str, Any]) -> EndpointSpec:
    """Return the endpoint that a request describes."""
    lists = {name: tuple(given[name]) for name in ("accept_pickles", "classes")}
    trust, limits = Trust(tuple(given["trust"]["signed_by"])), Limits(**given["limits"])
    return EndpointSpec(**{**given, **lists, "trust": trust, "limits": limits})


if __name__ == "__main__":
    limit_child(sys.argv[1:])
    main(Path(sys.argv[1]))
    os._exit(0)  # does not wait for threads that a model has started
