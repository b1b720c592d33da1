"""Feedback that was accepted as a label for training: each piece once, whoever asks how often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.improve.feedback_events import (
    ACCEPTED,
    Act,
    locked_mark,
    require_there,
    write_event,
)
from modelops_pipelines.store.state.new_rows import insert_new
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

ROWS = STATE_TABLES["accepted_feedback"]
_PART = 500


@dataclass(frozen=True)
class AcceptedFeedback:
    """A piece of feedback that gives its prediction a label, known from ``at`` on. The label is text, as in the log."""

    endpoint: str
    feedback_id: str
    prediction_id: str
    event_time: datetime
    label: str
    at: datetime
    actor: str


class AcceptedFeedbacks:
    """The store of accepted feedback. Each write is one transaction; feedback that is deleted leaves it."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def accept(self, accepted: AcceptedFeedback, note: str | None = None) -> bool:
        """Record it with its event; return False, and change nothing, when it was accepted before.

        Raises UnknownError for feedback that was deleted.
        """
        act = Act(accepted.endpoint, accepted.feedback_id, ACCEPTED, accepted.actor, accepted.at, note)
        times = {"event_time": to_micros(accepted.event_time), "at": to_micros(accepted.at)}
        with self._database.begin() as connected:
            mark = locked_mark(connected, accepted.endpoint, accepted.feedback_id)
            require_there(mark)
            if not insert_new(connected, ROWS, {**vars(accepted), **times}):
                return False
            write_event(connected, act, mark, {}, {"label": accepted.label})
            return True

    def find(self, endpoint: str, feedback_id: str) -> AcceptedFeedback | None:
        """Return what was accepted of this piece of feedback."""
        return next(iter(self._find(ROWS.c.endpoint == endpoint, ROWS.c.feedback_id == feedback_id)), None)

    def among(self, endpoint: str, feedback_ids: Sequence[str]) -> list[AcceptedFeedback]:
        """Return what was accepted of these pieces of feedback."""
        parts = [feedback_ids[start : start + _PART] for start in range(0, len(feedback_ids), _PART)]
        return [one for part in parts for one in self._find(ROWS.c.endpoint == endpoint, ROWS.c.feedback_id.in_(part))]

    def of(self, endpoint: str) -> list[AcceptedFeedback]:
        """Return all of an endpoint, in order of acceptance."""
        return self._find(ROWS.c.endpoint == endpoint)

    def count(self, endpoint: str) -> int:
        """Return how many pieces of an endpoint's feedback were accepted."""
        query = sa.select(sa.func.count()).select_from(ROWS).where(ROWS.c.endpoint == endpoint)
        with self._database.read() as connected:
            return connected.scalar(query) or 0

    def _find(self, *wanted: sa.ColumnElement[bool]) -> list[AcceptedFeedback]:
        query = sa.select(ROWS).where(*wanted).order_by(ROWS.c.at, ROWS.c.feedback_id)
        with self._database.read() as connected:
            return [_accepted(row) for row in connected.execute(query).mappings()]


def _accepted(row: RowMapping | Mapping[str, Any]) -> AcceptedFeedback:
    return AcceptedFeedback(**{**row, "event_time": moment(row["event_time"]), "at": moment(row["at"])})
