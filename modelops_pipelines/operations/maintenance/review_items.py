"""The task that deletes closed items of the review queues. Open ones stay whatever their age."""

from collections.abc import Iterator
from datetime import UTC, datetime, time

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.review.selection import FLAGGED
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.maintenance.retention_periods import cutoff
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.maintenance.tasks import Task, audited
from modelops_pipelines.store.stores import Stores

NAME = "reviews"
KIND = "review items"


def delete_closed_reviews(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete done and dropped items, with their verdicts, that were closed longer ago than ``retain_reviews``.

    What the next filling would put in again stays: predictions of the days that it looks at, and flagged feedback while
    its flag stands. The labels that items gave are in the lake, and have its retention.
    """
    from modelops_pipelines.operations.improve.review.fill_queue import queue_lock  # it loads Arrow

    before = cutoff(stores.settings.retain_reviews, now)
    if before is None:
        return
    for spec in read_configurations(stores.settings).specs:
        with queue_lock(stores, spec.name):
            gone = _closed(stores, spec, before)
            if not gone:
                continue
            effect = Effect(KIND, "review_items", len(gone), 0, "past its retention", spec.name)
            if not dry_run:
                with audited(stores, effect, now):
                    stores.review_items.remove(spec.name, gone)
        yield effect


def _closed(stores: Stores, spec: EndpointSpec, before: datetime) -> list[int]:
    from modelops_pipelines.operations.improve.review.fill_queue import ended_days

    days = ended_days(stores, spec)
    first = datetime.combine(days[0], time(), UTC) if days else before
    flagged = {mark.feedback_id for mark in stores.feedback_marks.flagged(spec.name)}
    return [
        item.id
        for item in stores.review_items.closed(spec.name, before, first)
        if item.reason != FLAGGED or flagged.isdisjoint(item.detail.get("feedback_ids", ()))
    ]


TASK = Task(NAME, "delete closed items of the review queues", delete_closed_reviews, (KIND,))
