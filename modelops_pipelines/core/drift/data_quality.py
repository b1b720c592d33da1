"""Data quality: whether a few dozen requests differ from all of the days before, as with a changed unit or category.

There is no significance test: a few dozen rows are too few to judge a distribution, and weather, campaigns and nights
produce unusual distributions every week. Faults are values that did not occur in a month: out of the usual range,
unknown categories, missing values. Usual is what occurred more than once on the days before, so that one wild row or
one unusual hour does not hide later faults. Gradual changes, such as a weather record, are not faults: values close to
the usual range widen it for later ones.

Rows are judged in chunks of ``PIECE``, and an anomaly in two chunks in a row is a fault: wherever it begins, it covers
two whole chunks after at most 3 x 66 rows.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.profiles.categorical import NAME_LENGTH, Coded
from modelops_pipelines.core.profiles.profile import LARGEST, ColumnBins, Floats, Kind
from modelops_pipelines.core.profiles.profile_stack import Stack
from modelops_pipelines.core.profiles.quantiles import Places

Channel: TypeAlias = Literal["range", "category", "missing"]
Mask: TypeAlias = npt.NDArray[np.bool_]

PIECE = 66
"""Rows of a chunk: a third of 200, the number of rows after which a fault must be reported."""
FEWEST = 33
"""The fewest values for a share."""
MARGIN = 0.12
"""How far outside the usual range a value may be, as a fraction of the range's width."""
BEYOND = 0.5
"""Share of values outside the range (margin included) that is anomalous."""
UNKNOWN = 0.1
"""Excess over the usual share of unknown categories that is anomalous."""
GAPS = 0.25
"""Excess over the usual share of missing values that is anomalous."""
SPAN = 50
"""The fewest rows of a span: the days before are split into hours, and small hours are joined."""
EDGE = 0.1
"""Share of a span's values at each end that does not count towards its range; at most FEWEST values."""
WILD_SPANS = 2
"""Spans (at most one in twenty) that do not count towards the usual range when they are wild:"""
WILD = 3.0
"""outside the range of the other spans by more than this many times its width."""
KNOWN_HOURS = 3
"""Hours in which a category must occur to be known; fewer, down to one, when there are under 20 hours for each."""
KNOWN = 0.01
"""Share of the rows from which a category is known, regardless of the number of hours."""


@dataclass(frozen=True)
class Usual:
    """The usual values of a column on the days before.

    ``low``, ``high`` and ``room`` (the margin around them) are in the column's unit, None without numbers; ``known``
    are the known categories, None if these cannot be determined; ``rare`` is the share of values of other categories,
    and ``missing`` the share of missing values.
    """

    kind: Kind
    low: float | None
    high: float | None
    known: frozenset[str] | None
    rare: float
    missing: float
    room: float = 0.0

    def widened(self, today: Stack) -> Self:
        """Return what is usual after some more hours, which widen the range if they are close to it."""
        if self.low is None or self.high is None or today.n.sum() < FEWEST:
            return self
        low, high = self.low, self.high
        for least, most in zip(*_inner(today, _spans(today.n)), strict=True):
            low, high = _widen_range(low, high, self.room, float(least), float(most))
        return replace(self, low=low, high=high)


def pieces_of(before: int, rows: int) -> tuple[Places, bool]:
    """Return the bounds of a window's chunks, and whether the first chunk precedes the window.

    Rows are counted from the first of the ``before`` ones, which precede the window's ``rows`` (at least one). All
    chunks have PIECE rows, and the last one the remaining rows too; a window with fewer is filled up with rows before
    it. The window's first chunk needs the chunk before it, to find anomalies in two chunks in a row.
    """
    end = before + rows
    first = before if rows >= PIECE else max(0, end - PIECE)
    count = max(1, (end - first) // PIECE)
    bounds = [first + PIECE * number for number in range(count)]
    preceding = [max(0, first - PIECE)] if first else []
    return np.array([*preceding, *bounds, end], np.intp), bool(first)


def usual_of(history: Stack) -> Usual | None:
    """Return what is usual in a column's hours of the days before; None without rows."""
    spans = _spans(history.n)
    if not len(spans):
        return None
    missing = np.add.reduceat(history.missing, spans) / np.add.reduceat(history.n, spans)
    low, high = _range(history, spans) if history.bins.kind == "numeric" else (None, None)
    known, rare = _known(history) if history.bins.kind == "categorical" else (None, 0.0)
    room = MARGIN * (high - low) if low is not None and high is not None else 0.0
    return Usual(history.bins.kind, low, high, known, rare, float(missing.max()), room)


def _spans(n: Floats) -> Places:
    """Return the start of each span: hours, small ones joined with the next ones, the last with the previous ones."""
    rows = np.concatenate([[0.0], np.cumsum(n)])
    starts: list[int] = []
    at, total = 0, rows[-1]
    while rows[at] < total and (not starts or total - rows[at] >= SPAN):
        starts.append(at)
        at = int(np.searchsorted(rows, min(rows[at] + SPAN, total)))
    return np.asarray(starts, np.intp)


def _range(history: Stack, spans: Places) -> tuple[float, float] | tuple[None, None]:
    """Return the range of the spans' values, without the outer values of each span and without wild spans."""
    low, high = _inner(history, spans)
    if not len(low):
        return None, None
    wild = min(WILD_SPANS, len(low) // 20)
    third_low, third_high = np.partition(low, wild)[wild], np.partition(high, -1 - wild)[-1 - wild]
    room = WILD * (third_high - third_low)
    return float(low[low >= third_low - room].min()), float(high[high <= third_high + room].max())


def _inner(history: Stack, spans: Places) -> tuple[Floats, Floats]:
    """Return the range of the values of each non-empty span, without its outer values."""
    counts = np.add.reduceat(history.counts, spans, axis=0)
    filled = np.flatnonzero(counts.sum(axis=1))
    below = np.cumsum(counts[filled], axis=1)
    n = below[:, -1:]
    edge = np.minimum(EDGE * n, FEWEST)
    means = np.add.reduceat(history.sums, spans, axis=0)[filled] / np.maximum(counts[filled], 1) + history.bins.centre
    least, most = np.fmin.reduceat(history.minimum, spans)[filled], np.fmax.reduceat(history.maximum, spans)[filled]
    rows = np.arange(len(filled))
    lows, highs = _ends(means, least, most, history.bins)
    return lows[rows, np.argmax(below > edge, axis=1)], highs[rows, np.argmax(below >= n - edge, axis=1)]


def _ends(means: Floats, least: Floats, most: Floats, bins: ColumnBins) -> tuple[Floats, Floats]:
    """Return the lowest and highest values of each span by bin.

    Bins are narrow, so the mean of a bin's values stands for both. The outermost bins use the span's extremes.
    """
    low, high = means.copy(), means.copy()
    low[:, 0], high[:, -1] = least, most
    if bins.edges:
        low[:, -1], high[:, 0] = np.maximum(least, bins.edges[-1]), np.minimum(most, bins.edges[0])
    return low, high


def _known(history: Stack) -> tuple[frozenset[str] | None, float]:
    """Return the known categories, and the share of others; None when most other values have no name."""
    new: Counter[str] = Counter()
    hours: Counter[str] = Counter()
    for one in history.new:
        new.update(one)
        hours.update(one.keys())
    total = history.present.sum()
    if not total or history.other.sum() > new.total():
        return None, 0.0
    counts = dict(zip(history.bins.categories, history.counts.sum(axis=0).tolist(), strict=True)) | new
    often = dict(zip(history.bins.categories, (history.counts > 0).sum(axis=0).tolist(), strict=True)) | hours
    least = min(KNOWN_HOURS, 1 + len(history) // 20)
    known = frozenset(name for name, n in counts.items() if n and (often[name] >= least or n >= KNOWN * total))
    return known, 1 - sum(counts[name] for name in known) / float(total)


def anomalies(usual: Usual, values: Floats | Coded, counted: Mask, starts: Places) -> dict[Channel, Floats]:
    """Return by channel the anomalous share of each chunk's values, NaN without an anomaly.

    ``values`` are numbers of shape (n,) with NaN for null, or coded strings; rows that are not ``counted`` are ignored;
    ``starts``, of shape (m,), are the starts of the chunks. Free text is checked for missing values only.
    """
    here, n = _present(values) & counted, _sums(counted, starts)
    present = _sums(here, starts)
    gone = _share(n - present, n)
    found: dict[Channel, Floats] = {"missing": np.where(gone >= usual.missing + GAPS, gone, np.nan)}
    if isinstance(values, Coded):
        if usual.known is not None:
            unknown = _share(_sums(_unknown_categories(usual, values) & here, starts), present)
            found["category"] = np.where(unknown >= usual.rare + UNKNOWN, unknown, np.nan)
    elif usual.low is not None and usual.high is not None:
        outside = (values < usual.low - usual.room) | (values > usual.high + usual.room)
        beyond = _share(_sums(outside & here, starts), present)
        if np.any(beyond >= BEYOND):
            pieces = zip(np.split(values, starts[1:]), np.split(here, starts[1:]), strict=True)
            beyond = _beyond(usual.low, usual.high, usual.room, (part[mask] for part, mask in pieces))
        found["range"] = np.where(beyond >= BEYOND, beyond, np.nan)
    return found


def _beyond(low: float, high: float, room: float, pieces: Iterable[Floats]) -> Floats:
    """Return the share of each chunk's values outside range and margin; earlier chunks widen the range."""
    found: list[float] = []
    for values in map(np.sort, pieces):
        if values.size < FEWEST:
            found.append(np.nan)
            continue
        inside = values.searchsorted(high + room, "right") - values.searchsorted(low - room)
        found.append(1 - inside / values.size)
        edge = int(min(EDGE * values.size, FEWEST))
        low, high = _widen_range(low, high, room, float(values[edge]), float(values[-1 - edge]))
    return np.array(found)


def _widen_range(low: float, high: float, room: float, least: float, most: float) -> tuple[float, float]:
    """Return the range widened to ``least`` and ``most``, at each end where these are within the margin."""
    return (min(low, least) if least >= low - room else low), (max(high, most) if most <= high + room else high)


def _present(values: Floats | Coded) -> Mask:
    if isinstance(values, Coded):
        return values.codes >= 0
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values) <= LARGEST)


def _sums(mask: Mask, starts: Places) -> Floats:
    return np.add.reduceat(mask, starts, dtype=np.float64)


def _share(some: Floats, n: Floats) -> Floats:
    """Return shares of ``n``, NaN when ``n`` is too small."""
    return np.divide(some, n, out=np.full_like(n, np.nan), where=n >= FEWEST)


def _unknown_categories(usual: Usual, values: Coded) -> Mask:
    known = usual.known or frozenset()
    return np.array([*(name[:NAME_LENGTH] not in known for name in values.names), False])[values.codes]


def describe_anomaly(column: str, channel: Channel, share: float, usual: Usual, values: Floats | Coded) -> str:
    """Describe the anomaly of some values, of shape (n,), without a category: alerts keep this, and no erasure."""
    if channel == "missing":
        return f"{column}: {share:.0%} of the values are missing, usually at most {usual.missing:.0%}"
    if isinstance(values, Coded):
        return f"{column}: {share:.0%} of the values have unknown categories"
    middle = float(np.median(values[_present(values)]))
    words = f"of the values are outside {usual.low:.4g} to {usual.high:.4g}, the usual range of the days before"
    return f"{column}: {share:.0%} {words} (median now {middle:.4g})"
