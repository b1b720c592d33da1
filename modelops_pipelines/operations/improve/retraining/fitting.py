"""Fits a trainer's model in this process: what a training needs of it before it is registered."""

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError, TrainingError
from modelops_pipelines.core.foreign_text import error_text, quoted
from modelops_pipelines.core.improve.retraining.failures import NO_MODEL, OUT_OF_MEMORY, RAISED
from modelops_pipelines.core.improve.training.context import TrainingContext
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.classes import MODEL, YAML, agree
from modelops_pipelines.core.models.output_kinds import LABELS, PROBABILITIES, UNKNOWN
from modelops_pipelines.core.models.predictions import interpret
from modelops_pipelines.operations.improve.retraining.feature_importance import Answers
from modelops_pipelines.operations.improve.training.frames import as_frame, as_model_input, with_own_names
from modelops_pipelines.operations.improve.training.sets import UnfrozenSet
from modelops_pipelines.operations.improve.training.weights import weights_of
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

    from modelops_pipelines.store.registry.prepared_models import PreparedModel, SavedModel

Trainer = Callable[["pd.DataFrame", TrainingContext], Any]
SHOWN_COLUMNS = 10


@dataclass(frozen=True)
class Fitted:
    """A trained model that is not registered yet.

    ``inputs`` are the features that it was trained on, as they are served; ``answers`` returns its predictions and
    scores on such rows; ``prepare`` returns it as it can be logged, and raises ModelError where it cannot.
    """

    inputs: "pd.DataFrame"
    answers: Answers
    prepare: "Callable[[], PreparedModel | SavedModel]"


@dataclass(frozen=True)
class TrainerHere:
    """A trainer that runs with the packages of this project, in this process."""

    function: Trainer

    def identity(self, stores: Stores, spec: EndpointSpec, settings: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - as TrainerApart has it
        """Return what tells it from other trainers: the source of its module, and what a candidate has of its own."""
        return [source_of(self.function), *variant_of(spec, self.function, settings)]

    def fit(self, stores: Stores, spec: EndpointSpec, of: UnfrozenSet, settings: Mapping[str, Any]) -> Fitted:
        """Train on a set; raises TrainingError when the trainer raises, or returns no model."""
        model, inputs = fit(stores, spec, of, self.function, settings)
        return Fitted(
            inputs,
            lambda frame: answers_here(spec, model, frame),
            lambda: stores.registry.prepare(model, inputs, spec.task, allow_pickle=spec.allow_pickle),
        )


def load_trainer(name: str) -> Trainer:
    """Import a trainer, ``module:function``; raises ModelError when it cannot be imported."""
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        trainer: Trainer = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"The trainer {name} cannot be imported ({error})", "Correct 'trainer' in the endpoint's YAML"
        ) from error
    return trainer


def source_of(trainer: Trainer) -> str:
    """Return the source of the trainer's module, which identifies the trainer."""
    try:
        return inspect.getsource(sys.modules[trainer.__module__])
    except (OSError, TypeError, KeyError):
        return f"{trainer.__module__}:{getattr(trainer, '__qualname__', repr(trainer))}"


def variant_of(spec: EndpointSpec, trainer: Trainer, settings: Mapping[str, Any]) -> list[str]:
    """Return what tells a candidate from others of its module; nothing for the endpoint's own trainer as it is."""
    name = f"{trainer.__module__}:{getattr(trainer, '__qualname__', repr(trainer))}"
    return [] if name == spec.trainer and not settings else [name, json.dumps(settings, sort_keys=True, default=str)]


def fit(
    stores: Stores, spec: EndpointSpec, of: UnfrozenSet, trainer: Trainer, settings: Mapping[str, Any]
) -> tuple[Any, "pd.DataFrame"]:
    """Return the fitted model and its inputs; raises TrainingError when the trainer raises, or returns no model."""
    frame = with_own_names(spec, as_frame(spec, of.rows))
    features = tuple(name for name in frame.columns if name != spec.label)
    weights = weights_of(stores, spec, of.rows)
    try:
        parts = (spec.name, spec.task, spec.label, features)
        model = trainer(frame, TrainingContext(*parts, settings=settings, weights=weights))
    except MemoryError as error:
        raise TrainingError(
            f"The trainer of {spec.name!r} needs more memory than there is", "Use fewer rows", OUT_OF_MEMORY
        ) from error
    except Exception as error:  # noqa: BLE001 - a trainer is the user's code: any error is reported with its type
        values = [frame[name].tolist() for name in frame if frame[name].dtype == object]
        raise TrainingError(
            f"The trainer of {spec.name!r} raised {error_text(error, values)}",
            f"Correct the trainer, or the data: {described(frame)}",
            RAISED,
        ) from quoted(error, values)
    if not hasattr(model, "predict"):
        raise TrainingError(
            f"The trainer of {spec.name!r} returned a {type(model).__name__}, which cannot predict",
            "Return a fitted scikit-learn estimator, or a model of MLflow's pyfunc",
            NO_MODEL,
        )
    return model, as_model_input(frame[list(features)])


def described(frame: "pd.DataFrame") -> str:
    """Return, without any value, what most trainers stumble over: columns that are no numbers, and missing values."""
    others = [f"{name} ({frame[name].dtype})" for name in frame.columns if frame[name].dtype.kind not in "biuf"]
    missing = [f"{name} ({count:,})" for name, count in frame.isna().sum().items() if count]
    texts = ", ".join(others[:SHOWN_COLUMNS]) or "none"
    return (
        f"{len(frame):,} rows; {len(others)} column(s) that are no numbers: {texts}; {len(missing)} with missing "
        f"values: {', '.join(missing[:SHOWN_COLUMNS]) or 'none'}"
    )


def answers_here(spec: EndpointSpec, model: Any, inputs: "pd.DataFrame") -> tuple[list[Any], list[float] | None]:
    """Return the model's predictions and scores on features, as the gateway would answer."""
    function = "predict_proba" if spec.task != "regression" and hasattr(model, "predict_proba") else "predict"
    output = getattr(model, function)(inputs) if hasattr(model, "get_params") else model.predict(None, inputs)
    read = [class_name(value) for value in model.classes_.tolist()] if hasattr(model, "classes_") else None
    classes, _ = agree(spec.model_name, "in training", {MODEL: read, YAML: list(spec.classes) or None})
    kind = PROBABILITIES if function == "predict_proba" else UNKNOWN if read is None else LABELS
    named = spec.task == "regression" and hasattr(output, "columns")
    names = [str(name) for name in output.columns] if named else classes
    predictions, scores = interpret(spec.task, output, len(inputs), names, spec.positive_label, kind, spec.output)
    return list(predictions), None if scores is None else list(scores)
