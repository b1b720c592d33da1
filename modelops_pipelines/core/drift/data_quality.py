"""Whether a handful of requests is unlike anything of the days before: what a broken unit or a renamed category is.

No chance is computed: a few dozen rows are too few to judge a distribution by, and weather, campaigns and nights make
odd ones every week. What is looked for has not been there in a month: values beyond all that was usual, categories
that were not known, gaps that there were not. Usual is what the days before had more than once: neither a wild row nor
an odd hour makes the rest of the month blind. What comes step by step, as a record of the weather does, is no fault
either: values that lie close to what is usual widen it for those after them.

Rows are looked at in pieces of ``PIECE``, and what is odd in two pieces in a row is a fault: wherever it begins, two
whole pieces of it have been there 3 x 66 rows later.
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
"""Rows that are looked at together: a third of 200, less than which no fault may last untold."""
FEWEST = 33
"""Values that a share takes."""
MARGIN = 0.12
"""How far beyond what is usual a value may lie, in parts of the distance between its ends: its room."""
BEYOND = 0.5
"""Share of the values that must lie beyond."""
UNKNOWN = 0.1
"""How much greater than usual the share of values of unknown categories must be."""
GAPS = 0.25
"""How much greater than usual the share of missing values must be."""
SPAN = 50
"""Rows that the days before are cut into, at least: hours as they are, small ones together."""
EDGE = 0.1
"""Share of a span's values, at either end, that does not say where its values lie; FEWEST values do say so."""
WILD_SPANS = 2
"""Spans, one in twenty at most, that do not say what is usual where they are wild:"""
WILD = 3.0
"""further away than this many times the distance between the ends of the others."""
KNOWN_HOURS = 3
"""Hours in which a category was seen that is known; fewer, down to one, where there are fewer than 20 for each."""
KNOWN = 0.01
"""Share of the rows from which a category is known, in however few hours."""


LASTING = 7
"""Days from which a fault without a break is the new usual."""


@dataclass(frozen=True)
class Usual:
    """What the days before were like in a column.

    ``low``, ``high`` and the ``room`` about them are in its own unit, None without numbers; ``known`` are categories,
    None where they cannot be told, and ``rare`` the share of values of other ones; ``missing`` the share that is not
    there.
    """

    kind: Kind
    low: float | None
    high: float | None
    known: frozenset[str] | None
    rare: float
    missing: float
    room: float = 0.0

    def widened(self, today: Stack) -> Self:
        """Return what is usual after some hours more, which widen the range where they lie close to it."""
        if self.low is None or self.high is None or today.n.sum() < FEWEST:
            return self
        low, high = self.low, self.high
        for least, most in zip(*_inner(today, _spans(today.n)), strict=True):
            low, high = _widen_range(low, high, self.room, float(least), float(most))
        return replace(self, low=low, high=high)


def pieces_of(before: int, rows: int) -> tuple[Places, bool]:
    """Return the bounds of the pieces that a window's rows are cut into, and whether the first is of those before.

    Rows are counted from the first of the ``before`` ones, which precede the window's ``rows`` (one at least). All
    pieces have PIECE rows, but that the last takes what is left over; a window with fewer is filled up with rows
    before it. The first piece that is not yet the window's is the one before, which its own first is held against.
    """
    end = before + rows
    first = before if rows >= PIECE else max(0, end - PIECE)
    count = max(1, (end - first) // PIECE)
    bounds = [first + PIECE * number for number in range(count)]
    preceding = [max(0, first - PIECE)] if first else []
    return np.array([*preceding, *bounds, end], np.intp), bool(first)


def lasting_days(failed: Iterable[int], judged: Iterable[int]) -> frozenset[int]:
    """Return the days of faults that lasted LASTING days without a break, of the days on which there were faults.

    Days are numbers; one that was not judged is no break.
    """
    wrong, found, run = set(failed), set[int](), list[int]()
    for day in sorted({*wrong, *judged}):
        run = [*run, day] if day in wrong else []
        if run and day - run[0] + 1 >= LASTING:
            found.update(run)
    return frozenset(found)


def usual_of(history: Stack) -> Usual | None:
    """Return what is usual in a column's hours of the days before; None when they are empty."""
    spans = _spans(history.n)
    if not len(spans):
        return None
    missing = np.add.reduceat(history.missing, spans) / np.add.reduceat(history.n, spans)
    low, high = _range(history, spans) if history.bins.kind == "numeric" else (None, None)
    known, rare = _known(history) if history.bins.kind == "categorical" else (None, 0.0)
    room = MARGIN * (high - low) if low is not None and high is not None else 0.0
    return Usual(history.bins.kind, low, high, known, rare, float(missing.max()), room)


def _spans(n: Floats) -> Places:
    """Return where each span begins: hours, small ones together with those after them, the last with those before."""
    rows = np.concatenate([[0.0], np.cumsum(n)])
    starts: list[int] = []
    at, total = 0, rows[-1]
    while rows[at] < total and (not starts or total - rows[at] >= SPAN):
        starts.append(at)
        at = int(np.searchsorted(rows, min(rows[at] + SPAN, total)))
    return np.asarray(starts, np.intp)


def _range(history: Stack, spans: Places) -> tuple[float, float] | tuple[None, None]:
    """Return between what the spans' values lie, but for the few at each span's edges and for wild spans."""
    low, high = _inner(history, spans)
    if not len(low):
        return None, None
    wild = min(WILD_SPANS, len(low) // 20)
    third_low, third_high = np.partition(low, wild)[wild], np.partition(high, -1 - wild)[-1 - wild]
    room = WILD * (third_high - third_low)
    return float(low[low >= third_low - room].min()), float(high[high <= third_high + room].max())


def _inner(history: Stack, spans: Places) -> tuple[Floats, Floats]:
    """Return from where to where the values of each span that has some lie, but for the few at its edges."""
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
    """Return from where and to where each span's values lie by bin.

    A bin is narrow: its values' mean will do. The outermost ones have no end but the span's own extremes.
    """
    low, high = means.copy(), means.copy()
    low[:, 0], high[:, -1] = least, most
    if bins.edges:
        low[:, -1], high[:, 0] = np.maximum(least, bins.edges[-1]), np.minimum(most, bins.edges[0])
    return low, high


def _known(history: Stack) -> tuple[frozenset[str] | None, float]:
    """Return the categories that are known, and the share of others; None when more have no name than have one."""
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
    """Return by channel the share of each piece's values that is odd, NaN where there is nothing odd.

    ``values`` are numbers of shape (n,) with NaN for null, or coded strings; rows that are not ``counted`` are passed
    over; ``starts``, of shape (m,), say where the pieces begin. Free text has gaps only.
    """
    here, n = _present(values) & counted, _sums(counted, starts)
    present = _sums(here, starts)
    gone = _share(n - present, n)
    found: dict[Channel, Floats] = {"missing": np.where(gone >= usual.missing + GAPS, gone, np.nan)}
    if isinstance(values, Coded):
        if usual.known is not None:
            strange = _share(_sums(_unknown_categories(usual, values) & here, starts), present)
            found["category"] = np.where(strange >= usual.rare + UNKNOWN, strange, np.nan)
    elif usual.low is not None and usual.high is not None:
        outside = (values < usual.low - usual.room) | (values > usual.high + usual.room)
        beyond = _share(_sums(outside & here, starts), present)
        if np.any(beyond >= BEYOND):
            pieces = zip(np.split(values, starts[1:]), np.split(here, starts[1:]), strict=True)
            beyond = _beyond(usual.low, usual.high, usual.room, (part[mask] for part, mask in pieces))
        found["range"] = np.where(beyond >= BEYOND, beyond, np.nan)
    return found


def _beyond(low: float, high: float, room: float, pieces: Iterable[Floats]) -> Floats:
    """Return the share of each piece's values beyond the room about the range, which the pieces before have widened."""
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
    """Return the range with values from ``least`` to ``most``: at an end beyond which they go by less than the room."""
    return (min(low, least) if least >= low - room else low), (max(high, most) if most <= high + room else high)


def _present(values: Floats | Coded) -> Mask:
    if isinstance(values, Coded):
        return values.codes >= 0
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values) <= LARGEST)


def _sums(mask: Mask, starts: Places) -> Floats:
    return np.add.reduceat(mask, starts, dtype=np.float64)


def _share(some: Floats, n: Floats) -> Floats:
    """Return parts of a whole, NaN where that is too small."""
    return np.divide(some, n, out=np.full_like(n, np.nan), where=n >= FEWEST)


def _unknown_categories(usual: Usual, values: Coded) -> Mask:
    known = usual.known or frozenset()
    return np.array([*(name[:NAME_LENGTH] not in known for name in values.names), False])[values.codes]


def describe_anomaly(column: str, channel: Channel, share: float, usual: Usual, values: Floats | Coded) -> str:
    """Return in words what is odd in some values, of shape (n,)."""
    if channel == "missing":
        return f"{column}: {share:.0%} are missing, usually at most {usual.missing:.0%}"
    if isinstance(values, Coded):
        strange = Counter(values.codes[_unknown_categories(usual, values)].tolist())
        most = max(strange, key=lambda code: (strange[code], values.names[code]))
        words = f"are of categories that the days before hardly had, such as {values.names[most][:40]!r}"
        return f"{column}: {share:.0%} {words}"
    middle = float(np.median(values[_present(values)]))
    words = f"lie beyond {usual.low:.4g} to {usual.high:.4g}, what was usual in the days before"
    return f"{column}: {share:.0%} {words} (median now {middle:.4g})"
