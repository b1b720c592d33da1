"""What people did with feedback: an event each, and in the same transaction the mark that the events add up to.

Two people who act at once leave two events, one after the other: the mark's row is locked from the first read on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.windows import text
from modelops_pipelines.store.state.database import Database, from_micros, moment, to_micros
from modelops_pipelines.store.state.new_rows import insert_new
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

FLAGGED, UNFLAGGED, ASSIGNED, ACCEPTED, DELETED = ACTIONS = ("flagged", "unflagged", "assigned", "accepted", "deleted")
EVENTS, MARKS = STATE_TABLES["feedback_events"], STATE_TABLES["feedback_marks"]
_SHOWN_BEFORE = ("flagged", "assignee")


@dataclass(frozen=True)
class Act:
    """What a person does with a piece of feedback: one of ACTIONS, when, and what the person wrote."""

    endpoint: str
    feedback_id: str
    action: str
    actor: str
    at: datetime
    note: str | None = None


@dataclass(frozen=True)
class FeedbackEvent:
    """An entry of the history; ``detail`` has what the mark was ``before``, and further values."""

    id: int
    endpoint: str
    feedback_id: str
    at: datetime
    actor: str
    action: str
    note: str | None
    detail: Mapping[str, Any]


class FeedbackEvents:
    """The history of feedback, for reading."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def of(self, endpoint: str, feedback_id: str) -> list[FeedbackEvent]:
        """Return what was done with a piece of feedback, oldest first."""
        mine = sa.and_(EVENTS.c.endpoint == endpoint, EVENTS.c.feedback_id == feedback_id)
        with self._database.read() as connected:
            rows = connected.execute(sa.select(EVENTS).where(mine).order_by(EVENTS.c.id)).mappings().all()
        return [FeedbackEvent(**{**row, "at": moment(row["at"])}) for row in rows]


def locked_mark(connected: sa.Connection, endpoint: str, feedback_id: str) -> RowMapping:
    """Return the mark of a piece of feedback, made where there is none; others wait for the end of the transaction."""
    blank = {"endpoint": endpoint, "feedback_id": feedback_id, "flagged": False, "last_event": 0}
    insert_new(connected, MARKS, blank)
    mine = sa.select(MARKS).where(_is(endpoint, feedback_id)).with_for_update()
    return connected.execute(mine).mappings().one()


def write_event(
    connected: sa.Connection, act: Act, mark: RowMapping, changes: Mapping[str, Any], detail: Mapping[str, Any]
) -> None:
    """Write an event and what it changes of the mark."""
    before = {name: mark[name] for name in _SHOWN_BEFORE}
    values = {**vars(act), "at": to_micros(act.at), "detail": {"before": before, **detail}}
    [number] = connected.execute(EVENTS.insert().values(**values)).inserted_primary_key or (0,)
    mine = _is(act.endpoint, act.feedback_id)
    connected.execute(MARKS.update().where(mine).values(**changes, last_event=number))


def require_there(mark: RowMapping) -> None:
    """Raise UnknownError for feedback that was deleted."""
    deleted_at = from_micros(mark["deleted_at"])
    if deleted_at is not None:
        raise UnknownError(
            f"The feedback {mark['feedback_id'][:80]!r} was deleted at {text(deleted_at)}",
            "Nothing can be done with it; its history is kept",
        )


def _is(endpoint: str, feedback_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(MARKS.c.endpoint == endpoint, MARKS.c.feedback_id == feedback_id)
