"""Fills the review queue from days that have ended: run again, it adds what is missing and nothing twice."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.improve.review.sampling import draw, place
from modelops_pipelines.core.improve.review.selection import (
    FLAGGED,
    LIMITED,
    RANDOM,
    Strengths,
    choose,
    priority,
    strengths,
)
from modelops_pipelines.core.improve.review.verdicts import OPEN
from modelops_pipelines.operations.improve.review.judge import write_decided_labels
from modelops_pipelines.operations.improve.review.pools import answered_of, flagged_rows, pool_of
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.state.improve.review_items import ReviewItem
from modelops_pipelines.store.stores import Stores

LOOK_BACK = timedelta(days=7)
"""How long before the newest day predictions are looked at, beside the label horizon: labels and feedback come late."""
_DAY = timedelta(days=1)
_SHOWN = ("prediction", "score", "label", "corrected_label", "complaints", "shadow")


@dataclass(frozen=True)
class Filled:
    """What a filling did: items added by reason, items dropped as their flag was taken off, the days looked at.

    ``missing`` says why a reason has no prediction on any of the days; one that has some and added none had them in the
    queue already, or its days are full.
    """

    added: Mapping[str, int]
    dropped: int
    days: tuple[date, ...]
    missing: Mapping[str, str]


def fill_queue(stores: Stores, spec: EndpointSpec) -> Filled:
    """Put into the queue what the YAML's ``review`` asks for, of the days that have ended.

    A day has ended when the log has a later one. Every flagged prediction is put in; ``random`` ones are drawn from
    each day; of the other reasons a day has at most ``per_day`` together, each prediction once. Raises ConflictError
    where the YAML gives no reason.
    """
    if not spec.review.reasons:
        message = f"Endpoint {spec.name!r} has no reasons to review predictions"
        raise ConflictError(message, "Add 'review: {reasons: [flagged, disagreeing, random]}' to its YAML")
    with queue_lock(stores, spec.name):
        write_decided_labels(stores, spec)
        added = Counter[str]()
        dropped = _fill_flagged(stores, spec, added) if FLAGGED in spec.review.reasons else 0
        days, missing, found = ended_days(stores, spec), dict[str, str](), set[str]()
        for day in days:
            rows = answered_of(stores, spec, day)
            if len(rows):
                known = stores.review_items.of(spec.name, *_span(day))
                _add(stores, _random_items(stores, spec, day, rows, known), added)
                wanted = _wanted_for(spec, rows)
                missing.update({reason: one.reason for reason, one in wanted.items() if one.reason is not None})
                found.update(reason for reason, one in wanted.items() if one.reason is None)
                _add(stores, _chosen_items(stores, spec, rows, known, wanted), added)
    never = {reason: why for reason, why in missing.items() if reason not in found}
    return Filled(dict(added), dropped, tuple(days), never)


def _add(stores: Stores, items: Iterator[ReviewItem], added: Counter[str]) -> None:
    added.update(item.reason for item in stores.review_items.add(list(items)))


def ended_days(stores: Stores, spec: EndpointSpec) -> list[date]:
    """Return the days that a filling looks at, oldest first: none before the log has a second day."""
    watermark = stores.ingest_progress.of(spec.name).watermark
    if watermark is None:
        return []
    last = watermark.astimezone(UTC).date()
    back = (LOOK_BACK + spec.label_horizon) // _DAY
    return [last - number * _DAY for number in range(back, 0, -1)]


def queue_lock(stores: Stores, endpoint: str) -> AbstractContextManager[None]:
    """Return the lock of what fills an endpoint's queue and what takes closed items out of it."""
    return exclusive(stores.settings.home / "locks" / f"{endpoint}.review.lock", f"the review queue of {endpoint}")


def _span(day: date) -> tuple[datetime, datetime]:
    start = datetime.combine(day, time(), UTC)
    return start, start + _DAY


def _fill_flagged(stores: Stores, spec: EndpointSpec, added: Counter[str]) -> int:
    """Put in what flagged feedback is about; drop what nobody has judged and is flagged no longer."""
    flagged = {mark.feedback_id for mark in stores.feedback_marks.flagged(spec.name)}
    known = stores.review_items.of(spec.name, reason=FLAGGED)
    gone = [one.id for one in known if one.status == OPEN and flagged.isdisjoint(one.detail.get("feedback_ids", ()))]
    dropped = stores.review_items.drop(gone)
    new = sorted(flagged - {feedback for one in known for feedback in one.detail.get("feedback_ids", ())})
    if new:
        _add(
            stores,
            (_item(stores, spec, row, FLAGGED, priority(FLAGGED)) for row in flagged_rows(stores, spec, new)),
            added,
        )
    return dropped


def _random_items(
    stores: Stores, spec: EndpointSpec, day: date, rows: pa.Table, known: Sequence[ReviewItem]
) -> Iterator[ReviewItem]:
    """Yield the day's random sample. Predictions that came late change the probability of those drawn before."""
    if RANDOM not in spec.review.reasons:
        return
    seed, places = f"{spec.name} {day}", _places(rows)
    before = {one.prediction_id: one for one in known if one.reason == RANDOM and one.prediction_id in places}
    drawn = draw(places, spec.review.random, seed, before)
    probability = len(drawn) / len(rows)
    changed = [one.id for one in before.values() if one.probability != probability]
    if changed:
        stores.review_items.set_probability(spec.name, changed, probability)
    for one in drawn:
        if one not in before:
            row = {
                **_row(rows, places[one]),
                "why": f"drawn as one of {len(drawn)} from {len(rows)} predictions of {day}",
            }
            yield _item(stores, spec, row, RANDOM, priority(RANDOM, 1 - place(one, seed)), probability)


def _wanted_for(spec: EndpointSpec, rows: pa.Table) -> dict[str, Strengths]:
    """Return how strongly each of the day's predictions is wanted, by reason."""
    pool = pool_of(spec, rows)
    return {reason: strengths(pool, reason) for reason in LIMITED if reason in spec.review.reasons}


def _chosen_items(
    stores: Stores, spec: EndpointSpec, rows: pa.Table, known: Sequence[ReviewItem], wanted: Mapping[str, Strengths]
) -> Iterator[ReviewItem]:
    """Yield the day's disagreeing, costly and uncertain predictions, as many as it has room for."""
    places = _places(rows)
    limited = sum(one.reason in LIMITED for one in known)
    taken = [places[one.prediction_id] for one in known if one.reason != RANDOM and one.prediction_id in places]
    for one in choose(wanted, max(0, spec.review.per_day - limited), taken):
        yield _item(stores, spec, _row(rows, one.place), one.reason, one.priority)


def _places(rows: pa.Table) -> dict[str, int]:
    return {one: number for number, one in enumerate(rows.column("prediction_id").to_pylist())}


def _row(rows: pa.Table, number: int) -> dict[str, Any]:
    [row] = rows.slice(number, 1).to_pylist()
    return dict(row)


def _item(
    stores: Stores,
    spec: EndpointSpec,
    row: Mapping[str, Any],
    reason: str,
    rank: float,
    probability: float | None = None,
) -> ReviewItem:
    detail = {name: row[name] for name in (*_SHOWN, "feedback_ids", "why") if row.get(name) is not None}
    return ReviewItem(
        endpoint=spec.name,
        prediction_id=row["prediction_id"],
        event_time=row["event_time"],
        model_version=row["model_version"],
        reason=reason,
        priority=rank,
        probability=probability,
        wanted=_wanted(spec, row["prediction_id"]),
        created_at=stores.now(),
        detail=detail,
    )


def _wanted(spec: EndpointSpec, prediction_id: str) -> int:
    """Return how many verdicts a prediction gets, whatever it is in the queue for: a fixed share gets several."""
    shared = place(prediction_id, f"{spec.name} shared") < spec.review.shared
    return spec.review.reviewers if shared else 1
