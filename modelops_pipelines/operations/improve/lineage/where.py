"""Where a piece of feedback went: its prediction, its acceptance, the sets, the versions, and what they serve now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.ids import time_of
from modelops_pipelines.core.improve.lineage.answers import (
    Acceptance,
    FeedbackStep,
    Placed,
    SetHolding,
    TrainedVersion,
    Where,
)
from modelops_pipelines.core.tables.lake import FEEDBACK, INFERENCE_LOG
from modelops_pipelines.operations.capture.pending_responses import pending_predictions
from modelops_pipelines.operations.improve.feedback.open_feedback import pending_feedback
from modelops_pipelines.operations.improve.lineage.origins import rows_of
from modelops_pipelines.operations.improve.lineage.placements import changes_of, endpoints_of_model, live_versions
from modelops_pipelines.store.lake.reader import partition_of
from modelops_pipelines.store.lake.rows.origins import origins_of_sets
from modelops_pipelines.store.state.improve.accepted_feedback import AcceptedFeedback
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

LONGEST_ID = 100
_PLACED = ("deploy", "promote", "rollback", "undo", "shadow")


@dataclass(frozen=True)
class _Known:
    """What is known of a piece of feedback; what is not is None."""

    prediction_id: str | None = None
    event_time: datetime | None = None
    received_at: datetime | None = None
    is_deleted: bool = False


def where(stores: Stores, spec: EndpointSpec, feedback_id: str, *, sees: Callable[[str], bool] | None = None) -> Where:
    """Return where a piece of feedback went; of deleted feedback too, while any record names it.

    ``sees`` says of which other endpoints of the model may be told (None: of all). Raises UnknownError when no record
    names the feedback.
    """
    accepted = stores.accepted_feedback.find(spec.name, feedback_id)
    steps = stores.feedback_events.of(spec.name, feedback_id)
    mark = stores.feedback_marks.find(spec.name, feedback_id)
    known, holdings, unread = _find(stores, spec, feedback_id, accepted)
    if known is None and accepted is None and not steps and mark is None and not holdings:
        raise UnknownError(
            f"Endpoint {spec.name!r} has no feedback {feedback_id[:LONGEST_ID]!r}",
            f"See its feedback: modelops feedback list {spec.name}. What is in the spool of another machine is here "
            "after the next ingest",
        )
    endpoints = endpoints_of_model(stores, spec, sees)
    live = live_versions(stores, endpoints)
    versions = _versions(stores, spec, [one.content_hash for one in holdings if one.counts], endpoints, live)
    of, deleted_at = known or _Known(), mark.deleted_at if mark else None
    return Where(
        endpoint=spec.name,
        feedback_id=feedback_id,
        prediction_id=of.prediction_id,
        event_time=of.event_time,
        received_at=of.received_at,
        answered_by=_answered_by(stores, spec, of),
        deleted_at=deleted_at,
        is_deleted=of.is_deleted or deleted_at is not None,
        accepted=None if accepted is None else Acceptance(accepted.label, accepted.at, accepted.actor),
        steps=[FeedbackStep(one.at, one.actor, one.action) for one in steps],
        sets=holdings,
        versions=versions,
        live=[placed for one in versions for placed in one.live],
        unknown=_unknown(known, unread),
    )


def _known(stores: Stores, spec: EndpointSpec, feedback_id: str, hint: _Known | None) -> _Known | None:
    """Return what spool and lake have of the feedback, else what a set or its acceptance says (``hint``); or None.

    With a hint only the day of the prediction is read of the lake. The spool is read before: what is ingested meanwhile
    is then in the lake.
    """
    waiting = pending_feedback(stores, spec, feedback_id)
    at = None if hint is None else hint.event_time
    dates = None if at is None else [partition_of(FEEDBACK.name, at.date())]
    with stores.lake.query(spec.name, [FEEDBACK], dates) as connected:
        rows = rows_of(connected, "lineage_feedback", {"feedback_id": feedback_id}) + waiting
    rows.sort(key=lambda row: row["is_deletion"])
    if rows:
        first, is_deleted = rows[0], any(row["is_deletion"] for row in rows)
        received_at = None if first["is_deletion"] else first["received_at"]
        return _Known(first["prediction_id"], first["event_time"], received_at, is_deleted)
    return hint


def _hint(rows: Sequence[Mapping[str, Any]], accepted: AcceptedFeedback | None) -> _Known | None:
    """Return what the sets say of the feedback, else its acceptance.

    Of feedback that counts in a set the lake had the row: where it has it no more, it was deleted.
    """
    if rows:
        return _Known(rows[0]["row_id"], rows[0]["event_time"], is_deleted=True)
    return None if accepted is None else _Known(accepted.prediction_id, accepted.event_time)


def _answered_by(stores: Stores, spec: EndpointSpec, known: _Known) -> str | None:
    if known.prediction_id is None:
        return None
    waiting = pending_predictions(stores.settings.spool, spec, [known.prediction_id]).get(known.prediction_id)
    at = time_of(known.prediction_id.partition("-")[0]) or known.event_time
    dates = None if at is None else [partition_of(INFERENCE_LOG.name, at.date())]
    with stores.lake.query(spec.name, [INFERENCE_LOG], dates) as connected:
        rows = rows_of(connected, "lineage_prediction", {"prediction_id": known.prediction_id})
    found = rows[0] if rows else waiting
    return found["model_version"] if found else None


def _find(
    stores: Stores, spec: EndpointSpec, feedback_id: str, accepted: AcceptedFeedback | None
) -> tuple[_Known | None, list[SetHolding], int]:
    """Return what is known of the feedback, what the sets did with its prediction, and the number of unread sets.

    The sets are asked for the feedback's id first, which reads little of them and says when its prediction was: one day
    of the feedback is read then. Sets in which another label counts are asked for the prediction.
    """
    records = {one.content_hash: one for one in stores.training_sets.of(spec.name)}
    with origins_of_sets(stores.lake, spec.name, list(records)) as (connected, files):
        rows = rows_of(connected, "lineage_of_source", {"source_id": feedback_id}) if files else []
        known = _known(stores, spec, feedback_id, _hint(rows, accepted))
        held = {files[row["filename"]] for row in rows}
        others = [one for one in files.values() if one not in held and _may_hold(records[one], known)]
    rows += _rows_of_prediction(stores, spec, others, known)
    found = {hashed: row for row in rows if (hashed := files[row["filename"]]) in records}
    unread = len(records) - len(set(files.values()))
    holdings = [_holding(record, found[one], feedback_id) for one, record in records.items() if one in found]
    return known, holdings, unread


def _may_hold(record: TrainingSet, known: _Known | None) -> bool:
    at = None if known is None else known.event_time
    return at is not None and (record.watermark is None or at <= record.watermark)


def _rows_of_prediction(
    stores: Stores, spec: EndpointSpec, hashes: Sequence[str], known: _Known | None
) -> list[dict[str, Any]]:
    if known is None or known.prediction_id is None or not hashes:
        return []
    wanted = {"event_time": known.event_time, "row_id": known.prediction_id}
    with origins_of_sets(stores.lake, spec.name, hashes) as (connected, _):
        return rows_of(connected, "lineage_of_row", wanted)


def _holding(record: TrainingSet, row: dict[str, Any], feedback_id: str) -> SetHolding:
    return SetHolding(
        content_hash=record.content_hash,
        built_at=record.at,
        position=row["position"],
        counts=row["position"] is not None and row["source_id"] == feedback_id,
        origin=row["origin"],
        source_id=row["source_id"],
        left_out=row["reason"],
    )


def _versions(
    stores: Stores, spec: EndpointSpec, hashes: Sequence[str], endpoints: Sequence[str], live: Sequence[Placed]
) -> list[TrainedVersion]:
    """Return the versions that were trained on these sets, oldest first."""
    trained = [one for one in stores.deployments.versions(spec.model_name) if one.training_set in hashes]
    if not trained:
        return []
    verdicts = {gate.version: gate.verdict for name in endpoints for gate in stores.gates.of(name)}
    changes = [one for one in changes_of(stores, endpoints) if one.action in _PLACED]

    def described(one: ModelVersion) -> TrainedVersion:
        return TrainedVersion(
            version=one.version,
            training_set=str(one.training_set),
            registered_at=one.registered_at,
            verdict=verdicts.get(one.version),
            changes=[change for change in changes if change.to_version == one.version],
            live=[placed for placed in live if placed.version == one.version],
        )

    return [described(one) for one in trained]


def _unknown(known: _Known | None, unread: int) -> dict[str, str]:
    missing: dict[str, str] = {}
    if known is None:
        missing["prediction_id"] = "the feedback's row is deleted: its history is left, and no set holds it"
    elif known.received_at is None:
        gone = "the feedback's row is deleted: what is left is its history and the sets that hold it"
        missing["received_at"] = gone if known.is_deleted else "the feedback is not ingested yet"
    if unread:
        missing["sets"] = f"{unread} set(s) have no record of their rows: built before release 0.4, which used no "
        missing["sets"] += "feedback, or deleted after their retention"
    return missing
