"""Detects drift of each window from stored profiles alone: the log is not read again."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa

from modelops_pipelines.core.drift.calibrated import (
    LEVELS,
    Calibration,
    Flags,
    confirming_flags,
    flags_of,
    judge_calibrated,
)
from modelops_pipelines.core.drift.channels.lasting_shift import MOST_DAYS
from modelops_pipelines.core.drift.distances import jensen_shannon, missing_shift, wasserstein
from modelops_pipelines.core.drift.episodes import Span
from modelops_pipelines.core.drift.evidently import judge_evidently
from modelops_pipelines.core.drift.fixed_thresholds import ColumnVerdict, judge_fixed
from modelops_pipelines.core.drift.seasonal_reference import WEEK
from modelops_pipelines.core.drift.severity import severity_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import Profile
from modelops_pipelines.core.tables.lake import DRIFT
from modelops_pipelines.core.windows import LENGTH, windows_between
from modelops_pipelines.operations.drift.episodes import COLUMNS, Episodes, episode_row
from modelops_pipelines.operations.drift.profiles import stored_profiles
from modelops_pipelines.operations.drift.reference_hours import History, windowed_histories
from modelops_pipelines.operations.drift.sparse import SparseJudge
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.rows.profiles import hour_of, moment_of
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.stores import Stores

Row = dict[str, Any]
FlagsByWindow: TypeAlias = dict[tuple[datetime, str], Flags]
_FLAGS = ("window_start", "model_version", "column", "channels", "channel", "flagged")
CONFIRMS = timedelta(hours=2 * WEEK)
"""How far back the window may be that confirms another: a week before one that was widened by a week."""
FLOOR = 0.05
"""The smallest distance that matters, in standard deviations or as a Jensen-Shannon distance."""
MOVED = 0.01
"""Standard deviations from which on late rows have moved a day, for the days after it."""
MISSING_FLOOR = 0.02
"""The smallest change of a missing share that matters."""


def detect_drift(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``drift`` up to date.

    Where a window's flags change, or the drift that it belongs to, the windows that depend on it are judged again too.
    """

    def compute(windows: Windows) -> pa.Table:
        return pa.Table.from_pylist(judged_windows(stores, spec, windows), schema=arrow_schema(DRIFT))

    dependents = partial(_dependent_windows, stores, spec)
    return recompute(stores, spec, DRIFT, compute, backfill=backfill, dependents=dependents, until_unchanged=True)


def judged_windows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[Row]:
    """Return the rows of ``drift`` of the windows, in order of time, by the endpoint's method."""
    if spec.drift.method == "calibrated":
        return _calibrated(stores, spec, windows)
    references = {version: stores.references.read(spec.model_name, version) for version in _versions(stores, spec)}
    rows: list[Row] = []
    for (window, version), current in stored_profiles(stores, spec, windows).items():
        reference = references[version]
        if reference is not None:
            known = {name: one for name, one in reference.profiles.items() if name in current}
            for one in _fixed_method(spec)(current, known):
                verdict = asdict(one) | {"effect": _effect(current.get(one.column), known.get(one.column))}
                verdict |= {"flagged": one.drifted, "n_window": one.n}
                rows.append(_row(window, version, reference, reference.source, verdict, spec))
    return rows


def _calibrated(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[Row]:
    """Compare windows with their season, and their flags with those of the window before."""
    length, flagged = LENGTH[spec.window], _Flagged(stores, spec)
    rows: list[Row] = []
    for run in runs(windows, timedelta(days=spec.drift.days + MOST_DAYS)):
        episodes = Episodes(stores, spec, run[0], run)
        sparse = SparseJudge(stores, spec, run, episodes)
        for version, history in windowed_histories(stores, spec, run[0], run[-1] + length, episodes).items():
            for window in run:
                rows += _judged_window(spec, version, history, window, flagged, sparse)
    return sorted(rows, key=lambda row: (row["window_start"], row["model_version"], row["column"]))


def _judged_window(
    spec: EndpointSpec, version: str, history: History, window: datetime, flagged: "_Flagged", sparse: SparseJudge
) -> Iterator[Row]:
    """Yield a version's rows of a window; none where it has no data."""
    start, end = hour_of(window), hour_of(window + LENGTH[spec.window])
    if not any(hours.between(start, end).n.sum() for hours in history.served.values()):
        return
    seasons = history.season(start, end)
    current = {name: one.current for name, one in seasons.items()}
    reference = {name: one.reference for name, one in seasons.items()}
    earlier = partial(flagged.of, version)
    shifts = history.shifts(start, end)
    verdicts = judge_calibrated(current, reference, _rules(spec), confirming_flags(seasons, earlier), shifts)
    verdicts, seasons = sparse.judge(version, start, end, verdicts, seasons, earlier)
    flagged.judged[window, version] = flags_of(verdicts)
    for judged in verdicts:
        prior = seasons[judged.column].prior if judged.column in seasons else None
        one, episode = sparse.episodes.follow(version, judged, Span(start, end, prior))
        own = int(history.served[one.column].between(start, end).n.sum()) if one.column in seasons else 0
        verdict = vars(one) | {"channels": ",".join(one.channels) or None, "n_window": own} | episode_row(episode)
        verdict |= {"shift": shifts[one.column].today if one.column in shifts else None}
        yield _row(window, version, history.reference, history.described, verdict, spec)


def _rules(spec: EndpointSpec) -> Calibration:
    minimum = spec.drift.minimum
    return Calibration(minimum=minimum, least=min(minimum, Calibration.least), level=LEVELS[spec.window])


class _Flagged:
    """The flags by window and version: as ``judged`` in this run, else as stored."""

    def __init__(self, stores: Stores, spec: EndpointSpec) -> None:
        self.judged: dict[tuple[datetime, str], Flags] = {}
        self._stores, self._spec = stores, spec
        self._stored: dict[date, FlagsByWindow] = {}

    def of(self, version: str, hour: int) -> Flags:
        """Return the flags of the version's window that starts at an hour since 1970 UTC."""
        window = moment_of(hour)
        if (window, version) in self.judged:
            return self.judged[window, version]
        day = window.date()
        if day not in self._stored:
            self._stored[day] = _stored_flags(self._stores, self._spec, [day])
        return self._stored[day].get((window, version), ())


def runs(windows: Sequence[datetime], gap: timedelta) -> list[list[datetime]]:
    """Return the windows in order of time, split where two are more than the gap apart: those share no days."""
    split: list[list[datetime]] = []
    for window in sorted(windows):
        if split and window - split[-1][-1] <= gap:
            split[-1].append(window)
        else:
            split.append([window])
    return split


def _dependent_windows(stores: Stores, spec: EndpointSpec, windows: Windows, rows: pa.Table) -> list[datetime]:
    """Return the stored windows, other than these, that may depend on flags or episodes which have changed.

    Call it before the rows are written. Rows seldom arrive in another order than that of their windows.
    """
    if spec.drift.method != "calibrated":
        return []
    before = stores.lake.read(spec.name, DRIFT, dates_of(windows), (*_FLAGS, *COLUMNS, "shift")).to_pylist()
    after = rows.select((*_FLAGS, *COLUMNS, "shift")).to_pylist()
    was, now, among = _flags_and_episodes(before), _flags_and_episodes(after), set(windows)
    changed = [key[0] for key in {*was, *now} if key[0] in among and was.get(key) != now.get(key)]
    changed += [window for window in _moved(before, after) if window in among]
    if not changed:
        return []
    first, last = min(changed), max(changed) + CONFIRMS
    stored = stores.lake.read(spec.name, DRIFT, dates_of(windows_between(first, last, "day")), ["window_start"])
    later = set(stored.column("window_start").unique().to_pylist()) - among
    return sorted(one for one in later if any(timedelta(0) < one - window <= CONFIRMS for window in changed))


def _moved(before: Sequence[Row], after: Sequence[Row]) -> set[datetime]:
    """Return the windows with a column whose day has moved: later windows judge the last days together."""
    was, now = (
        {(row["window_start"], row["model_version"], row["column"]): row["shift"] for row in rows}
        for rows in (before, after)
    )
    return {key[0] for key in {*was, *now} if _apart(was.get(key), now.get(key)) > MOVED}


def _apart(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return abs(one - other)


def _flags_and_episodes(rows: Sequence[Row]) -> dict[tuple[datetime, str], Any]:
    """Return by window and version its flags, and its columns that are in an episode of drift."""
    found: dict[tuple[datetime, str], Any] = {key: (flags, ()) for key, flags in _flags_by_window(rows).items()}
    for row in rows:
        if row["since"] is not None:
            key = row["window_start"], row["model_version"]
            flags, episodes = found.get(key, ((), ()))
            found[key] = flags, tuple(sorted([*episodes, (row["column"], *(row[name] for name in COLUMNS))], key=str))
    return found


def _stored_flags(stores: Stores, spec: EndpointSpec, days: Sequence[date]) -> FlagsByWindow:
    """Return the stored flags of these days."""
    return _flags_by_window(stores.lake.read(spec.name, DRIFT, days, _FLAGS).to_pylist())


def _flags_by_window(rows: Iterable[Row]) -> FlagsByWindow:
    """Return the flags by window and version: columns with their channels."""
    found: dict[tuple[datetime, str], set[tuple[str, str]]] = {}
    for row in rows:
        channels = row["channels"] or row["channel"]
        if row["flagged"] and channels:
            flags = found.setdefault((row["window_start"], row["model_version"]), set())
            flags.update((row["column"], channel) for channel in channels.split(","))
    return dict(found)


def _fixed_method(spec: EndpointSpec) -> Callable[[Mapping[str, Profile], Mapping[str, Profile]], list[ColumnVerdict]]:
    """Return the method that compares a window with the whole training set."""
    if spec.drift.method == "evidently":
        return judge_evidently
    return lambda current, reference: judge_fixed(current, reference, minimum=spec.drift.minimum)


def _row(
    window: datetime, version: str, reference: Reference, compared_with: str, verdict: Row, spec: EndpointSpec
) -> Row:
    """Return a verdict as a row, with importance, severity and the reference it was compared with."""
    column, effect = verdict["column"], verdict["effect"]
    severity = severity_of(column, effect, reference.importance, drifted=verdict["drifted"])
    return {
        **{name: verdict[name] for name in DRIFT.names if name in verdict},
        "window_start": window,
        "model_version": version,
        "date": window.date(),
        "method": spec.drift.method,
        "reference": compared_with,
        "importance": reference.importance.get(column),
        "severity": severity,
    }


def _effect(current: Profile | None, reference: Profile | None) -> float | None:
    """Return how far a column's values or nulls shifted, in floors, for a method that may give only a p-value."""
    if current is None or reference is None:
        return None
    apart = (wasserstein if current.bins.kind == "numeric" else jensen_shannon)(current, reference).value
    shifts = [(apart, FLOOR), (missing_shift(current, reference).value, MISSING_FLOOR)]
    return max((abs(value) / floor for value, floor in shifts if value is not None), default=None)


def _versions(stores: Stores, spec: EndpointSpec) -> list[str]:
    return [known.version for known in stores.deployments.versions(spec.model_name)]
