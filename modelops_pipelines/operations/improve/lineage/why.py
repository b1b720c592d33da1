"""Why a version is as it is: its rows and who labelled them, its checks, its training, what started it, its verdicts.

Reads the state database and the set's table of origins; neither MLflow nor the log. A missing record is named.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.core.improve.lineage.answers import (
    Attempt,
    Change,
    Check,
    Person,
    SetSummary,
    Signal,
    Start,
    TrialVerdict,
    Verdict,
    Why,
)
from modelops_pipelines.operations.improve.lineage.origins import NO_ORIGINS, SetOrigins, read_origins
from modelops_pipelines.operations.improve.lineage.placements import changes_of, endpoints_of_model, live_versions
from modelops_pipelines.operations.versions.signed_versions import how_trusted
from modelops_pipelines.store.state.improve.retrainings import Retraining
from modelops_pipelines.store.state.improve.training_runs import TrainingRun
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

FEEDBACK_LISTED = 100
ORIGINS_CHANGED = "the table of the set's origins was changed after it was written: restore it from a backup"
MOST_ID = 100
SIGNAL_KINDS = ("drift", "quality", "estimated_quality", "concept_drift")
_ALERT_KEYS = ("alert", "alert_id", "alerts")
_BY_HAND = "no guard judged the set: 'modelops train' trained on it, and guards judge the sets of retrainings"
_NO_CHECKS = "no guard judged the set: it was built before release 0.4, or its guards are off"
_NO_SET = "its training set is of another installation"
_NO_SET_OF_YOURS = "its training set is none of the endpoints that you may see"
_ELSEWHERE = "the version was registered elsewhere, or by an older release: MLflow's run says what is known of it"


def why(
    stores: Stores,
    spec: EndpointSpec,
    version: str,
    *,
    limit: int | None = FEEDBACK_LISTED,
    cursor: str | None = None,
    sees: Callable[[str], bool] | None = None,
) -> Why:
    """Return why a version is as it is, with at most ``limit`` of its feedback's ids (None: all) after ``cursor``.

    ``sees`` says of which other endpoints of the model may be told (None: of all): what these did with the version,
    and a training set of theirs with its run, are left out.

    Raises UnknownError for a version that is neither recorded nor served here, InputError for what is no cursor.
    """
    if cursor is not None and not 0 < len(cursor) <= MOST_ID:
        raise InputError("The cursor is not one of this list", "Use the cursor that the previous page returned")
    endpoints = endpoints_of_model(stores, spec, sees)
    known = stores.deployments.version(spec.model_name, version)
    changes = [one for one in changes_of(stores, endpoints) if version in (one.from_version, one.to_version)]
    if known is None and not changes:
        raise UnknownError(
            f"No version {version[:40]!r} of model {spec.model_name!r} is recorded here",
            f"See the versions: modelops model list {spec.name}",
        )
    record = training_set_of(stores, endpoints, known)
    is_of_others = sees is not None and record is None and known is not None and known.training_set is not None
    origins = None if record is None else read_origins(stores, record, cursor, limit)
    start = _start_of(stores, endpoints, version)
    found = Why(
        endpoint=spec.name,
        model_name=spec.model_name,
        version=version,
        registered_at=known.registered_at if known else None,
        run_id=known.run_id if known and not is_of_others else None,
        trained_here=known.trained_here if known else None,
        trust=how_trusted(known, spec) if known else None,
        training_set=None if record is None else _summary(record),
        sources=None if origins is None else origins.sources,
        feedback=None if origins is None else origins.feedback,
        checks=[] if record is None else _checks(stores, record),
        attempts=[_attempt(run) for name in endpoints for run in stores.training_runs.behind(name, version)],
        started_by=start,
        gate=[_verdict(gate) for name in endpoints for gate in stores.gates.of(name) if gate.version == version],
        trials=[_trial(one) for name in endpoints for one in stores.trials.of(name) if one.version == version],
        changes=changes,
        people=list(_people(stores, record, origins, start, changes, version)),
        live=[one for one in live_versions(stores, endpoints) if one.version == version],
    )
    changed = _changed(stores, record)
    no_set = _NO_SET_OF_YOURS if is_of_others else _NO_SET
    return replace(found, unknown={**_unknown(found, known, record, no_set), **changed})


def _changed(stores: Stores, record: TrainingSet | None) -> dict[str, str]:
    """Return what cannot be believed because the set's table of origins is not as it was written."""
    from modelops_pipelines.operations.improve.training.origins import CHANGED, origins_state  # it loads Arrow

    if record is None or origins_state(stores, record) != CHANGED:
        return {}
    return dict.fromkeys(("sources", "feedback", "people"), ORIGINS_CHANGED)


def training_set_of(stores: Stores, endpoints: Sequence[str], version: ModelVersion | None) -> TrainingSet | None:
    """Return the record of the set that a version was trained on; None where it is not of this installation."""
    if version is None or version.training_set is None:
        return None
    sets = (one for name in endpoints for one in stores.training_sets.of(name))
    return next((one for one in sets if one.content_hash == version.training_set), None)


def _summary(record: TrainingSet) -> SetSummary:
    manifest: Mapping[str, Any] = record.manifest or {}
    return SetSummary(
        content_hash=record.content_hash,
        endpoint=record.endpoint,
        base_hash=record.base_hash,
        rows=record.rows,
        built_at=record.at,
        as_of=record.as_of,
        tables=manifest.get("tables") or {},
        code_hash=manifest.get("code_hash"),
        yaml_hash=manifest.get("yaml_hash"),
    )


def _checks(stores: Stores, record: TrainingSet) -> list[Check]:
    found = stores.set_checks.of(record.endpoint, record.content_hash)
    return [Check(**{one.name: getattr(check, one.name) for one in fields(Check)}) for check in found]


def _attempt(run: TrainingRun) -> Attempt:
    return Attempt(**{one.name: getattr(run, one.name) for one in fields(Attempt)})


def _verdict(gate: Any) -> Verdict:
    return Verdict(gate.verdict, gate.champion, gate.at, dict(gate.numbers))


def _trial(trial: Any) -> TrialVerdict:
    return TrialVerdict(trial.verdict, trial.share, trial.at, dict(trial.numbers))


def _start_of(stores: Stores, endpoints: Sequence[str], version: str) -> Start | None:
    """Return the first retraining that a version came from: a later one on the same set trained nothing new."""
    for name in endpoints:
        past = stores.retrainings.of(name)
        numbers = {run.retraining for run in stores.training_runs.behind(name, version)}
        mine = next((one for one in past if one.version == version or one.id in numbers), None)
        if mine is not None:
            return Start(mine.id, mine.at, mine.reason, mine.evidence, _signals(stores, mine))
    return None


def _signals(stores: Stores, of: Retraining) -> list[Signal]:
    named = set(_alert_numbers(of.evidence))
    alerts = stores.alerts.find(of.endpoint)
    found = [one for one in alerts if one.id in named] if named else [one for one in alerts if _was_signal(one, of)]
    return [
        Signal(one.id or 0, one.rule, one.kind, one.message, one.opened_at, one.resolved_at, one.acknowledged_by)
        for one in reversed(found)
    ]


def _was_signal(alert: Alert, of: Retraining) -> bool:
    is_open = alert.opened_at <= of.at and (alert.resolved_at is None or alert.resolved_at > of.at)
    return is_open and alert.kind in SIGNAL_KINDS and alert.rule in of.reason


def _alert_numbers(evidence: Any, *, within: bool = False) -> Iterator[int]:
    """Yield the numbers of alerts in recorded evidence, at any depth: under ``alert``, ``alert_id`` or ``alerts``."""
    if isinstance(evidence, Mapping):
        for name, value in evidence.items():
            yield from _alert_numbers(value, within=name in _ALERT_KEYS or (within and name == "id"))
    elif isinstance(evidence, list | tuple):
        for one in evidence:
            yield from _alert_numbers(one, within=within)
    elif within and isinstance(evidence, int) and not isinstance(evidence, bool):
        yield evidence


def _people(
    stores: Stores,
    record: TrainingSet | None,
    origins: SetOrigins | None,
    start: Start | None,
    changes: Sequence[Change],
    version: str,
) -> Iterator[Person]:
    """Yield who had a part in the version: what changed it, whose feedback was accepted, who reviewed, who was alerted.

    Accepted feedback is that of the endpoint until the set was built, also where another label counts.
    """
    led = Counter((one.actor, _deed(one, version)) for one in changes)
    yield from (Person(name, did, times) for (name, did), times in led.items())
    if record is not None and origins is not None and origins.feedback.total:
        accepted = stores.lineage_records.accepted_by(record.endpoint, record.as_of or record.at)
        yield from (Person(name, "accepted feedback", times) for name, times in accepted.items())
    yield from (
        Person(one.name, "reviewed predictions", None, one.rows) for one in (origins.reviewers if origins else ())
    )
    answered = Counter(one.acknowledged_by for one in (start.alerts if start else ()) if one.acknowledged_by)
    yield from (Person(str(name), "acknowledged an alert that started it", times) for name, times in answered.items())


def _deed(change: Change, version: str) -> str:
    return f"{change.action} of it" if change.to_version == version else f"{change.action} that took its place"


def _unknown(found: Why, known: ModelVersion | None, record: TrainingSet | None, no_set: str) -> dict[str, str]:
    """Return why parts are missing; what did not happen, such as a trial, is no missing part.

    ``no_set`` is why there is no record of a training set that the version names.
    """
    missing: dict[str, str] = {}
    if known is None:
        missing["registered_at"] = "the version is recorded here no more: only what it served is"
    if record is None:
        gone = known is not None and known.training_set is not None
        reason = no_set if gone else _ELSEWHERE
        missing |= dict.fromkeys(("training_set", "sources", "feedback", "checks"), reason)
    elif found.sources is None:
        reason = f"the training set {NO_ORIGINS}, or its table was deleted after its retention"
        missing |= dict.fromkeys(("sources", "feedback"), reason)
    by_hand = known is not None and known.trained_here is True and found.started_by is None
    if record is not None and not found.checks:
        missing["checks"] = _BY_HAND if by_hand else _NO_CHECKS
    if not found.attempts:
        missing["attempts"] = "no attempt to train it is recorded" if record is not None else _ELSEWHERE
    if found.started_by is None:
        how = "'modelops train' trained it, by hand" if by_hand else "it was registered elsewhere, or trained by hand"
        missing["started_by"] = f"no retraining led to it: {how}"
    return missing
