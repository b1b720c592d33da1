"""The process that judges a version for ``evaluation_process.py``: it records the verdict or writes a fault, and exits.

``python -m modelops_pipelines.operations.improve.evaluation.worker FOLDER SECONDS ENDPOINT VERSION [low-priority]``
"""

import json
import sys
from pathlib import Path

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_version
from modelops_pipelines.operations.models.child_process import FAULT, limit_child
from modelops_pipelines.store.stores import Stores


def main(folder: Path, endpoint: str, version: str) -> None:
    """Judge the version; an error of ours is written to the folder with its type."""
    try:
        stores = Stores()
        evaluate_version(stores, endpoint_named(stores, endpoint), version)
    except ModelOpsError as error:
        fault = {"type": type(error).__name__, "message": error.message, "remedy": error.remedy}
        (folder / FAULT).write_text(json.dumps(fault))


if __name__ == "__main__":
    limit_child(sys.argv[1:])
    main(Path(sys.argv[1]), sys.argv[3], sys.argv[4])
