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
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.drift.usual_values import EDGE, FEWEST, GAPS, Usual
from modelops_pipelines.core.profiles.categorical import NAME_LENGTH, Coded
from modelops_pipelines.core.profiles.profile import LARGEST, Floats
from modelops_pipelines.core.profiles.quantiles import Places

Channel: TypeAlias = Literal["range", "category", "missing", "constant"]
Mask: TypeAlias = npt.NDArray[np.bool_]

PIECE = 66
"""Rows of a chunk: a third of 200, the number of rows after which a fault must be reported."""
BEYOND = 0.5
"""Share of values outside the range (margin included) that is anomalous."""
UNKNOWN = 0.1
"""Excess over the usual share of unknown categories that is anomalous."""
CONSTANT = 0.5
"""Excess over the usual share of the most frequent value that is anomalous; all values equal are so in any case unless
that share is usually above"""
MOST_CONSTANT = 0.8
CALLERS = 3.0
"""Callers that two anomalous chunks in a row need to be a fault, as an effective number; fewer where most chunks have
fewer: one large order is no fault of a shop, and one batch may be one of an endpoint that is sent batches."""


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
        outside = (values < usual.least) | (values > usual.most)
        beyond = _share(_sums(outside & here, starts), present)
        if np.any(beyond >= BEYOND):
            pieces = zip(np.split(values, starts[1:]), np.split(here, starts[1:]), strict=True)
            beyond = _beyond(usual, (part[mask] for part, mask in pieces))
        found["range"] = np.where(beyond >= BEYOND, beyond, np.nan)
        if usual.constant <= MOST_CONSTANT:
            equal = _share(_most_frequent(values, here, starts), present)
            found["constant"] = np.where(equal >= min(1.0, usual.constant + CONSTANT), equal, np.nan)
    return found


def _beyond(usual: Usual, pieces: Iterable[Floats]) -> Floats:
    """Return the share of each chunk's values outside range and margin; earlier chunks widen the range."""
    found: list[float] = []
    for values in map(np.sort, pieces):
        if values.size < FEWEST:
            found.append(np.nan)
            continue
        inside = values.searchsorted(usual.most, "right") - values.searchsorted(usual.least)
        found.append(1 - inside / values.size)
        edge = int(min(EDGE * values.size, FEWEST))
        usual = usual.widened_to(float(values[edge]), float(values[-1 - edge]))
    return np.array(found)


def _most_frequent(values: Floats, here: Mask, starts: Places) -> Floats:
    """Return how often the most frequent value of each chunk is in it."""
    parts = zip(np.split(values, starts[1:]), np.split(here, starts[1:]), strict=True)
    return np.array([float(np.unique(part[mask], return_counts=True)[1].max(initial=0)) for part, mask in parts])


def effective_callers(callers: npt.NDArray[np.int64], starts: Places) -> Floats:
    """Return the effective number of callers of each chunk with the one before: (sum n)^2 / sum n^2, n rows each.

    ``callers`` are numbers, of shape (n,); the first chunk counts alone.
    """
    ends = np.append(starts[1:], len(callers))
    found = []
    for first, end in zip([starts[0], *starts[:-1]], ends, strict=True):
        rows = np.unique(callers[first:end], return_counts=True)[1].astype(np.float64)
        found.append(float(rows.sum() ** 2 / np.einsum("i,i->", rows, rows)) if rows.size else 0.0)
    return np.array(found)


def enough_callers(effective: Floats) -> Mask:
    """Return whether each chunk, with the one before, is of enough callers to be a fault."""
    usual = float(np.quantile(effective, 0.75)) if effective.size else 0.0
    return np.asarray(effective >= min(CALLERS, usual))


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
    """Describe the anomaly of some values, of shape (n,)."""
    if channel == "missing":
        return f"{column}: {share:.0%} of the values are missing, usually at most {usual.missing:.0%}"
    if isinstance(values, Coded):
        unknown = Counter(values.codes[_unknown_categories(usual, values)].tolist())
        most = max(unknown, key=lambda code: (unknown[code], values.names[code]))
        words = f"of the values have unknown categories, such as {values.names[most][:40]!r}"
        return f"{column}: {share:.0%} {words}"
    if channel == "constant":
        words = f"of the values are equal, usually at most {usual.constant:.0%}"
        return f"{column}: {share:.0%} {words}"
    middle = float(np.median(values[_present(values)]))
    words = f"of the values are outside {usual.low:.4g} to {usual.high:.4g}, the usual range of the days before"
    return f"{column}: {share:.0%} {words} (median now {middle:.4g})"
