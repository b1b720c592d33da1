"""The review queue: predictions for people to judge. Their verdicts: ``review_verdicts``."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.core.improve.review.verdicts import DECIDED, DONE, DROPPED, OPEN
from modelops_pipelines.store.state.capture.erased_requests import digest_of
from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.new_rows import insert_new
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

ITEMS, VERDICTS = STATE_TABLES["review_items"], STATE_TABLES["review_verdicts"]
_ERASED = STATE_TABLES["erased_requests"]
_PART = 500


@dataclass(frozen=True)
class ReviewItem:
    """A prediction in the queue; ``id`` is 0 before it is stored.

    ``detail`` says what was answered, and why it is here.
    """

    endpoint: str
    prediction_id: str
    event_time: datetime
    model_version: str | None
    reason: str
    priority: float
    probability: float | None
    wanted: int
    created_at: datetime
    detail: Mapping[str, Any]
    status: str = OPEN
    assignee: str | None = None
    id: int = 0


@dataclass(frozen=True)
class Page:
    """Which items to list: the highest priority first, after the place (priority, id) of the last one listed."""

    endpoint: str
    reasons: Sequence[str] = ()
    statuses: Sequence[str] = ()
    assignee: str | None = None
    not_judged_by: str | None = None
    after: tuple[float, int] | None = None
    most: int | None = None


class ReviewItems:
    """The store of the queue. Each write is one transaction."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def add(self, items: Iterable[ReviewItem]) -> list[ReviewItem]:
        """Add items that the queue does not have yet, and no erased ones; return those that were added."""
        added = []
        with self._database.begin() as connected:
            for item in items:
                if _is_erased(connected, item):
                    continue
                values = {name: value for name, value in asdict(item).items() if name != "id"}
                values |= {"event_time": to_micros(item.event_time), "created_at": to_micros(item.created_at)}
                if insert_new(connected, ITEMS, values):
                    added.append(item)
        return added

    def find(self, endpoint: str, number: int) -> ReviewItem | None:
        """Return one by its number."""
        return next(iter(self._find(ITEMS.c.endpoint == endpoint, ITEMS.c.id == number)), None)

    def of(
        self, endpoint: str, since: datetime | None = None, until: datetime | None = None, reason: str | None = None
    ) -> list[ReviewItem]:
        """Return the items of predictions in a span of event time, of one reason if given."""
        wanted = [ITEMS.c.endpoint == endpoint]
        wanted += [] if since is None else [ITEMS.c.event_time >= to_micros(since)]
        wanted += [] if until is None else [ITEMS.c.event_time < to_micros(until)]
        return self._find(*wanted, *([] if reason is None else [ITEMS.c.reason == reason]))

    def decided(self, endpoint: str) -> list[ReviewItem]:
        """Return the items whose labels are about to be written."""
        return self._find(ITEMS.c.endpoint == endpoint, ITEMS.c.status == DECIDED)

    def page(self, page: Page) -> list[ReviewItem]:
        """Return a page of the queue, the highest priority first; of equals the first that came."""
        wanted = [ITEMS.c.endpoint == page.endpoint]
        wanted += [ITEMS.c.reason.in_(page.reasons)] if page.reasons else []
        wanted += [ITEMS.c.status.in_(page.statuses)] if page.statuses else []
        wanted += [ITEMS.c.assignee == page.assignee] if page.assignee is not None else []
        if page.not_judged_by is not None:
            mine = sa.select(VERDICTS.c.item).where(VERDICTS.c.reviewer == page.not_judged_by)
            wanted.append(ITEMS.c.id.not_in(mine))
        if page.after is not None:
            priority, number = page.after
            same = sa.and_(ITEMS.c.priority == priority, ITEMS.c.id > number)
            wanted.append(sa.or_(ITEMS.c.priority < priority, same))
        query = sa.select(ITEMS).where(*wanted).order_by(ITEMS.c.priority.desc(), ITEMS.c.id).limit(page.most)
        with self._database.read() as connected:
            return [item_of(row) for row in connected.execute(query).mappings()]

    def counts(self, endpoint: str) -> dict[tuple[str, str], int]:
        """Return how many items there are, by reason and status."""
        query = sa.select(ITEMS.c.reason, ITEMS.c.status, sa.func.count()).where(ITEMS.c.endpoint == endpoint)
        with self._database.read() as connected:
            rows = connected.execute(query.group_by(ITEMS.c.reason, ITEMS.c.status)).all()
        return {(reason, status): count for reason, status, count in rows}

    def waiting(self) -> dict[str, int]:
        """Return how many items wait for a person, by endpoint; those without any are left out."""
        query = sa.select(ITEMS.c.endpoint, sa.func.count()).where(ITEMS.c.status == OPEN).group_by(ITEMS.c.endpoint)
        with self._database.read() as connected:
            return {row[0]: row[1] for row in connected.execute(query)}

    def oldest_open(self, endpoint: str) -> datetime | None:
        """Return when the oldest open item was put into the queue."""
        query = sa.select(sa.func.min(ITEMS.c.created_at)).where(ITEMS.c.endpoint == endpoint, ITEMS.c.status == OPEN)
        with self._database.read() as connected:
            oldest = connected.scalar(query)
        return None if oldest is None else moment(oldest)

    def assign(self, endpoint: str, number: int, assignee: str | None, *, instead_of: Collection[str | None]) -> bool:
        """Set who judges an open item, if that is now one of ``instead_of``; return whether it is set."""
        free = sa.or_(*(ITEMS.c.assignee.is_(None) if one is None else ITEMS.c.assignee == one for one in instead_of))
        mine = (ITEMS.c.endpoint == endpoint, ITEMS.c.id == number, ITEMS.c.status == OPEN)
        with self._database.begin() as connected:
            return connected.execute(ITEMS.update().where(*mine, free).values(assignee=assignee)).rowcount > 0

    def set_probability(self, endpoint: str, numbers: Sequence[int], probability: float) -> None:
        """Set the probability with which drawn items were drawn: more predictions of their day have come."""
        mine = (ITEMS.c.endpoint == endpoint, ITEMS.c.id.in_(numbers))
        with self._database.begin() as connected:
            connected.execute(ITEMS.update().where(*mine).values(probability=probability))

    def finish(self, numbers: Iterable[int]) -> None:
        """Mark decided items as done: their labels are written."""
        with self._database.begin() as connected:
            for number in numbers:
                decided = (ITEMS.c.id == number, ITEMS.c.status == DECIDED)
                connected.execute(ITEMS.update().where(*decided).values(status=DONE))

    def drop(self, numbers: Iterable[int]) -> int:
        """Drop open items that nobody has judged; return how many."""
        judged = sa.select(VERDICTS.c.item).where(VERDICTS.c.item == ITEMS.c.id)
        dropped = 0
        with self._database.begin() as connected:
            for number in numbers:
                unjudged = (ITEMS.c.id == number, ITEMS.c.status == OPEN, ~judged.exists())
                dropped += connected.execute(ITEMS.update().where(*unjudged).values(status=DROPPED)).rowcount
        return dropped

    def closed(self, endpoint: str, before: datetime, of_events_before: datetime) -> list[ReviewItem]:
        """Return the done and dropped items that were closed before a time, of predictions before a time.

        An item is closed with the newest verdict on it; without one, it counts from when it was put in.
        """
        newest = sa.select(sa.func.max(VERDICTS.c.at)).where(VERDICTS.c.item == ITEMS.c.id).scalar_subquery()
        return self._find(
            ITEMS.c.endpoint == endpoint,
            ITEMS.c.status.in_((DONE, DROPPED)),
            ITEMS.c.event_time < to_micros(of_events_before),
            sa.func.coalesce(newest, ITEMS.c.created_at) < to_micros(before),
        )

    def remove(self, endpoint: str, numbers: Sequence[int]) -> None:
        """Delete items that are closed, with the verdicts on them."""
        for start in range(0, len(numbers), _PART):
            part = ITEMS.c.id.in_(numbers[start : start + _PART])
            mine = sa.and_(ITEMS.c.endpoint == endpoint, part, ITEMS.c.status.in_((DONE, DROPPED)))
            with self._database.begin() as connected:
                gone = connected.scalars(sa.select(ITEMS.c.id).where(mine).with_for_update()).all()
                connected.execute(VERDICTS.delete().where(VERDICTS.c.item.in_(gone)))
                connected.execute(ITEMS.delete().where(ITEMS.c.id.in_(gone)))

    def erase(self, endpoint: str, requests: Collection[str]) -> int:
        """Delete items and verdicts on predictions of these requests; return how many items."""
        wanted = set(requests)
        with self._database.begin() as connected:
            query = sa.select(ITEMS.c.id, ITEMS.c.prediction_id).where(ITEMS.c.endpoint == endpoint)
            mine = [one for one, prediction in connected.execute(query) if prediction.rpartition("-")[0] in wanted]
            for start in range(0, len(mine), _PART):
                part = mine[start : start + _PART]
                connected.execute(VERDICTS.delete().where(VERDICTS.c.item.in_(part)))
                connected.execute(ITEMS.delete().where(ITEMS.c.id.in_(part)))
        return len(mine)

    def _find(self, *wanted: sa.ColumnElement[bool]) -> list[ReviewItem]:
        with self._database.read() as connected:
            rows = connected.execute(sa.select(ITEMS).where(*wanted).order_by(ITEMS.c.id)).mappings()
            return [item_of(row) for row in rows]


def item_of(row: Mapping[Any, Any]) -> ReviewItem:
    """Return an item as it is stored."""
    return ReviewItem(**{**row, "event_time": moment(row["event_time"]), "created_at": moment(row["created_at"])})


def _is_erased(connected: sa.Connection, item: ReviewItem) -> bool:
    """Return whether the prediction was erased, in the transaction that adds it: so an erasure finds it, or it this."""
    digest = digest_of(item.prediction_id.rpartition("-")[0])
    mine = sa.and_(_ERASED.c.endpoint == item.endpoint, _ERASED.c.digest == digest)
    return connected.execute(sa.select(_ERASED.c.digest).where(mine)).first() is not None
