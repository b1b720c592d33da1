"""Rows of the state that are past their retention, and that nothing needs any more.

What stays for ever: the history with its hashes, deployments and their keys, gates, retrainings, training sets,
what people did with feedback, erasures and what they refuse, and the audit of deletions.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.core.alerting.alerts import RESOLVED
from modelops_pipelines.store.state.database import Database, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_VERDICTS, _ALERTS, _TRIALS = STATE_TABLES["verdicts"], STATE_TABLES["alerts"], STATE_TABLES["trials"]
_TESTS, _DESIRED = STATE_TABLES["version_tests"], STATE_TABLES["desired_state"]
_MESSAGES, _NOTIFICATIONS = STATE_TABLES["messages"], STATE_TABLES["notifications"]
_SILENCES, _SESSIONS = STATE_TABLES["silences"], STATE_TABLES["sessions"]
_OF_ALERTS = (STATE_TABLES["alert_events"], _NOTIFICATIONS)
"""Tables whose rows go with the alert that they are about, in the same transaction."""
PAGE = 2_000


class OldRows:
    """The rows that maintenance may delete, by table."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def count(self, before: datetime) -> Mapping[str, int]:
        """Return the number of rows of each table that are older than a time and not needed, where there are any.

        Verdicts: without the newest of each rule. Alerts: resolved ones, with their history. Messages: those that were
        delivered or given up, and that tell of no alert which stays. Silences: those that are over. Trials: of earlier
        generations. Version tests: without the newest of each version and suite. Sessions: those that are over.
        """
        with self._database.read() as connected:
            counts = {
                table.name: connected.scalar(sa.select(sa.func.count()).select_from(table).where(*rows)) or 0
                for table, rows in _old(before)
            }
        return {name: number for name, number in counts.items() if number}

    def delete(self, name: str, before: datetime) -> None:
        """Delete those of a table, some at a time: other writers have their turn in between."""
        table, rows = next((table, rows) for table, rows in _old(before) if table.name == name)
        key = list(table.primary_key)
        while True:
            with self._database.begin() as connected:
                some = connected.execute(sa.select(*key).where(*rows).limit(PAGE)).all()
                if some:
                    if table is _ALERTS:
                        _delete_with_alerts(connected, [row[0] for row in some])
                    connected.execute(table.delete().where(sa.tuple_(*key).in_([tuple(row) for row in some])))
            if len(some) < PAGE:
                return


def _delete_with_alerts(connected: sa.Connection, alert_ids: Sequence[int]) -> None:
    for table in _OF_ALERTS:
        connected.execute(table.delete().where(table.c.alert_id.in_(alert_ids)))


def _old(before: datetime) -> Sequence[tuple[sa.Table, Sequence[sa.ColumnElement[bool]]]]:
    moment = to_micros(before)
    newer = _VERDICTS.alias()
    has_newer = sa.exists().where(
        newer.c.endpoint == _VERDICTS.c.endpoint,
        newer.c.rule == _VERDICTS.c.rule,
        newer.c.window > _VERDICTS.c.window,
    )
    later = _TESTS.alias()
    has_later = sa.exists().where(
        *(later.c[name] == _TESTS.c[name] for name in ("endpoint", "version", "suite")), later.c.id > _TESTS.c.id
    )
    is_past = sa.exists().where(_DESIRED.c.endpoint == _TRIALS.c.endpoint, _DESIRED.c.generation > _TRIALS.c.generation)
    return (
        (_VERDICTS, (_VERDICTS.c.judged_at < moment, has_newer)),
        (_ALERTS, (_is_over(moment),)),
        (_MESSAGES, (_MESSAGES.c.finished_at < moment, ~_tells_of_a_newer_alert(moment))),
        (_SILENCES, (sa.or_(_SILENCES.c.ended_at < moment, _SILENCES.c.until < moment),)),
        (_TRIALS, (_TRIALS.c.at < moment, is_past)),
        (_TESTS, (_TESTS.c.at < moment, has_later)),
        (_SESSIONS, (_SESSIONS.c.expires_at < moment,)),
    )


def _is_over(moment: int | None) -> sa.ColumnElement[bool]:
    return sa.and_(_ALERTS.c.status == RESOLVED, _ALERTS.c.resolved_at < moment)


def _tells_of_a_newer_alert(moment: int | None) -> sa.ColumnElement[bool]:
    told = _NOTIFICATIONS.c.message_id == _MESSAGES.c.message_id
    return sa.exists().where(told, _ALERTS.c.id == _NOTIFICATIONS.c.alert_id, ~_is_over(moment))
