"""Keeps what was measured of endpoints in memory, until a table that it was read from changes."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import DAILY_PROFILES, PROFILES
from modelops_pipelines.operations.reports.health.facts import TABLES_READ, Measured, measure
from modelops_pipelines.operations.reports.health.selection import Selection
from modelops_pipelines.operations.reports.health.time_line import TimeLine, draw_time_line, marks_of
from modelops_pipelines.operations.reports.marks import Mark
from modelops_pipelines.store.stores import Stores

MOST = 24
"""Selections that are kept, of all endpoints: those used last."""
_DRAWN_FROM = (*TABLES_READ, PROFILES, DAILY_PROFILES)
Key = tuple[str, Selection]


@dataclass
class _Kept:
    """What was measured, with the state of its sources, and the time line that was drawn last with its marks."""

    sources: object
    measured: Measured
    marks: Sequence[Mark] = ()
    time_line: TimeLine | None = None


_KEPT: "WeakKeyDictionary[Stores, OrderedDict[Key, _Kept]]" = WeakKeyDictionary()
_LOCK = threading.Lock()


def kept_measures(stores: Stores, spec: EndpointSpec, selection: Selection) -> tuple[Measured, TimeLine | None]:
    """Return what ``measure`` returns, with its time line; neither is made again while nothing has changed."""
    kept = _kept(stores, spec, selection)
    if not kept.measured.by_window:
        return kept.measured, None
    marks = marks_of(stores, spec, kept.measured.by_window)
    if kept.time_line is None or kept.marks != marks:
        kept.time_line = draw_time_line(spec, kept.measured, marks)
        kept.marks = marks
    return kept.measured, kept.time_line


def _kept(stores: Stores, spec: EndpointSpec, selection: Selection) -> _Kept:
    sources, key = _sources(stores, spec), (spec.name, selection)
    with _LOCK:
        mine = _KEPT.setdefault(stores, OrderedDict())
        found = mine.get(key)
        if found is not None and found.sources == sources:
            mine.move_to_end(key)
            return found
    made = _Kept(sources, measure(stores, spec, selection))
    with _LOCK:
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
