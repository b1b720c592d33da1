"""The process that trains a version for ``trainer_process.py``: it registers the version or reports a fault, and exits.

``python -m modelops_pipelines.operations.improve.retraining.trainer_worker FOLDER``
"""

import json
import os
import resource
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import ModelOpsError, TrainingError, UnknownError
from modelops_pipelines.core.improve.retraining.failures import OUT_OF_MEMORY
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.retraining.candidates import candidates_of
from modelops_pipelines.operations.improve.retraining.exchange import FAULT, FIRST, REQUEST, TRAINED
from modelops_pipelines.operations.improve.retraining.train import (
    replace_first_frame,
    train,
    train_first,
    trainer_of,
)
from modelops_pipelines.operations.improve.training.files import read_frame
from modelops_pipelines.store.filesystem.process_identity import end_with_parent
from modelops_pipelines.store.settings import Settings, load_settings
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

_SLACK_MIB = 4096
"""What the system counts as data beyond what is resident: stacks of threads, arenas of the allocator. The supervisor
watches the limit itself; this one is for what takes memory faster than that looks."""


def main(folder: Path) -> None:
    """Train what the folder's request names; an error of ours is written there with its type."""
    request = json.loads((folder / REQUEST).read_bytes())
    _limit(request["memory_mib"])
    try:
        version = _train(request, _told_settings())
    except MemoryError:
        _report(folder, TrainingError("The training needs more memory than it may use", "", OUT_OF_MEMORY))
    except ModelOpsError as error:
        _report(folder, error)
    else:
        (folder / TRAINED).write_text(json.dumps({"version": version.version}))


def _told_settings() -> Settings:
    """Return the settings of the environment and of the standard input, where the secret ones are; it is empty then."""
    told: dict[str, str] = json.loads(sys.stdin.buffer.read())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return load_settings(environment={**os.environ, **told})


def _train(request: dict[str, Any], settings: Settings) -> ModelVersion:
    stores = Stores(settings)
    spec = endpoint_named(stores, request["endpoint"], newest=request["kind"] == FIRST)
    if request["kind"] == FIRST:
        frame = read_frame(Path(request["data"]))
        if request["reason"] is None:
            return train_first(stores, spec, frame)
        return replace_first_frame(stores, spec, frame, actor=request["actor"], reason=request["reason"])
    sets = {one.content_hash: one for one in stores.training_sets.of(spec.name)}
    chosen = next((one for one in candidates_of(spec) if one.name == request["candidate"]), None)
    if chosen is None or request["content_hash"] not in sets:
        raise UnknownError(
            f"Endpoint {spec.name!r} has no candidate {request['candidate']!r} or training set to train it on",
            "Its YAML changed meanwhile: start the retraining again",
        )
    trainer = trainer_of(spec, chosen)
    return train(stores, spec, sets[request["content_hash"]], trainer, chosen.settings)


def _limit(memory_mib: int) -> None:
    """End this process with its parent, and refuse it memory far over the limit, which the supervisor watches."""
    parent = os.getppid()
    if parent == 1:
        sys.exit(1)  # the parent has ended before
    end_with_parent(parent)
    if sys.platform == "linux":
        bound = (2 * memory_mib + _SLACK_MIB) * 1024 * 1024
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


def _report(folder: Path, error: ModelOpsError) -> None:
    """Report an error to the parent, and print what led to it to the trainer's own output."""
    traceback.print_exception(error.__context__ or error)
    kind = error.kind if isinstance(error, TrainingError) else None
    fault = {"type": type(error).__name__, "message": error.message, "remedy": error.remedy, "kind": kind}
    (folder / FAULT).write_text(json.dumps(fault))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # does not wait for threads that a trainer has started
