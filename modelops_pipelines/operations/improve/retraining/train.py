"""Trains a version: the trainer's estimator, logged with signature, training-set hash and reference profile."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.improvement import CandidateTrainer
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, ModelError
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.core.release.event_log import REPLACE_FRAME, Event
from modelops_pipelines.core.tables.feature_columns import column_of
from modelops_pipelines.operations.drift.references import SAMPLE_ROWS, answers_of, make_reference, reference_hours
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.improve.retraining.candidates import own_trainer
from modelops_pipelines.operations.improve.retraining.feature_importance import importance_of
from modelops_pipelines.operations.improve.retraining.fitting import Fitted, Trainer, TrainerHere, load_trainer
from modelops_pipelines.operations.improve.retraining.fitting_apart import TrainerApart
from modelops_pipelines.operations.improve.training.content import set_name
from modelops_pipelines.operations.improve.training.run_inputs import run_inputs
from modelops_pipelines.operations.improve.training.sets import (
    EVENT_TIME,
    UnfrozenSet,
    base_rows,
    first_frame,
    freeze,
    part_origins,
    read_training_set,
    set_of,
    trained_rows,
)
from modelops_pipelines.operations.lake.endpoint_tables import check_inputs
from modelops_pipelines.operations.versions.copies import clean_copies
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

AnyTrainer = Trainer | TrainerApart
_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def train_first(
    stores: Stores, spec: EndpointSpec, frame: "pd.DataFrame", trainer: AnyTrainer | None = None
) -> ModelVersion:
    """Train the endpoint's first version on a user's own frame, which becomes the base of later training sets.

    Rows of evaluation days are frozen with the others and not trained on, as in every later set. Nothing is written
    when the frame, or what the trainer makes of it, is refused.
    """
    require_served_here(spec, "a training")
    rows = base_rows(spec, frame)
    base = set_of(stores, spec, rows, None)
    part = trained_rows(spec, rows)
    trained = base if part is rows else set_of(stores, spec, part, base.record.content_hash, part_origins(rows, part))

    def freeze_both() -> None:
        for unfrozen in (base, *([] if trained is base else [trained])):
            freeze(stores, unfrozen)

    return _train(stores, spec, trained, trainer or trainer_of(spec), freeze_both)


def replace_first_frame(
    stores: Stores,
    spec: EndpointSpec,
    frame: "pd.DataFrame",
    trainer: AnyTrainer | None = None,
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
    chosen = set_name(stores, spec.name, base_rows(spec, frame).combine_chunks())
    if before is not None and chosen != before.content_hash:
        evidence = {"frame": chosen, "replaced": before.content_hash}
        state = stores.deployments.desired(spec.name)
        parts = (0, spec.name, stores.now(), actor, REPLACE_FRAME, state.champion, version.version)
        stores.deployments.note(Event(*parts, state.generation, reason, evidence))
    return version


def train(
    stores: Stores,
    spec: EndpointSpec,
    record: TrainingSet,
    trainer: AnyTrainer | None = None,
    settings: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Train on a frozen set; return the registered version.

    In this process, as a function given cannot be sent to another one; retrainings use ``trainer_process``. A trainer
    with an environment of its own runs there. The same set, trainer, settings and releases of packages return the
    version that already exists, so that a run killed after it trained does not train twice. Raises ModelError when the
    trainer cannot be loaded, raises, or returns nothing usable, and SchemaError when the version's inputs clash with
    the endpoint: then no version is registered.
    """
    unfrozen = UnfrozenSet(record, read_training_set(stores, record))
    return _train(stores, spec, unfrozen, trainer or trainer_of(spec), lambda: None, settings or {})


def trainer_of(spec: EndpointSpec, candidate: CandidateTrainer | None = None) -> AnyTrainer:
    """Return a candidate's trainer, by default the endpoint's, imported where it runs here; raises ModelError."""
    chosen = candidate or own_trainer(spec)
    if chosen is None:
        raise ModelError(f"Endpoint {spec.name!r} has no trainer", "Add 'trainer: module:function' to its YAML")
    if chosen.environment is None:
        return load_trainer(chosen.trainer)
    return TrainerApart(chosen.trainer, chosen.environment)


def _already_trained(stores: Stores, spec: EndpointSpec, record: TrainingSet, identity: str) -> ModelVersion | None:
    """Return the version trained here on this set by this trainer; not one imported with the same tags."""
    for version in reversed(stores.deployments.versions(spec.model_name)):
        ours = version.trained_here is not False and version.training_set == record.content_hash
        if ours and stores.registry.trainer_of(version) == identity:
            return version
    return None


def _train(
    stores: Stores,
    spec: EndpointSpec,
    of: UnfrozenSet,
    trainer: AnyTrainer,
    keep: Callable[[], None],
    settings: Mapping[str, Any] = _NO_SETTINGS,
) -> ModelVersion:
    """Return the version that exists, or train and register one; ``keep`` is called once nothing can refuse it."""
    weighted = () if spec.training.weights == "none" else (spec.training.weights, spec.training.half_life)
    runs = trainer if isinstance(trainer, TrainerApart) else TrainerHere(trainer)
    source, *variant = runs.identity(stores, spec, settings)
    identity = content_id(of.record.content_hash, source, *map(str, weighted), *variant)
    existing = _already_trained(stores, spec, of.record, identity)
    if existing is not None:
        keep()
        return existing
    fitted = runs.fit(stores, spec, of, settings)
    reference = _reference(spec, of.record, of.rows, fitted)
    prepared = fitted.prepare()
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
        inputs=run_inputs(stores, spec, of.record, of.rows),
    )
    version = replace(logged, trained_here=True)
    stores.references.write(spec.model_name, version.version, reference)
    stores.deployments.record_version(version)
    clean_copies(stores)
    return version


def _reference(spec: EndpointSpec, record: TrainingSet, rows: pa.Table, fitted: Fitted) -> Reference:
    """Profile the set's features and the model's own answers on (at most 50,000 of) its rows."""
    inputs = fitted.inputs
    step = max(1, len(inputs) // SAMPLE_ROWS)
    predictions, scores = fitted.answers(inputs.iloc[::step])
    answers = {
        "prediction": pa.array(predictions, pa.float64() if spec.task == "regression" else pa.string()),
        "score": pa.array(scores, pa.float64()) if scores else pa.nulls(len(predictions), pa.float64()),
    }
    features = make_reference("", rows, list(map(column_of, inputs.columns)))
    importance = importance_of(fitted.answers, inputs)
    answered = make_reference("", pa.table(answers), answers_of(spec.task))
    return Reference(
        source=f"training set {record.content_hash[:12]}, {record.rows} rows",
        profiles={**features.profiles, **answered.profiles},
        importance={column_of(name): share for name, share in importance.items()},
        hours=reference_hours(rows, features, rows.column(EVENT_TIME)),
    )
