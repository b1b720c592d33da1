"""Whether a window differs from its season by more than ordinary days differ from each other, and by enough to matter.

Each column is tested for its distribution, its missing share and, if numeric, its share out of range. What the
reference windows are is decided by ``core/drift/seasonal_reference.py``; how far apart they lie is measured by
``core/drift/leave_one_out.py``. The scale of each test is what the reference windows show when each is held against the
other days: day effects, correlated rows and heavy tails raise the bar by themselves.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from modelops_pipelines.core.drift.distances import missing_share
from modelops_pipelines.core.drift.fixed_thresholds import ColumnVerdict
from modelops_pipelines.core.drift.leave_one_out import Distances, LeaveOneOut
from modelops_pipelines.core.drift.null_distribution import STUDENT, fitted, kappa, levels, offset_fitted
from modelops_pipelines.core.drift.seasonal_reference import Season, SeasonReference
from modelops_pipelines.core.profiles.profile import ColumnBins, Kind, Profile

Channel: TypeAlias = Literal["distribution", "missing", "range"]
Flags: TypeAlias = Collection[tuple[str, str]]

LEVELS = {"hour": 0.05, "day": 0.02}
"""Level by the size of a window. Days are judged more strictly: what moves one ordinary day, such as weather, often
moves the next as well, so that two in a row prove less than two hours that have a season to themselves."""
NARROW = 0.1
"""Parts of a floor: two columns that differ by less than this by chance are called equal."""


@dataclass(frozen=True)
class Calibration:
    """What counts as drift.

    A test is flagged when it reaches its floor (``distance``: standard deviations or Jensen-Shannon distance;
    ``answers``: that of the classes answered, which a base rate moving by 5 points shifts by 0.035 to 0.05;
    ``share``: 0 .. 1) and passes Benjamini and Hochberg's procedure at ``level`` over all tests of the window.
    It is gross from ``gross`` floors on at a p-value of ``strict`` or less. With under ``minimum`` rows, but
    ``least``, only what is gross is flagged. What is flagged in one window drifted when it is flagged in the
    next as well, or at once when it is as gross as ``at_once`` floors: never by default, for a storm is gross too,
    and what cannot wait is told by the hundred requests (``operations/drift/data_quality.py``). ``days`` is the fewest
    reference days that a verdict takes.
    """

    minimum: int = 500
    least: int = 100
    days: int = 4
    level: float = 0.05
    strict: float = 1e-4
    distance: float = 0.05
    answers: float = 0.02
    share: float = 0.02
    gross: float = 5.0
    at_once: float = math.inf


@dataclass(frozen=True)
class CalibratedVerdict(ColumnVerdict):
    """What a column's tests say, told by the ``channel`` that moved most; the distribution if none is flagged.

    ``statistic`` names what ``value`` and ``threshold`` are: ``wasserstein`` (in standard deviations),
    ``jensen_shannon``, or the move of a share (``missing_shift``, ``range_shift``; absolute). ``threshold`` is
    the value from which the column would have been flagged in this window, ``effect`` is ``value`` in floors, and
    ``most`` is the greatest value of a reference window held against the other days.
    ``flagged`` is of this window alone and ``channels`` are all that were; ``drifted`` says that it lasts or is
    gross. Both are None where nothing could be judged, and ``reason`` says why. ``n`` counts rows, ``days``
    the reference days.
    """

    p_value: float | None
    channel: Channel
    effect: float | None
    most: float | None
    flagged: bool | None
    days: int
    channels: tuple[Channel, ...] = ()


@dataclass(frozen=True)
class _Test:
    """A test of one column: its value (never negative), its scale and the p-value; ``value / floor`` its effect."""

    channel: Channel
    value: float
    floor: float
    scale: float
    kappa: float
    days: int
    most: float

    @property
    def effect(self) -> float:
        return self.value / self.floor

    @property
    def p_value(self) -> float:
        """Chance of such a value: F.sf(T^2 / s^2, 2 kappa, 2 kappa (days - 1)).

        T^2 / s^2 is a gamma variable of shape kappa and mean 1 over the mean of ``days`` - 1 such.
        """
        from scipy.special import fdtrc

        return float(fdtrc(2 * self.kappa, 2 * self.kappa * (self.days - 1), self.value**2 / self.scale))

    def value_at(self, level: float) -> float:
        """Return the value whose p-value is ``level``."""
        from scipy.special import fdtri

        return math.sqrt(self.scale * float(fdtri(2 * self.kappa, 2 * self.kappa * (self.days - 1), 1 - level)))


@dataclass(frozen=True)
class _Column:
    name: str
    kind: Kind
    current: Profile | None
    reference: SeasonReference | None
    tests: tuple[_Test, ...]
    reason: str | None
    few: bool

    @property
    def days(self) -> int:
        return self.reference.day_count if self.reference else 0


def judge_calibrated(
    current: Mapping[str, Profile],
    reference: Mapping[str, SeasonReference],
    policy: Calibration | None = None,
    before: Flags = (),
) -> list[CalibratedVerdict]:
    """Judge every column of either side, by name.

    ``before`` is what was flagged in the window before this (``confirming_flags``): a column drifted when it is
    flagged in both by the same channel, or flagged once and gross. Raises SchemaError for a column with two
    bins. Source of the tests: facts measured on seasonal traffic; of the procedure over all columns:
    Benjamini and Hochberg 1995.
    """
    rules = policy or Calibration()
    kinds = {name: one.windows.bins.kind for name, one in reference.items()}
    kinds |= {name: one.bins.kind for name, one in current.items()}
    columns = [_column(name, kinds[name], current.get(name), reference.get(name), rules) for name in sorted(kinds)]
    tried = [test for column in columns if not column.few for test in column.tests]
    bars = dict(zip(map(id, tried), levels([test.p_value for test in tried], rules.level), strict=True))
    verdicts = [_verdict(column, bars, rules) for column in columns]
    return confirm_verdicts(verdicts, before, rules)


def confirm_verdicts(
    verdicts: Sequence[CalibratedVerdict], before: Flags, policy: Calibration | None = None
) -> list[CalibratedVerdict]:
    """Say of each verdict whether it drifted: flagged now and ``before`` by the same channel, or gross now."""
    rules = policy or Calibration()
    return [replace(one, drifted=_drifted(one, before, rules)) for one in verdicts]


def confirming_flags(seasons: Mapping[str, Season], flagged: Callable[[int], Flags]) -> frozenset[tuple[str, str]]:
    """Return each column's flags in the window that could confirm it (``Season.prior``).

    ``flagged`` tells what was flagged in the window that starts at an hour since 1970 UTC.
    """
    priors = {name: one.prior for name, one in seasons.items() if one.prior is not None}
    return frozenset(flag for name, prior in priors.items() for flag in flagged(prior) if flag[0] == name)


def flags_of(verdicts: Sequence[CalibratedVerdict]) -> frozenset[tuple[str, str]]:
    """Return the flagged columns, each with each channel that was flagged."""
    return frozenset((one.column, channel) for one in verdicts for channel in one.channels)


def _drifted(one: CalibratedVerdict, before: Flags, rules: Calibration) -> bool | None:
    if not one.flagged:
        return one.flagged
    lasts = any((one.column, channel) in before for channel in one.channels)
    chance = 1.0 if one.p_value is None else one.p_value
    return lasts or ((one.effect or 0.0) >= rules.at_once and chance <= rules.strict)


def _column(
    name: str, kind: Kind, current: Profile | None, reference: SeasonReference | None, rules: Calibration
) -> _Column:
    reason = _unjudged(current, reference, rules)
    if reason or current is None or reference is None:
        return _Column(name, kind, current, reference, (), reason, few=True)
    tests = _tests(kind, LeaveOneOut.of(current, reference), reference.day_count, rules)
    told = any(test.channel == "distribution" for test in tests)
    reason = None if told else f"{current.present} values in {current.n} rows: too few, or none in the reference"
    return _Column(name, kind, current, reference, tests, reason, few=current.n < rules.minimum)


def _tests(kind: Kind, found: LeaveOneOut, days: int, rules: Calibration) -> tuple[_Test, ...]:
    """Make the tests that there are values for."""
    windows, tests = found.windows, []
    enough = windows.present[-1] >= rules.least
    apart = (found.wasserstein() if kind == "numeric" else found.jensen_shannon()) if enough else None
    if apart:
        tests.append(_of_distances(apart, _floor(windows.bins, rules), days))
    shares: list[tuple[Channel, Distances | None]] = [("missing", found.shares(windows.missing, windows.n))]
    if kind == "numeric" and enough and windows.bins.edges:
        shares.append(("range", found.shares(windows.out_of_range, windows.present)))
    return (*tests, *(_of_shares(channel, one, rules, days) for channel, one in shares if one))


def _unjudged(current: Profile | None, reference: SeasonReference | None, rules: Calibration) -> str | None:
    """Why no test is made at all, if so."""
    if current is None:
        return "absent from the window"
    if reference is None:
        return "absent from the reference"
    if current.n < rules.least:
        return f"{current.n} rows, of {rules.minimum} that a verdict takes, and {rules.least} for a gross change"
    if reference.day_count < rules.days:
        sort = "days of the same sort (working day or weekend)"
        return f"{reference.day_count} {sort} to compare with; {rules.days} are needed"
    return None


def _floor(bins: ColumnBins, rules: Calibration) -> float:
    """Return the least distance that matters; of the classes answered a smaller one does."""
    return rules.answers if (bins.name, bins.kind) == ("prediction", "categorical") else rules.distance


def _of_distances(found: Distances, floor: float, days: int) -> _Test:
    squared = found.others**2
    a, b = fitted(squared, 1 / found.sizes)
    least = (NARROW * floor) ** 2
    expected = np.maximum(a / found.sizes + b, least)
    fewer = max(0.0, 1 / found.n - 1 / float(found.sizes.min()))  # fewer rows than any fitted: by theory
    scale = max(a * (1 / found.n - fewer) + b, least) + max(a, found.unit) * fewer
    most = float(np.max(found.others))
    return _Test("distribution", found.value, floor, scale, kappa(squared / expected), days, most)


def _of_shares(channel: Channel, found: Distances, rules: Calibration, days: int) -> _Test:
    """Test |delta|^2 / (p (1 - p) / n + b): the square of a Student variable, kappa 1/2, or of a heavier law."""
    squared, chance = found.others**2, found.unit / found.sizes
    b = offset_fitted(squared, chance)
    shape = min(STUDENT, kappa(squared / (chance + b)))
    scale = max(found.unit / found.n + b, (NARROW * rules.share) ** 2)
    most = float(np.max(np.abs(found.others)))
    return _Test(channel, abs(found.value), rules.share, scale, shape, days, most)


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
    )


def _bound(column: _Column, test: _Test, level: float, rules: Calibration) -> tuple[float, float]:
    """Return the value from which the test is flagged, and its p-value up to which it is."""
    floor = rules.gross * test.floor if column.few else test.floor
    return max(floor, test.value_at(level)), level


def _passes(test: _Test, limit: float, level: float) -> bool:
    return test.value >= limit and test.p_value <= level


def _shown(column: _Column, flagged: Sequence[_Test]) -> _Test | None:
    """Return the flagged test of the largest effect, or the distribution's."""
    if flagged:
        return max(flagged, key=lambda test: test.effect)
    return next((test for test in column.tests if test.channel == "distribution"), None)


def _statistic(kind: Kind, channel: Channel) -> str:
    if channel != "distribution":
        return f"{channel}_shift"
    return "wasserstein" if kind == "numeric" else "jensen_shannon"


def _reason(column: _Column, shown: _Test | None, flagged: Sequence[_Test], rules: Calibration) -> str | None:
    if flagged and shown:
        what = "distance" if shown.channel == "distribution" else f"shift of the {shown.channel} share"
        return f"a {what} of {shown.value:.3g} comes by chance in {shown.p_value:.1e} of windows"
    if column.reason:
        return column.reason
    if column.few and column.current:
        return f"{column.current.n} rows, of {rules.minimum} that a verdict takes; no gross change"
    return None
