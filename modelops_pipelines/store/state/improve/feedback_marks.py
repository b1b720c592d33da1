"""What people's acts add up to for each piece of feedback: flagged, assigned, deleted. Each act is an event too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, from_micros, to_micros
from modelops_pipelines.store.state.improve.accepted_feedback import ROWS
from modelops_pipelines.store.state.improve.feedback_events import (
    EVENTS,
    FLAGGED,
    MARKS,
    UNFLAGGED,
    Act,
    locked_mark,
    require_there,
    write_event,
)

_PART = 500
_CHANGES: dict[str, dict[str, Any]] = {FLAGGED: {"flagged": True}, UNFLAGGED: {"flagged": False}}


@dataclass(frozen=True)
class FeedbackMark:
    """What the events of a piece of feedback add up to."""

    endpoint: str
    feedback_id: str
    flagged: bool
    assignee: str | None
    deleted_at: datetime | None
    last_event: int


class FeedbackMarks:
    """The store of marks. Each write is one transaction, with its event."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def change(self, act: Act, assignee: str | None = None) -> FeedbackMark:
        """Flag, unflag or assign; return the mark. ``assignee`` None ends an assignment.

        Raises UnknownError for feedback that was deleted.
        """
        changes = _CHANGES.get(act.action, {"assignee": assignee})
        with self._database.begin() as connected:
            mark = locked_mark(connected, act.endpoint, act.feedback_id)
            require_there(mark)
            write_event(connected, act, mark, changes, changes)
            return _mark(locked_mark(connected, act.endpoint, act.feedback_id))

    def delete(self, act: Act, about: Mapping[str, Any]) -> bool:
        """Record that feedback is deleted, and which prediction it was ``about``; return False when it was before.

        In the same transaction it is no longer accepted for training, and the notes on it, which may quote it, go.
        """
        with self._database.begin() as connected:
            mark = locked_mark(connected, act.endpoint, act.feedback_id)
            if mark["deleted_at"] is not None:
                return False
            gone = connected.execute(ROWS.delete().where(_are(ROWS, act.endpoint, [act.feedback_id]))).rowcount
            connected.execute(EVENTS.update().where(_are(EVENTS, act.endpoint, [act.feedback_id])).values(note=None))
            changes = {"flagged": False, "assignee": None, "deleted_at": to_micros(act.at)}
            write_event(connected, act, mark, changes, {**about, "accepted": gone > 0})
            return True

    def erase(self, endpoint: str, feedback_ids: Iterable[str]) -> int:
        """Remove marks, events and acceptances of feedback that is being erased; return how many rows there were."""
        ids, removed = sorted(set(feedback_ids)), 0
        with self._database.begin() as connected:
            for start in range(0, len(ids), _PART):
                for table in (EVENTS, MARKS, ROWS):
                    mine = _are(table, endpoint, ids[start : start + _PART])
                    removed += connected.execute(table.delete().where(mine)).rowcount
        return removed

    def find(self, endpoint: str, feedback_id: str) -> FeedbackMark | None:
        """Return the mark of a piece of feedback; None when nobody did anything with it."""
        return next(iter(self._find(_are(MARKS, endpoint, [feedback_id]))), None)

    def among(self, endpoint: str, feedback_ids: Sequence[str]) -> dict[str, FeedbackMark]:
        """Return the marks of these pieces of feedback, by id."""
        parts = [feedback_ids[start : start + _PART] for start in range(0, len(feedback_ids), _PART)]
        return {mark.feedback_id: mark for part in parts for mark in self._find(_are(MARKS, endpoint, part))}

    def of(self, endpoint: str) -> list[FeedbackMark]:
        """Return all marks of an endpoint, also of deleted feedback."""
        return self._find(MARKS.c.endpoint == endpoint)

    def flagged(self, endpoint: str) -> list[FeedbackMark]:
        """Return the marks of the feedback that is flagged for review."""
        return self._find(MARKS.c.endpoint == endpoint, MARKS.c.flagged)

    def deleted(self, endpoint: str) -> list[str]:
        """Return the ids of deleted feedback, also of that whose deletion is still in the spool."""
        query = sa.select(MARKS.c.feedback_id).where(MARKS.c.endpoint == endpoint, MARKS.c.deleted_at.is_not(None))
        with self._database.read() as connected:
            return sorted(connected.scalars(query))

    def _find(self, *wanted: sa.ColumnElement[bool]) -> list[FeedbackMark]:
        query = sa.select(MARKS).where(*wanted).order_by(MARKS.c.feedback_id)
        with self._database.read() as connected:
            return [_mark(row) for row in connected.execute(query).mappings()]


def _are(table: sa.Table, endpoint: str, feedback_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.endpoint == endpoint, table.c.feedback_id.in_(feedback_ids))


def _mark(row: RowMapping) -> FeedbackMark:
    return FeedbackMark(**{**row, "deleted_at": from_micros(row["deleted_at"])})
