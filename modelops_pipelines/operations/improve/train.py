"""Trains a version: the trainer's estimator, logged with signature, training-set hash and reference profile."""

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, ModelError
from modelops_pipelines.core.foreign_text import error_text, quoted
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.core.improve.training_context import TrainingContext
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.classes import MODEL, YAML, agree
from modelops_pipelines.core.models.output_kinds import LABELS, PROBABILITIES, UNKNOWN
from modelops_pipelines.core.models.predictions import interpret
from modelops_pipelines.core.release.event_log import REPLACE_FRAME, Event
from modelops_pipelines.operations.drift.references import SAMPLE_ROWS, answers_of, make_reference, reference_hours
from modelops_pipelines.operations.improve.feature_importance import importance_of
from modelops_pipelines.operations.improve.training_sets import (
    EVENT_TIME,
    UnfrozenSet,
    as_frame,
    base_rows,
    content_hash,
    first_frame,
    freeze,
    read_training_set,
    set_of,
    trained_rows,
)
from modelops_pipelines.operations.lake.endpoint_tables import check_inputs
from modelops_pipelines.operations.versions.copies import clean_copies
from modelops_pipelines.store.registry.drift_references import Reference
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

Trainer = Callable[["pd.DataFrame", TrainingContext], Any]
SHOWN_COLUMNS = 10


def train_first(
    stores: Stores, spec: EndpointSpec, frame: "pd.DataFrame", trainer: Trainer | None = None
) -> ModelVersion:
    """Train the endpoint's first version on a user's own frame, which becomes the base of later training sets.

    Rows of evaluation days are frozen with the others and not trained on, as in every later set. Nothing is written
    when the frame, or what the trainer makes of it, is refused.
    """
    rows = base_rows(spec, frame)
    base = set_of(stores, spec, rows, None)
    part = trained_rows(spec, rows)
    trained = base if part is rows else set_of(stores, spec, part, base.record.content_hash)

    def freeze_both() -> None:
        for unfrozen in (base, *([] if trained is base else [trained])):
            freeze(stores, unfrozen)

    return _train(stores, spec, trained, trainer or load_trainer(spec), freeze_both)


def replace_first_frame(
    stores: Stores,
    spec: EndpointSpec,
    frame: "pd.DataFrame",
    trainer: Trainer | None = None,
    *,
    actor: str,
    reason: str,
) -> ModelVersion:
    """Train on a user's frame as ``train_first`` does, and let later training sets start from this frame.

    The history records it, with both frames' hashes. Raises InputError without a reason, and what ``train_first``
    raises: then the frame before stays.
    """
    if not reason.strip():
        raise InputError("To replace the first frame needs a reason", "Say why the frame before was wrong")
    before = first_frame(stores, spec)
    version = train_first(stores, spec, frame, trainer)
    chosen = content_hash(base_rows(spec, frame).combine_chunks())
    if before is not None and chosen != before.content_hash:
        evidence = {"frame": chosen, "replaced": before.content_hash}
        state = stores.deployments.desired(spec.name)
        parts = (0, spec.name, stores.now(), actor, REPLACE_FRAME, state.champion, version.version)
        stores.deployments.note(Event(*parts, state.generation, reason, evidence))
    return version


def train(stores: Stores, spec: EndpointSpec, record: TrainingSet, trainer: Trainer | None = None) -> ModelVersion:
    """Train on a frozen set; return the registered version.

    The same set and the same trainer return the version that already exists, so that a run killed after it trained
    does not train twice. Raises ModelError when the trainer cannot be loaded, raises, or returns nothing usable, and
    SchemaError when the version's inputs clash with the endpoint: then no version is registered.
    """
    unfrozen = UnfrozenSet(record, read_training_set(stores, record))
    return _train(stores, spec, unfrozen, trainer or load_trainer(spec), lambda: None)


def load_trainer(spec: EndpointSpec) -> Trainer:
    """Import the endpoint's trainer; raises ModelError when there is none or it cannot be imported."""
    if spec.trainer is None:
        raise ModelError(f"Endpoint {spec.name!r} has no trainer", "Add 'trainer: module:function' to its YAML")
    module, _, function = spec.trainer.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        trainer: Trainer = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"The trainer {spec.trainer} cannot be imported ({error})", "Correct 'trainer' in the endpoint's YAML"
        ) from error
    return trainer


def source_of(trainer: Trainer) -> str:
    """Return the source of the trainer's module, which identifies the trainer."""
    try:
        return inspect.getsource(sys.modules[trainer.__module__])
    except (OSError, TypeError, KeyError):
        return f"{trainer.__module__}:{getattr(trainer, '__qualname__', repr(trainer))}"


def _already_trained(stores: Stores, spec: EndpointSpec, record: TrainingSet, identity: str) -> ModelVersion | None:
    """Return the version trained here on this set by this trainer; not one imported with the same tags."""
    for version in reversed(stores.deployments.versions(spec.model_name)):
        ours = version.trained_here is not False and version.training_set == record.content_hash
        if ours and stores.registry.trainer_of(version) == identity:
            return version
    return None


def _train(
    stores: Stores, spec: EndpointSpec, of: UnfrozenSet, trainer: Trainer, keep: Callable[[], None]
) -> ModelVersion:
    """Return the version that exists, or train and register one; ``keep`` is called once nothing can refuse it."""
    identity = content_id(of.record.content_hash, source_of(trainer))
    existing = _already_trained(stores, spec, of.record, identity)
    if existing is not None:
        keep()
        return existing
    model, inputs = _fit(spec, of, trainer)
    reference = _reference(spec, of.record, of.rows, model, inputs)
    prepared = stores.registry.prepare(model, inputs, spec.task, allow_pickle=spec.allow_pickle)
    check_inputs(stores, spec, prepared.inputs)
    logged = stores.registry.log(
        prepared,
        model_name=spec.model_name,
        experiment=spec.name,
        training_set=of.record.content_hash,
        trainer=identity,
        reference=reference.to_files(),
        metrics={"rows": float(of.record.rows)},
        before_registering=keep,
    )
    version = replace(logged, trained_here=True)
    stores.references.write(spec.model_name, version.version, reference)
    stores.deployments.record_version(version)
    clean_copies(stores)
    return version


def _fit(spec: EndpointSpec, of: UnfrozenSet, trainer: Trainer) -> tuple[Any, "pd.DataFrame"]:
    """Return the fitted model and its inputs; raises ModelError when the trainer raises, or returns no model."""
    frame = as_frame(spec, of.rows)
    features = tuple(name for name in frame.columns if name != spec.label)
    try:
        model = trainer(frame, TrainingContext(spec.name, spec.task, spec.label, features))
    except Exception as error:  # noqa: BLE001 - a trainer is the user's code: any error is reported with its type
        values = [frame[name].tolist() for name in frame if frame[name].dtype == object]
        raise ModelError(
            f"The trainer of {spec.name!r} raised {error_text(error, values)}",
            f"Correct the trainer, or the data: {_described(frame)}",
        ) from quoted(error, values)
    if not hasattr(model, "predict"):
        raise ModelError(
            f"The trainer of {spec.name!r} returned a {type(model).__name__}, which cannot predict",
            "Return a fitted scikit-learn estimator, or a model of MLflow's pyfunc",
        )
    return model, as_model_input(frame[list(features)])


def _described(frame: "pd.DataFrame") -> str:
    """Return, without any value, what most trainers stumble over: columns that are no numbers, and missing values."""
    others = [f"{name} ({frame[name].dtype})" for name in frame.columns if frame[name].dtype.kind not in "biuf"]
    missing = [f"{name} ({count:,})" for name, count in frame.isna().sum().items() if count]
    texts = ", ".join(others[:SHOWN_COLUMNS]) or "none"
    return (
        f"{len(frame):,} rows; {len(others)} column(s) that are no numbers: {texts}; {len(missing)} with missing "
        f"values: {', '.join(missing[:SHOWN_COLUMNS]) or 'none'}"
    )


def as_model_input(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return features as they are served: every number as a float, so that it may be missing; text unchanged."""
    numbers = frame.select_dtypes("number").columns
    return frame.astype(dict.fromkeys(numbers, "float64"))


def _reference(
    spec: EndpointSpec, record: TrainingSet, rows: pa.Table, model: Any, inputs: "pd.DataFrame"
) -> Reference:
    """Profile the set's features and the model's own answers on (at most 50,000 of) its rows."""
    step = max(1, len(inputs) // SAMPLE_ROWS)
    predictions, scores = _answers(spec, model, inputs.iloc[::step])
    answers = {
        "prediction": pa.array(predictions, pa.float64() if spec.task == "regression" else pa.string()),
        "score": pa.array(scores, pa.float64()) if scores else pa.nulls(len(predictions), pa.float64()),
    }
    features = make_reference("", rows, list(inputs.columns))
    answered = make_reference("", pa.table(answers), answers_of(spec.task))
    return Reference(
        source=f"training set {record.content_hash[:12]}, {record.rows} rows",
        profiles={**features.profiles, **answered.profiles},
        importance=importance_of(lambda frame: _answers(spec, model, frame), inputs),
        hours=reference_hours(rows, features, rows.column(EVENT_TIME)),
    )


def _answers(spec: EndpointSpec, model: Any, inputs: "pd.DataFrame") -> tuple[list[Any], list[float] | None]:
    """Return the model's predictions and scores on features, as the gateway would answer."""
    function = "predict_proba" if spec.task != "regression" and hasattr(model, "predict_proba") else "predict"
    output = getattr(model, function)(inputs) if hasattr(model, "get_params") else model.predict(None, inputs)
    read = [class_name(value) for value in model.classes_.tolist()] if hasattr(model, "classes_") else None
    classes, _ = agree(spec.model_name, "in training", {MODEL: read, YAML: list(spec.classes) or None})
    kind = PROBABILITIES if function == "predict_proba" else UNKNOWN if read is None else LABELS
    predictions, scores = interpret(spec.task, output, len(inputs), classes, spec.positive_label, kind)
    return list(predictions), None if scores is None else list(scores)
