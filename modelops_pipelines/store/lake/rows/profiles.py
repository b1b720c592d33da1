"""Conversion of profiles to rows of a table and back: the hours of one column are one stack.

The rows do not contain the bins: these come from ``drift_references.py``. Rows of older releases have no counts and are
skipped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from modelops_pipelines.core.drift.seasonal_reference import DAY
from modelops_pipelines.core.profiles.profile import ColumnBins, Floats, Profile
from modelops_pipelines.core.profiles.profile_stack import Stack
from modelops_pipelines.core.tables.lake import PROFILES
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema

HOUR_US = 3_600_000_000
_NUMBERS = ("n", "nulls", "infinities", "squares", "minimum", "maximum", "other")
_LISTS = ("counts", "sums")
READ_COLUMNS = (
    "window_start",
    "model_version",
    "column",
    "bins_id",
    "new",
    *(name for name in _NUMBERS if name != "n"),
    *_LISTS,
)
"""The columns that ``from_rows`` reads."""
Places: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Hours:
    """A column's profiles by hour: ``at`` (hours since 1970 UTC, ascending) of shape (m,), and their stack.

    Daily profiles (``by_day``) use the same form, with ``at`` the first hour of each day.
    """

    at: npt.NDArray[np.int64]
    stack: Stack

    @cached_property
    def bins(self) -> ColumnBins:
        """The bins of all profiles."""
        return self.stack.bins

    def none(self) -> "Hours":
        """Return no hours of the same column."""
        return Hours(self.at[:0], self.stack.take([]))

    def within(self, first: int, end: int) -> "Hours":
        """Return the hours from ``first`` up to, not including, ``end``."""
        start, stop = np.searchsorted(self.at, [first, end]).tolist()
        return Hours(self.at[start:stop], self.stack.between(start, stop))

    def between(self, first: int, end: int) -> Stack:
        """Return the stack of the hours from ``first`` up to, not including, ``end``."""
        return self.within(first, end).stack

    def after(self, earlier: "Hours | None") -> "Hours":
        """Return both in order of time; for hours in both, the profile of this one."""
        if earlier is None:
            return self
        kept = np.flatnonzero(~np.isin(earlier.at, self.at))
        at = np.concatenate([earlier.at[kept], self.at])
        order = np.argsort(at, kind="stable")
        return Hours(at[order], earlier.stack.take(kept).joined(self.stack).take(order))

    def by_day(self) -> "Hours":
        """Return each day's sum, at its first hour."""
        days, firsts = np.unique(self.at // DAY, return_index=True)
        return Hours(days * DAY, self.stack.merged(firsts, np.append(firsts[1:], len(self.at))))

    def total(self, first: int, end: int) -> Profile:
        """Return the hours from ``first`` up to ``end`` as one profile."""
        return self.between(first, end).total()


def joined_rows(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the concatenated rows of ``PROFILES``; an empty table for no tables."""
    return pa.concat_tables([arrow_schema(PROFILES).empty_table(), *tables])


def hours_to_rows(version: str, hours: Hours) -> pa.Table:
    """Return a column's hours as rows of ``PROFILES``, in order of time."""
    stack, size = hours.stack, len(hours.at)
    starts = pa.array(hours.at * HOUR_US).cast(pa.timestamp("us", "UTC"))
    same = {"model_version": version, "column": stack.bins.name, "kind": stack.bins.kind}
    columns: dict[str, Any] = {name: pa.repeat(value, size) for name, value in same.items()}
    columns |= {"window_start": starts, "date": starts.cast(pa.date32())}
    columns |= {"bins_id": pa.repeat(stack.bins.fingerprint, size)}
    columns |= {"new": pa.array([orjson.dumps(dict(names)).decode() for names in stack.new], pa.string())}
    columns |= {name: pa.array(getattr(stack, name), from_pandas=True) for name in _NUMBERS}  # NaN is null
    columns |= {name: _as_lists(getattr(stack, name)) for name in _LISTS}
    schema = arrow_schema(PROFILES)
    return pa.Table.from_arrays([columns[field.name].cast(field.type) for field in schema], schema=schema)


def _as_lists(rows: Floats) -> pa.Array:
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(offsets, rows.ravel())


def from_rows(rows: pa.Table, bins: Mapping[str, ColumnBins]) -> dict[str, Hours]:
    """Return one version's rows by column, in order of time; rows with other bins are skipped."""
    if not len(rows):
        return {}
    read = _Read(rows)
    found = {name: read.hours(places, bins[name]) for name, places in read.columns() if name in bins}
    return {name: hours for name, hours in found.items() if len(hours.at)}


class _Read:
    """Rows as arrays: a month of a column is selected without creating an object per row."""

    def __init__(self, rows: pa.Table) -> None:
        self._at = np.asarray(rows.column("window_start").cast(pa.int64()).to_numpy() // HOUR_US, np.int64)
        self._texts = {name: _coded(rows.column(name)) for name in ("column", "bins_id", "new")}
        self._lists = {name: _Lists(rows.column(name)) for name in _LISTS}
        self._numbers = {name: _floats(rows.column(name)) for name in _NUMBERS if name != "n"}

    def columns(self) -> Iterator[tuple[str, Places]]:
        """Yield the columns by name, with the indices of their rows in order of time."""
        codes, names = self._texts["column"]
        order = np.lexsort((self._at, codes))
        bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
        yield from sorted(zip(names, np.split(order, bounds[1:-1]), strict=True))

    def hours(self, places: Places, bins: ColumnBins) -> Hours:
        """Return a column's rows that have these bins."""
        codes, ids = self._texts["bins_id"]
        same = np.array([known == bins.fingerprint for known in ids])[codes[places]]
        widths = {"counts": bins.width, "sums": bins.width if bins.kind == "numeric" else 0}
        fits = np.logical_and.reduce([same, *(self._lists[name].fit(places, width) for name, width in widths.items())])
        kept = places[fits]
        lists = {name: self._lists[name].matrix(kept, width) for name, width in widths.items()}
        numbers = {name: values[kept] for name, values in self._numbers.items()}
        return Hours(self._at[kept], Stack(bins=bins, new=self._new(kept), **numbers, **lists))

    def _new(self, places: Places) -> tuple[Mapping[str, int], ...]:
        codes, texts = self._texts["new"]
        parsed = [orjson.loads(text or "{}") for text in texts]
        return tuple(parsed[code] for code in codes[places].tolist())


class _Lists:
    """A column of lists: the values of each chunk of rows, and the start of each row's values in its chunk."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        chunks = column.chunks
        offsets = [chunk.offsets.to_numpy() for chunk in chunks]
        self._values = [chunk.values.to_numpy(zero_copy_only=False) for chunk in chunks]
        self._chunk = np.repeat(np.arange(len(chunks)), [len(chunk) for chunk in chunks])
        self._starts = np.concatenate([of[:-1] for of in offsets])
        self._widths = np.concatenate([np.diff(of) for of in offsets])
        self._known = column.is_valid().to_numpy()

    def fit(self, places: Places, width: int) -> npt.NDArray[np.bool_]:
        """Return which rows are not null and have ``width`` values."""
        return np.asarray(self._known[places] & (self._widths[places] == width))

    def matrix(self, places: Places, width: int) -> Floats:
        """Return the rows, of ``width`` values each, as a matrix; contiguous rows are copied together."""
        chunk, starts = self._chunk[places], self._starts[places]
        apart = (np.diff(starts) != width) | (np.diff(chunk) != 0)
        runs = pairwise([0, *(np.flatnonzero(apart) + 1).tolist(), len(places)])
        pieces = [self._values[chunk[a]][starts[a] : starts[a] + (b - a) * width] for a, b in runs if b > a]
        return np.concatenate([np.zeros(0), *pieces]).reshape(len(places), width)


def _coded(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return the code of each row's string, and the strings; null, of a release without the column, is empty."""
    if column.null_count:
        column = column.cast(pa.string()).fill_null("")
    known = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = pa.concat_arrays(known.unify_dictionaries().chunks)
    return whole.indices.to_numpy(), whole.dictionary.to_pylist()


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def hour_of(moment: datetime) -> int:
    """Return whole hours since 1970 UTC."""
    return int(moment.timestamp() // 3600)


def moment_of(hour: int) -> datetime:
    """Return the start of an hour, given as hours since 1970 UTC."""
    return datetime.fromtimestamp(hour * 3600, UTC)


def date_of(day: int) -> date:
    """Return a date, given as days since 1970."""
    return date(1970, 1, 1) + timedelta(days=day)
