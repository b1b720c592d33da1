"""Calibrated drift: a window must differ from its season by more than normal days do, and by enough to be relevant.

Each column is tested for its distribution, its missing share and, if numeric, its share out of range.
``core/drift/seasonal_reference.py`` chooses the reference windows; ``core/drift/leave_one_out.py`` measures their
distances. The scale of each test comes from the reference windows, each compared with the other days: so day effects,
correlated rows and heavy tails raise the threshold automatically. A shift that is too small for one window is found by
the last days together (``core/drift/channels/lasting_shift.py``).
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from modelops_pipelines.core.drift.channels.distance_test import DistanceTest, of_distances, of_shares
from modelops_pipelines.core.drift.channels.lasting_shift import LastingShift
from modelops_pipelines.core.drift.channels.measured import Channel, Measured
from modelops_pipelines.core.drift.channels.shift_test import ShiftTest
from modelops_pipelines.core.drift.distances import missing_share
from modelops_pipelines.core.drift.fixed_thresholds import ColumnVerdict
from modelops_pipelines.core.drift.leave_one_out import Distances, LeaveOneOut
from modelops_pipelines.core.drift.null_distribution import levels
from modelops_pipelines.core.drift.seasonal_reference import Season, SeasonReference
from modelops_pipelines.core.profiles.profile import ColumnBins, Kind, Profile

Flags: TypeAlias = Collection[tuple[str, str]]
Shifts: TypeAlias = Mapping[str, LastingShift]

LEVELS = {"hour": 0.05, "day": 0.02}
"""Significance level by window size. It is stricter for days: what affects one normal day, such as weather, often
affects the next, so two days in a row are weaker evidence than two hours."""


@dataclass(frozen=True)
class Calibration:
    """What counts as drift.

    A test is flagged when it reaches its floor (``distance``: standard deviations or Jensen-Shannon distance;
    ``answers``: that of the predicted classes, which a base rate moving by 5 points shifts by 0.035 to 0.05;
    ``share``: 0 .. 1; ``shift``: standard deviations) and is significant by Benjamini and Hochberg's procedure at
    ``level`` over all tests of the window. A change is gross from ``gross`` floors on, at a p-value of ``strict`` or
    less. With under ``minimum`` rows, but at least ``least``, only gross changes are flagged. A column drifted when it
    is flagged in two windows in a row, or in one window from ``at_once`` floors on: never by default, because a storm
    is a gross change too, and urgent faults are reported after about 200 rows (``operations/drift/data_quality.py``).
    ``days`` is the fewest reference days for a verdict. A shift of the last days is tested apart, over all columns at
    the level ``lasting``, and needs no second window: it is several days already.
    """

    minimum: int = 500
    least: int = 100
    days: int = 4
    level: float = 0.05
    lasting: float = 2e-3
    strict: float = 1e-4
    distance: float = 0.05
    shift: float = 0.1
    answers: float = 0.02
    share: float = 0.02
    gross: float = 5.0
    at_once: float = math.inf


@dataclass(frozen=True)
class CalibratedVerdict(ColumnVerdict):
    """The verdict on a column, with the numbers of the flagged ``channel`` of largest effect, else the distribution.

    ``statistic`` names ``value`` and ``threshold``: ``wasserstein`` (in standard deviations), ``jensen_shannon``, or
    the change of a share (``missing_shift``, ``range_shift``; absolute). ``threshold`` is the value from which the
    column would have been flagged in this window, ``effect`` is ``value`` in floors, and ``most`` is the largest value
    of a reference window compared with the other days. ``flagged`` is about this window alone and ``channels`` lists
    all flagged channels; ``drifted`` means that it is flagged repeatedly or gross. Both are None when nothing could be
    judged, and ``reason`` says why. ``n`` counts rows, ``days`` the reference days. ``measured`` has every channel.
    """

    p_value: float | None
    channel: Channel
    effect: float | None
    most: float | None
    flagged: bool | None
    days: int
    channels: tuple[Channel, ...] = ()
    measured: tuple[Measured, ...] = ()


AnyTest: TypeAlias = DistanceTest | ShiftTest


@dataclass(frozen=True)
class _Column:
    name: str
    kind: Kind
    current: Profile | None
    reference: SeasonReference | None
    tests: tuple[AnyTest, ...]
    reason: str | None
    few: bool

    @property
    def days(self) -> int:
        return self.reference.day_count if self.reference else 0

    def with_shift(self, found: LastingShift | None, rules: Calibration) -> "_Column":
        if found is None:
            return self
        return replace(self, tests=(*self.tests, ShiftTest(found, rules.shift)))


def judge_calibrated(
    current: Mapping[str, Profile],
    reference: Mapping[str, SeasonReference],
    policy: Calibration | None = None,
    before: Flags = (),
    shifts: Shifts | None = None,
) -> list[CalibratedVerdict]:
    """Judge every column of either side, by name.

    ``before`` has the flags of the previous window (``confirming_flags``): a column drifted when it is flagged in both
    by the same channel, or flagged once and gross. ``shifts`` has the shifts of the last days, by column. Raises
    SchemaError for a column with two bins. The tests were calibrated on seasonal traffic; the procedure over all
    columns is Benjamini and Hochberg's (1995).
    """
    rules = policy or Calibration()
    kinds = {name: one.windows.bins.kind for name, one in reference.items()}
    kinds |= {name: one.bins.kind for name, one in current.items()}
    known = shifts or {}
    columns = [
        _column(name, kinds[name], current.get(name), reference.get(name), rules).with_shift(known.get(name), rules)
        for name in sorted(kinds)
    ]
    tried = [test for column in columns if not column.few for test in column.tests]
    bars = _bars([test for test in tried if test.channel != "shift"], rules.level)
    bars |= _bars([test for test in tried if test.channel == "shift"], rules.lasting)
    verdicts = [_verdict(column, bars, rules) for column in columns]
    return confirm_verdicts(verdicts, before, rules)


def confirm_verdicts(
    verdicts: Sequence[CalibratedVerdict], before: Flags, policy: Calibration | None = None
) -> list[CalibratedVerdict]:
    """Set ``drifted`` of each verdict: flagged now and ``before`` by the same channel, or gross now."""
    rules = policy or Calibration()
    return [replace(one, drifted=_drifted(one, before, rules)) for one in verdicts]


def confirming_flags(seasons: Mapping[str, Season], flagged: Callable[[int], Flags]) -> frozenset[tuple[str, str]]:
    """Return each column's flags in the window that can confirm it (``Season.prior``).

    ``flagged`` returns the flags of the window that starts at an hour since 1970 UTC.
    """
    priors = {name: one.prior for name, one in seasons.items() if one.prior is not None}
    return frozenset(flag for name, prior in priors.items() for flag in flagged(prior) if flag[0] == name)


def flags_of(verdicts: Sequence[CalibratedVerdict]) -> frozenset[tuple[str, str]]:
    """Return the flagged columns, with each flagged channel."""
    return frozenset((one.column, channel) for one in verdicts for channel in one.channels)


def _bars(tests: Sequence[AnyTest], level: float) -> dict[int, float]:
    return dict(zip(map(id, tests), levels([test.p_value for test in tests], level), strict=True))


def _drifted(one: CalibratedVerdict, before: Flags, rules: Calibration) -> bool | None:
    if not one.flagged:
        return one.flagged
    lasts = any(channel == "shift" or (one.column, channel) in before for channel in one.channels)
    chance = 1.0 if one.p_value is None else one.p_value
    return lasts or ((one.effect or 0.0) >= rules.at_once and chance <= rules.strict)


def _column(
    name: str, kind: Kind, current: Profile | None, reference: SeasonReference | None, rules: Calibration
) -> _Column:
    reason = _unjudged(current, reference, rules)
    if reason or current is None or reference is None:
        return _Column(name, kind, current, reference, (), reason, few=True)
    tests = _tests(kind, LeaveOneOut.of(current, reference), reference.day_count, rules)
    judged = any(test.channel == "distribution" for test in tests)
    reason = None if judged else f"{current.present} values in {current.n} rows: too few, or none in the reference"
    return _Column(name, kind, current, reference, tests, reason, few=current.n < rules.minimum)


def _tests(kind: Kind, found: LeaveOneOut, days: int, rules: Calibration) -> tuple[DistanceTest, ...]:
    """Return the tests for which there are values."""
    windows, tests = found.windows, []
    enough = windows.present[-1] >= rules.least
    apart = (found.wasserstein() if kind == "numeric" else found.jensen_shannon()) if enough else None
    if apart:
        tests.append(of_distances(apart, _floor(windows.bins, rules), days))
    shares: list[tuple[Channel, Distances | None]] = [("missing", found.shares(windows.missing, windows.n))]
    if kind == "numeric" and enough and windows.bins.edges:
        shares.append(("range", found.shares(windows.out_of_range, windows.present)))
    return (*tests, *(of_shares(channel, one, rules.share, days) for channel, one in shares if one))


def _unjudged(current: Profile | None, reference: SeasonReference | None, rules: Calibration) -> str | None:
    """Return why no test is possible, or None."""
    if current is None:
        return "missing in the window"
    if reference is None:
        return "missing in the reference"
    if current.n < rules.least:
        return f"{current.n} rows: a verdict needs {rules.minimum}, or {rules.least} for a gross change"
    if reference.day_count < rules.days:
        kind = "days of the same kind (working day or weekend)"
        return f"{reference.day_count} reference {kind}, but {rules.days} are required"
    return None


def _floor(bins: ColumnBins, rules: Calibration) -> float:
    """Return the smallest relevant distance; it is lower for predicted classes."""
    return rules.answers if (bins.name, bins.kind) == ("prediction", "categorical") else rules.distance


def _verdict(column: _Column, bars: Mapping[int, float], rules: Calibration) -> CalibratedVerdict:
    bounds = [_bound(column, test, bars.get(id(test), rules.strict), rules) for test in column.tests]
    flagged = [test for test, (limit, p) in zip(column.tests, bounds, strict=True) if _passes(test, limit, p)]
    shown = _shown(column, flagged)
    total = column.reference.windows.total() if column.reference and len(column.reference.windows) else None
    judged = bool(flagged) or (bool(column.tests) and not column.few and column.reason is None)
    channel = shown.channel if shown else "distribution"
    return CalibratedVerdict(
        column=column.name,
        kind=column.kind,
        statistic=_statistic(column.kind, channel),
        value=shown.value if shown else None,
        threshold=bounds[column.tests.index(shown)][0] if shown else rules.distance,
        drifted=None,
        n=column.current.n if column.current else 0,
        n_reference=total.n if total else 0,
        missing=missing_share(column.current),
        missing_reference=missing_share(total),
        reason=_reason(column, shown, flagged, rules),
        p_value=shown.p_value if shown else None,
        channel=channel,
        effect=shown.effect if shown else None,
        most=shown.most if shown else None,
        flagged=bool(flagged) if judged else None,
        days=column.days,
        channels=tuple(test.channel for test in flagged),
        measured=tuple(test.measured for test in column.tests),
    )


def _bound(column: _Column, test: AnyTest, level: float, rules: Calibration) -> tuple[float, float]:
    """Return the smallest value and the largest p-value at which the test is flagged."""
    floor = rules.gross * test.floor if column.few else test.floor
    return max(floor, test.value_at(level)), level


def _passes(test: AnyTest, limit: float, level: float) -> bool:
    return test.value >= limit and test.p_value <= level


def _shown(column: _Column, flagged: Sequence[AnyTest]) -> AnyTest | None:
    """Return the flagged test of the largest effect, or the test of the distribution."""
    if flagged:
        return max(flagged, key=lambda test: test.effect)
    return next((test for test in column.tests if test.channel == "distribution"), None)


def _statistic(kind: Kind, channel: Channel) -> str:
    if channel == "shift":
        return "lasting_shift"
    if channel != "distribution":
        return f"{channel}_shift"
    return "wasserstein" if kind == "numeric" else "jensen_shannon"


def _reason(column: _Column, shown: AnyTest | None, flagged: Sequence[AnyTest], rules: Calibration) -> str | None:
    if flagged and isinstance(shown, ShiftTest):
        found = shown.found
        return (
            f"a shift of {found.shift:+.2g} standard deviations in {found.days} days occurs by chance with "
            f"probability {found.p_value:.1e}"
        )
    if flagged and shown:
        what = "distance" if shown.channel == "distribution" else f"shift of the {shown.channel} share"
        return f"a {what} of {shown.value:.3g} occurs by chance with probability {shown.p_value:.1e}"
    if column.reason:
        return column.reason
    if column.few and column.current:
        return f"{column.current.n} rows: a verdict needs {rules.minimum}; no gross change"
    return None
