"""Rows of the state that are past their retention, and that nothing needs any more.

What stays for ever: the history with its hashes, deployments and their keys, gates, retrainings, training sets,
erasures and what they refuse, and the audit of deletions.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.core.alerting.alerts import RESOLVED
from modelops_pipelines.store.state.database import Database, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_VERDICTS, _ALERTS, _TRIALS = STATE_TABLES["verdicts"], STATE_TABLES["alerts"], STATE_TABLES["trials"]
_TESTS, _DESIRED = STATE_TABLES["version_tests"], STATE_TABLES["desired_state"]
PAGE = 2_000


class OldRows:
    """The rows that maintenance may delete, by table."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def count(self, before: datetime) -> Mapping[str, int]:
        """Return the number of rows of each table that are older than a time and not needed, where there are any.

        Verdicts: without the newest of each rule. Alerts: resolved ones. Trials: of earlier generations. Version tests:
        without the newest of each version and suite.
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
                    connected.execute(table.delete().where(sa.tuple_(*key).in_([tuple(row) for row in some])))
            if len(some) < PAGE:
                return


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
        (_ALERTS, (_ALERTS.c.status == RESOLVED, _ALERTS.c.resolved_at < moment)),
        (_TRIALS, (_TRIALS.c.at < moment, is_past)),
        (_TESTS, (_TESTS.c.at < moment, has_later)),
    )
