"""Runs the steps of a retraining: used by the CLI, the job and the assets. When to start one: ``decisions``.

A step's record is stored before the next step starts, so that Dagster can run each as an asset of its own.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, ModelError, ModelOpsError
from modelops_pipelines.core.improve.retraining.failures import failure_kind
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_candidate
from modelops_pipelines.operations.improve.guards.check_set import accept_guards, check_frozen, refuse_failed
from modelops_pipelines.operations.improve.retraining.candidates import candidates_of
from modelops_pipelines.operations.improve.retraining.trainer_process import train_candidate_apart
from modelops_pipelines.operations.improve.steps import CANDIDATE, TRAINING_SET, Step, steps_remedy, why_url
from modelops_pipelines.operations.improve.training.run_inputs import set_sources
from modelops_pipelines.operations.improve.training.sets import build_training_set
from modelops_pipelines.store.settings import is_server
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops.retraining")


Tell = Callable[[str], None]


def _tell_nobody(_: str) -> None:
    """Take what a retraining is at, where nobody waits for it."""


def retrain(
    stores: Stores,
    spec: EndpointSpec,
    reason: str,
    accepted: Sequence[str] = (),
    actor: str = "",
    *,
    tell: Tell = _tell_nobody,
) -> Iterator[Step[Any]]:
    """Run a whole retraining, one step per iteration: training set, candidate, verdict. What is live does not change.

    ``accepted`` are guards whose failed verdict on the set a person, the actor, accepts for the reason given. The last
    step's record is the ``Gate``. ``tell`` is given what is under way, in words. Raises what ``accept_guards`` and
    ``train_candidate`` raise.
    """
    frozen = freeze_training_set(stores, spec, reason, tell)
    if accepted:
        accept_guards(stores, spec, frozen.record.content_hash, accepted, actor=actor, reason=reason)
    yield frozen
    yield train_candidate(stores, spec, tell)
    tell("judging what was trained against the champion")
    yield evaluate_candidate(stores, spec)


def freeze_training_set(
    stores: Stores, spec: EndpointSpec, reason: str, tell: Tell = _tell_nobody
) -> Step[TrainingSet]:
    """Record that a retraining starts, freeze its training set, and let the guards judge it."""
    require_served_here(spec, "a retraining")
    progress = stores.ingest_progress.of(spec.name)
    stores.retrainings.start(spec.name, progress.watermark, reason, stores.now(), _evidence(stores, spec, reason))
    with failures_recorded(stores, spec):
        tell("building the training set out of the log")
        frozen = build_training_set(stores, spec)
        stores.retrainings.take_set(spec.name, frozen.content_hash)
        tell(f"judging the training set of {frozen.rows:,} rows by its guards")
        checks = check_frozen(stores, spec, frozen)
    numbers = {
        "row_count": frozen.rows,
        "content_hash": frozen.content_hash,
        "base_hash": frozen.base_hash or "none: this set is a base",
        "labels_seen": frozen.labels_seen,
        "watermark": str(frozen.watermark),
        "refused_by": ", ".join(one.guard for one in checks if one.refuses) or "no guard",
        **set_sources(stores, frozen),
    }
    return Step(TRAINING_SET, frozen, numbers)


def train_candidate(stores: Stores, spec: EndpointSpec, tell: Tell = _tell_nobody) -> Step[ModelVersion]:
    """Train every candidate on the latest retraining's set, each in a process of its own; record the versions.

    The step's record is the first candidate's version; which one is best, the evaluation says. A candidate that fails
    is out of the competition, and its failure is kept. Raises ConflictError when the endpoint has no training set,
    RefusedSetError when a guard refuses it, and the first failure where no candidate was trained.
    """
    sets, past = stores.training_sets.of(spec.name), stores.retrainings.latest(spec.name)
    if not sets:
        raise ConflictError(
            f"Endpoint {spec.name!r} has no training set to train on", steps_remedy(spec, [TRAINING_SET])
        )
    chosen = past.training_set if past is not None and past.training_set is not None else sets[-1].content_hash
    with failures_recorded(stores, spec):
        refuse_failed(stores, spec, chosen)
        trained = _train_all(stores, spec, chosen, None if past is None else past.id, tell)
    version = next(iter(trained.values()))
    stores.retrainings.finish(spec.name, chosen, version.version, stores.now())
    numbers: dict[str, Any] = {
        "version": version.version,
        "model": _address(stores, version),
        "run_id": version.run_id,
        "training_set": version.training_set,
        "why": why_url(stores, spec, version.version),
    }
    if len(trained) > 1:
        numbers["candidates"] = {name: one.version for name, one in trained.items()}
    return Step(CANDIDATE, version, numbers)


def _train_all(
    stores: Stores, spec: EndpointSpec, content_hash: str, retraining: int | None, tell: Tell
) -> Mapping[str, ModelVersion]:
    """Return the versions of the candidates that could be trained, by the candidates' names."""
    trained: dict[str, ModelVersion] = {}
    failures: list[ModelOpsError] = []
    candidates = candidates_of(spec)
    for number, candidate in enumerate(candidates, 1):
        of = f" ({number} of {len(candidates)})" if len(candidates) > 1 else ""
        tell(f"training candidate {candidate.name}{of}")
        try:
            trained[candidate.name] = train_candidate_apart(stores, spec, candidate, content_hash, retraining, tell)
        except ModelOpsError as error:
            failures.append(error)
            _LOG.error("Candidate %s of %s was not trained: %s", candidate.name, spec.name, error.message)
    if failures and not trained:
        raise failures[0]
    if not trained:
        raise ModelError(f"Endpoint {spec.name!r} has no trainer", "Add 'trainer: module:function' to its YAML")
    return trained


@contextmanager
def failures_recorded(stores: Stores, spec: EndpointSpec) -> Iterator[None]:
    """Record with the endpoint's latest retraining what ends it without a version."""
    try:
        yield
    except ModelOpsError as error:
        stores.retrainings.fail(spec.name, failure_kind(error), stores.now())
        raise


def _evidence(stores: Stores, spec: EndpointSpec, reason: str) -> dict[str, Any]:
    """Return what started a retraining: the numbers of the latest decision where that is what did."""
    decision = stores.retraining_decisions.of(spec.name)
    if decision is not None and decision.start and decision.reason == reason:
        return {**decision.numbers, "decided_at": text(decision.at)}
    return {"signals": [], "started_by": "a person", "reason": reason}


def _address(stores: Stores, version: ModelVersion) -> str:
    settings = stores.settings
    own = f"http://{settings.host}:{settings.mlflow_port}"
    url = settings.registry_uri.rstrip("/") if is_server(settings.registry_uri) else own
    return f"{url}/#/models/{quote(version.model_name, safe='')}/versions/{version.version}"
