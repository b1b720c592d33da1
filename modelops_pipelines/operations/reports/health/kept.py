"""Keeps what was measured of endpoints in memory, until a table that it was read from changes."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import DAILY_PROFILES, PROFILES
from modelops_pipelines.operations.alerting.objectives.health_score import describe_health, health_score
from modelops_pipelines.operations.reports.health.facts import TABLES_READ, Measured, measure
from modelops_pipelines.operations.reports.health.selection import Selection
from modelops_pipelines.operations.reports.health.time_line import TimeLine, draw_time_line, marks_of
from modelops_pipelines.operations.reports.marks import Mark
from modelops_pipelines.store.stores import Stores

MOST = 24
"""Selections that are kept, of all endpoints: those used last."""
HEALTH_AGE = timedelta(seconds=20)
"""How old a health score may be: it is of a day, and reads two tables."""
_DRAWN_FROM = (*TABLES_READ, PROFILES, DAILY_PROFILES)
Key = tuple[str, Selection]


@dataclass(frozen=True)
class Shown:
    """What was measured, its time line (None without requests), and a digest of both, the same in every process."""

    measured: Measured
    time_line: TimeLine | None
    digest: str


@dataclass
class _Kept:
    """What was measured, with the state of its sources; and what is shown of it, drawn last with these marks."""

    sources: object
    measured: Measured
    marks: Sequence[Mark] = ()
    shown: Shown | None = None


_KEPT: "WeakKeyDictionary[Stores, OrderedDict[Key, _Kept]]" = WeakKeyDictionary()
_HEALTH: "WeakKeyDictionary[Stores, dict[str, tuple[datetime, EndpointSpec, Mapping[str, Any]]]]" = WeakKeyDictionary()
_MAKING: "WeakKeyDictionary[Stores, dict[str, threading.Lock]]" = WeakKeyDictionary()
_LOCK = threading.Lock()


def kept_measures(stores: Stores, spec: EndpointSpec, selection: Selection) -> Shown:
    """Return what ``measure`` returns, with its time line; neither is made again while nothing has changed."""
    kept = _kept(stores, spec, selection)
    marks = marks_of(stores, spec, kept.measured.by_window) if kept.measured.by_window else ()
    if kept.shown is None or kept.marks != marks:
        line = draw_time_line(spec, kept.measured, marks) if kept.measured.by_window else None
        kept.shown, kept.marks = Shown(kept.measured, line, _digest_of(kept.measured, line)), marks
    return kept.shown


def kept_health(stores: Stores, spec: EndpointSpec) -> Mapping[str, Any]:
    """Return the health score with its parts, as ``describe_health`` does, at most HEALTH_AGE old."""
    now = stores.now()
    with _LOCK:
        mine = _HEALTH.setdefault(stores, {})
        at, of, found = mine.get(spec.name, (now - HEALTH_AGE, spec, {}))
    if not found or of != spec or abs(now - at) >= HEALTH_AGE:
        found = describe_health(health_score(stores, spec, now))
        mine[spec.name] = (now, spec, found)
    return found


def _kept(stores: Stores, spec: EndpointSpec, selection: Selection) -> _Kept:
    sources, key = _sources(stores, spec), (spec.name, selection)
    found = _find(stores, key, sources)
    if found is not None:
        return found
    with _LOCK:
        making = _MAKING.setdefault(stores, {}).setdefault(spec.name, threading.Lock())
    with making:  # all who watch an endpoint ask at once when its tables have changed: one makes it for all
        return _find(stores, key, sources) or _make(stores, spec, selection, sources)


def _find(stores: Stores, key: Key, sources: object) -> _Kept | None:
    with _LOCK:
        mine = _KEPT.setdefault(stores, OrderedDict())
        found = mine.get(key)
        if found is None or found.sources != sources:
            return None
        mine.move_to_end(key)
        return found


def _make(stores: Stores, spec: EndpointSpec, selection: Selection, sources: object) -> _Kept:
    made, key = _Kept(sources, measure(stores, spec, selection)), (spec.name, selection)
    with _LOCK:
        mine = _KEPT.setdefault(stores, OrderedDict())
        mine[key] = made
        mine.move_to_end(key)
        while len(mine) > MOST:
            mine.popitem(last=False)
    return made


def _sources(stores: Stores, spec: EndpointSpec) -> object:
    """Return what changes whenever something would be measured or drawn otherwise."""
    from modelops_pipelines.store.lake.table_versions import newest_version

    versions = [newest_version(stores.lake.path(spec.name, table.name)) for table in _DRAWN_FROM]
    return versions, spec, len(stores.acceptances.of(spec.name))


def _digest_of(*shown: object) -> str:
    return hashlib.sha256(repr(shown).encode()).hexdigest()
