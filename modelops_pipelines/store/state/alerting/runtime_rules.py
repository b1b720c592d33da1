"""Alert rules that were added at run time, beside those of the endpoints' YAML. Every change is a version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from modelops_pipelines.store.state.database import Database, moment, to_micros
from modelops_pipelines.store.state.sql_tables import STATE_TABLES

_RULES = STATE_TABLES["alert_rules"]


@dataclass(frozen=True)
class RuleVersion:
    """One change of a rule: ``rule`` has it as its YAML would, None where it was removed."""

    endpoint: str
    name: str
    version: int
    rule: Mapping[str, Any] | None
    at: datetime
    actor: str


class RuntimeRules:
    """The store of rules made at run time. A change adds a version; none is ever altered."""

    def __init__(self, database: Database) -> None:
        """Share the database with the other stores."""
        self._database = database

    def add(self, endpoint: str, name: str, rule: Mapping[str, Any], at: datetime, actor: str) -> RuleVersion:
        """Add a rule, or the next version of one; return it."""
        return self._change(endpoint, name, rule, at, actor)

    def remove(self, endpoint: str, name: str, at: datetime, actor: str) -> RuleVersion:
        """Remove a rule: its next version says so; return it."""
        return self._change(endpoint, name, None, at, actor)

    def of(self, endpoint: str) -> list[RuleVersion]:
        """Return the newest version of each of the endpoint's rules that is not removed, in the order of adding."""
        return self.by_endpoint([endpoint]).get(endpoint, [])

    def by_endpoint(self, endpoints: "list[str] | None" = None) -> dict[str, list[RuleVersion]]:
        """Return the same for these endpoints, by default for all that have any, in one read."""
        newest = sa.select(sa.func.max(_RULES.c.id)).group_by(_RULES.c.endpoint, _RULES.c.name)
        if endpoints is not None:
            newest = newest.where(_RULES.c.endpoint.in_(endpoints))
        query = sa.select(_RULES).where(_RULES.c.id.in_(newest)).order_by(_RULES.c.id)
        found: dict[str, list[RuleVersion]] = {}
        with self._database.read() as connected:
            for row in connected.execute(query).mappings():
                if row["rule"] is not None:
                    found.setdefault(row["endpoint"], []).append(_version(row))
        return found

    def removed(self, endpoint: str) -> set[str]:
        """Return the names of the endpoint's rules that were removed last."""
        newest = sa.select(sa.func.max(_RULES.c.id)).where(_RULES.c.endpoint == endpoint).group_by(_RULES.c.name)
        query = sa.select(_RULES.c.name, _RULES.c.rule).where(_RULES.c.id.in_(newest))
        with self._database.read() as connected:
            return {name for name, rule in connected.execute(query) if rule is None}

    def history(self, endpoint: str, name: str | None = None) -> list[RuleVersion]:
        """Return every version of the endpoint's rules, or of one, oldest first."""
        query = sa.select(_RULES).where(_RULES.c.endpoint == endpoint).order_by(_RULES.c.id)
        if name is not None:
            query = query.where(_RULES.c.name == name)
        with self._database.read() as connected:
            return [_version(row) for row in connected.execute(query).mappings()]

    def _change(
        self, endpoint: str, name: str, rule: Mapping[str, Any] | None, at: datetime, actor: str
    ) -> RuleVersion:
        mine = sa.and_(_RULES.c.endpoint == endpoint, _RULES.c.name == name)
        with self._database.begin() as connected:
            last = connected.scalar(sa.select(sa.func.max(_RULES.c.version)).where(mine)) or 0
            kept = None if rule is None else json.dumps(rule)
            values = {"endpoint": endpoint, "name": name, "version": last + 1, "rule": kept, "actor": actor}
            connected.execute(_RULES.insert().values(**values, at=to_micros(at)))
        return RuleVersion(endpoint, name, last + 1, rule, at, actor)


def _version(row: RowMapping) -> RuleVersion:
    rule = None if row["rule"] is None else json.loads(row["rule"])
    return RuleVersion(row["endpoint"], row["name"], row["version"], rule, moment(row["at"]), row["actor"])
