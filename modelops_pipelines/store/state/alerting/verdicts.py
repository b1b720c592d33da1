"""Verdicts of alert rules: the latest of each rule on each window."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.store.state.database import Database, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_VERDICTS = STATE_TABLES["verdicts"]
_FIELDS = [_VERDICTS.c[name] for name in Verdict.__dataclass_fields__]
_AT_ONCE = 500
"""Windows per statement, because SQLite limits the number of parameters."""


class Verdicts:
    """The store of verdicts. ``Alerts.write`` writes them, together with the alerts that they change."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def find(self, endpoint: str, kind: str | None = None, since: str = "") -> list[Verdict]:
        """Return the endpoint's verdicts, of one kind if given, oldest window first."""
        query = sa.select(*_FIELDS).where(_VERDICTS.c.endpoint == endpoint)
        if kind is not None:
            query = query.where(_VERDICTS.c.kind == kind)
        query = query.where(_VERDICTS.c.window >= since)
        ordered = query.order_by(_VERDICTS.c.window, _VERDICTS.c.rule)
        with self._database.read() as connected:
            return [Verdict(**row) for row in connected.execute(ordered).mappings()]

    def newest(self, endpoint: str) -> dict[str, Verdict]:
        """Return each rule's verdict on the newest window that it has one for."""
        mine = _VERDICTS.c.endpoint == endpoint
        last = sa.select(_VERDICTS.c.rule, sa.func.max(_VERDICTS.c.window).label("window")).where(mine)
        newest = last.group_by(_VERDICTS.c.rule).subquery()
        same = sa.and_(_VERDICTS.c.rule == newest.c.rule, _VERDICTS.c.window == newest.c.window)
        query = sa.select(*_FIELDS).select_from(_VERDICTS.join(newest, same)).where(mine)
        with self._database.read() as connected:
            return {row["rule"]: Verdict(**row) for row in connected.execute(query).mappings()}


def write_verdicts(connected: sa.Connection, endpoint: str, verdicts: Iterable[Verdict], at: datetime) -> None:
    """Write the verdicts, replacing earlier ones of the same rule and window; of several the last counts."""
    newest = {(verdict.rule, verdict.window): verdict for verdict in verdicts}
    windows: dict[str, list[str]] = {}
    for rule, window in newest:
        windows.setdefault(rule, []).append(window)
    for rule, judged in windows.items():
        mine = sa.and_(_VERDICTS.c.endpoint == endpoint, _VERDICTS.c.rule == rule)
        for start in range(0, len(judged), _AT_ONCE):
            again = _VERDICTS.c.window.in_(judged[start : start + _AT_ONCE])
            connected.execute(_VERDICTS.delete().where(sa.and_(mine, again)))
    rows = [{"endpoint": endpoint, "judged_at": to_micros(at), **asdict(one)} for one in newest.values()]
    if rows:
        connected.execute(_VERDICTS.insert(), rows)
