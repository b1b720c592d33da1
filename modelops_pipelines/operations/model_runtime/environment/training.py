"""A trainer's process in an environment of its own: the trainer is called here, and MLflow saves its model.

It runs with the environment's Python and packages. What it is told, and how it says how it ended, is in a folder:
``store.registry.environments.training_exchange``.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from modelops_pipelines.core.foreign_text import error_text, error_trace
from modelops_pipelines.core.improve.training.context import TrainingContext
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.store.filesystem.process_identity import end_with_parent
from modelops_pipelines.store.registry.environments.training_exchange import (
    MODEL,
    NO_MODEL,
    NOT_FOUND,
    ORDER,
    OUT_OF_MEMORY,
    OUTCOME,
    RAISED,
    SAVED,
    UNFIT,
    UNSAVED,
)
from modelops_pipelines.store.registry.environments.value_files import read_values

EXAMPLE_ROWS = 5


class _EndedError(Exception):
    """The training ended without a model."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


def main(folder: str) -> NoReturn:
    """Train what the folder's order says, and write there how it ended; what a trainer means to end, ends."""
    end_with_parent(os.getppid())
    place = Path(folder)
    kind, text = SAVED, ""
    try:
        _train(place)
    except _EndedError as ended:
        kind, text = ended.kind, ended.text
    draft = place / f"{OUTCOME}.partial"
    draft.write_text(json.dumps({"kind": kind, "text": text}))
    draft.rename(place / OUTCOME)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(0)  # does not wait for threads that a trainer has started


def _train(folder: Path) -> None:
    order = json.loads((folder / ORDER).read_bytes())
    _step(UNFIT, _import_packages)
    trainer = _step(NOT_FOUND, lambda: _found(order["trainer"], order["folders"]))
    values = _step(UNFIT, lambda: read_values(folder))
    frame = values["frame"]
    features = order["context"]["features"]
    example = _served(frame[features].head(EXAMPLE_ROWS))
    weights = None if values["weights"] is None else values["weights"].copy()  # a trainer may change it, as its frame
    context = TrainingContext(**{**order["context"], "features": tuple(features), "weights": weights})
    model = _step(RAISED, lambda: trainer(frame, context), frame)
    if not hasattr(model, "predict"):
        raise _EndedError(NO_MODEL, type(model).__name__)
    _pickle_own_code(order["folders"])
    _step(UNSAVED, lambda: _save(model, example, context.task, str(folder / MODEL), order["requirements"]), frame)


def _step(kind: str, act: Callable[[], Any], frame: Any = None) -> Any:
    """Return what a step returns; an error ends the training as this kind, with its text quoted."""
    try:
        return act()
    except MemoryError:
        raise _EndedError(OUT_OF_MEMORY, "") from None
    except Exception as error:  # noqa: BLE001 - a trainer is the user's code: any error is reported with its type
        texts = [] if frame is None else [name for name in frame if frame[name].dtype.kind not in "biuf"]
        values = [frame[name].tolist() for name in texts]
        sys.stderr.write(f"{error_trace(error, values)}\n")
        raise _EndedError(kind, error_text(error, values)) from None


def _import_packages() -> None:
    for name in ("numpy", "pandas", "mlflow.pyfunc"):
        importlib.import_module(name)


def _found(trainer: str, folders: "list[str]") -> Callable[[Any, TrainingContext], Any]:
    module, _, function = trainer.partition(":")
    sys.path[:0] = folders
    found: Callable[[Any, TrainingContext], Any] = getattr(importlib.import_module(module), function)
    return found


def _served(frame: Any) -> Any:
    """Return features as they are served: every number as a float, so that it may be missing; text unchanged."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("number").columns, "float64"))


def _pickle_own_code(folders: "list[str]") -> None:
    """Have classes and functions of the project's modules stored with the model: it answers where they are not."""
    import cloudpickle  # type: ignore[import-untyped]

    own = tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in folders)
    for module in list(sys.modules.values()):
        file = os.path.realpath(str(getattr(module, "__file__", None) or ""))
        if file.startswith(own) and not file.startswith(os.path.realpath(sys.prefix) + os.sep):
            cloudpickle.register_pickle_by_value(module)


def _save(model: Any, example: Any, task: str, path: str, requirements: "list[str]") -> None:
    """Save the model with signature, example and requirements, as ``store.registry.prepared_models`` logs others."""
    from mlflow.models import infer_signature

    arguments = {"path": path, "input_example": example, "pip_requirements": requirements}
    if not hasattr(model, "get_params"):
        import mlflow.pyfunc

        answered = model.predict(None, example)
        mlflow.pyfunc.save_model(python_model=model, signature=infer_signature(example, answered), **arguments)
        return
    import mlflow.sklearn

    function = "predict_proba" if task != "regression" and hasattr(model, "predict_proba") else "predict"
    classes = [class_name(value) for value in model.classes_.tolist()] if hasattr(model, "classes_") else None
    mlflow.sklearn.save_model(
        model,
        serialization_format="cloudpickle",
        signature=infer_signature(example, getattr(model, function)(example)),
        pyfunc_predict_fn=function,
        metadata={"classes": classes},
        **arguments,
    )
