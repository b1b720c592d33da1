"""Whether the newest rows of a version have a gross fault: missing values, unknown categories, a unit, a dead feed.

The last ROWS rows are judged, at most ROWS_OF_REQUEST of one request, so that they are of at least six requests. A
fault takes both halves of them to be beyond the limit that data quality has for its chunks, and the rows together to
prove it by an exact bound at level ALPHA: 42 of 66 values missing where none usually are (a quarter may be), 58 out of
range (half may be), 27 unknown categories (a tenth may be). Where over 45 % are missing usually, no count proves it.

For rows that are independent of each other, with an abnormal share exactly at the limit, looks every second over a year
are expected to raise less than 31.5 million x 1e-10 = 0.003 false alarms a column and kind of fault. Rows of one caller
are not independent: with several callers as a rule, a fault takes several as well.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from modelops_pipelines.core.alerting.exact_bounds import share_exceeds
from modelops_pipelines.core.drift.data_quality import BEYOND, CALLERS, CONSTANT, MOST_CONSTANT, UNKNOWN
from modelops_pipelines.core.drift.sudden.normal_values import Normal, digest_of
from modelops_pipelines.core.drift.usual_values import FEWEST, GAPS

ALPHA = 1e-10
ROWS = 2 * FEWEST
ROWS_OF_REQUEST = 11
Channel: TypeAlias = Literal["missing", "category", "range", "constant"]
Flags: TypeAlias = list[bool]


@dataclass(frozen=True)
class Row:
    """A captured row: who sent it, and its features by name, as JSON values."""

    caller: str
    features: Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """A gross fault of a feature: the share of its newest values that are abnormal, and the limit for it.

    ``middle`` is the median of the numbers, None for strings.
    """

    column: str
    channel: Channel
    share: float
    limit: float
    normal: Normal
    middle: float | None = None

    @property
    def words(self) -> str:
        """The fault in words, without a category: alerts are kept, and no erasure reaches them."""
        start = f"{self.column}: {self.share:.0%} of the newest values"
        if self.channel == "missing":
            return f"{start} are missing, usually {self.normal.missing:.0%}"
        if self.channel == "category":
            return f"{start} have unknown categories"
        if self.channel == "constant":
            return f"{start} are equal, usually at most {self.normal.constant:.0%}"
        where = "the training set" if self.normal.trained else "the days before"
        return f"{start} are far from those of {where} (median now {self.middle:.4g})"


def taken_rows(count: int) -> Sequence[int]:
    """Return which rows of a request are judged: evenly spread, at most ROWS_OF_REQUEST."""
    step = max(1, -(-count // ROWS_OF_REQUEST))
    return range(0, count, step)


def faults_of(rows: Sequence[Row], normals: Mapping[str, Normal]) -> list[Fault]:
    """Return the faults of the last ROWS rows, the largest share first; none with fewer rows."""
    if len(rows) < ROWS:
        return []
    newest = rows[-ROWS:]
    found = [fault for name, normal in normals.items() for fault in _column_faults(name, normal, newest)]
    return sorted(found, key=lambda fault: (-fault.share, fault.column))


def suspects(rows: Sequence[Row], normals: Mapping[str, Normal]) -> set[tuple[str, Channel]]:
    """Return the columns and channels whose share in the newest rows is beyond its limit, proven or not."""
    newest = rows[-ROWS:]
    return {
        (name, channel)
        for name, normal in normals.items()
        for channel, flags, limit in _flags(normal, [row.features.get(name) for row in newest])
        if flags and sum(flags) >= limit * len(flags)
    }


def _column_faults(name: str, normal: Normal, rows: Sequence[Row]) -> Iterable[Fault]:
    values = [row.features.get(name) for row in rows]
    half = len(values) // 2
    for channel, flags, limit in _flags(normal, values):
        if not share_exceeds(sum(flags), len(flags), limit, ALPHA):
            continue
        halves = (_of(normal, channel, part) for part in (values[:half], values[half:]))
        if all(len(part) * limit <= sum(part) and part for part in halves):
            yield Fault(name, channel, sum(flags) / len(flags), limit, normal, _median(normal, values))


def _of(normal: Normal, channel: Channel, values: Sequence[Any]) -> Flags:
    return next((flags for of, flags, _ in _flags(normal, values) if of == channel), [])


def _flags(normal: Normal, values: Sequence[Any]) -> Iterable[tuple[Channel, Flags, float]]:
    """Yield by channel whether each value is abnormal, and the limit; missing values are in the first channel only."""
    present = [value for value in values if not _is_missing(value)]
    yield "missing", [_is_missing(value) for value in values], normal.missing + GAPS
    if normal.kind == "categorical":
        if normal.known is not None:
            yield "category", [digest_of(_text(one)) not in normal.known for one in present], normal.rare + UNKNOWN
        return
    if normal.kind != "numeric":
        return
    numbers = [one for one in present if isinstance(one, int | float)]
    if normal.least is not None and normal.most is not None:
        least, most = normal.least, normal.most
        yield "range", [not least <= one <= most for one in numbers], BEYOND
    if normal.constant <= MOST_CONSTANT and numbers:
        [(common, _)] = Counter(numbers).most_common(1)
        yield "constant", [one == common for one in numbers], normal.constant + CONSTANT


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _median(normal: Normal, values: Sequence[Any]) -> float | None:
    if normal.kind != "numeric":
        return None
    numbers = sorted(float(one) for one in values if isinstance(one, int | float) and not _is_missing(one))
    return numbers[len(numbers) // 2] if numbers else None


def effective_callers(rows: Sequence[Row]) -> float:
    """Return the effective number of callers of the newest rows: (sum n)^2 / sum n^2, n rows each."""
    counts = Counter(row.caller for row in rows[-ROWS:]).values()
    return sum(counts) ** 2 / sum(n * n for n in counts) if counts else 0.0


def has_enough_callers(effective: float, earlier: Sequence[float]) -> bool:
    """Return whether the newest rows are of enough callers: of three, or of as few as most earlier ones were."""
    known = sorted([*earlier, effective])
    return effective >= min(CALLERS, known[3 * (len(known) - 1) // 4])
