"""Counts rows into hourly profiles, batch by batch: for the log, and for a training set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.profiles.accumulator import ProfileAccumulator
from modelops_pipelines.core.profiles.categorical import Coded
from modelops_pipelines.core.profiles.profile import ColumnBins, Floats, Kind
from modelops_pipelines.core.profiles.quantiles import Places
from modelops_pipelines.store.lake.rows.profiles import HOUR_US, Hours, hours_to_rows

Times: TypeAlias = npt.NDArray[np.int64]
"""Microseconds since 1970 UTC."""


class HourlyCounts:
    """Profiles of some columns by hour, all empty at first; ``hours`` are since 1970 UTC, ascending, of shape (m,)."""

    def __init__(self, hours: Sequence[int], bins: Mapping[str, ColumnBins]) -> None:
        """Memory is used only by the hours that rows are added to."""
        self._at = np.asarray(hours, np.int64)
        self._seen = np.zeros(self._at.size, np.bool_)
        self._columns = {name: ProfileAccumulator(known, self._at.size) for name, known in bins.items()}

    @property
    def names(self) -> list[str]:
        """The columns that are counted."""
        return list(self._columns)

    def select(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows of these hours, in order of their ``event_time``; without a copy where all rows are."""
        times = times_of(rows)
        if np.any(times[1:] < times[:-1]):
            order = np.argsort(times, kind="stable")
            rows, times = rows.take(pa.array(order)), times[order]
        starts, ends = self._spans(times)
        if (ends - starts).sum() == len(times):
            return rows
        inside = np.zeros(len(times), np.bool_)
        for start, end in zip(starts, ends, strict=True):
            inside[start:end] = True
        return rows.filter(pa.array(inside))

    def add(self, rows: pa.RecordBatch, names: Iterable[str]) -> None:
        """Count these columns of rows that ``select`` returned."""
        starts, ends = self._spans(times_of(rows))
        windows = np.flatnonzero(starts < ends)
        self._seen[windows] = True
        bounds = [*starts[windows].tolist(), len(rows)]
        for name in names:
            grown = self._columns[name]
            grown.add(windows, bounds, row_values(rows.column(name), grown.bins.kind))

    def rows(self, version: str) -> list[pa.Table]:
        """Return the hours that rows were added to as rows of ``profiles``, one table per column."""
        places = np.flatnonzero(self._seen)
        at = self._at[places]
        return [hours_to_rows(version, Hours(at, grown.stack(places))) for grown in self._columns.values()]

    def _spans(self, times: Times) -> tuple[Places, Places]:
        """Return where each hour starts and ends in ascending times."""
        return times.searchsorted(self._at * HOUR_US), times.searchsorted((self._at + 1) * HOUR_US)


def times_of(rows: pa.RecordBatch) -> Times:
    """Return each row's ``event_time``, of which none is null."""
    return np.asarray(rows.column("event_time").cast(pa.int64()).to_numpy(), np.int64)


def row_values(column: pa.Array, kind: Kind) -> Floats | Coded:
    """Return a column row by row: floats with NaN for null where both it and its profiles are numbers, or strings."""
    numbers = as_numbers(column) if kind == "numeric" else None
    if numbers is not None:
        return numbers
    coded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    codes = coded.indices if coded.null_count == 0 else pc.fill_null(coded.indices, -1)
    return Coded(codes.to_numpy().astype(np.intp), tuple(coded.dictionary.to_pylist()))


def as_numbers(column: pa.Array | pa.ChunkedArray) -> Floats | None:
    """Return integers, floats, or times in seconds since 1970 UTC, with NaN for null; None where it holds neither.

    A whole number that a float cannot hold is the nearest float.
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        seconds = pc.divide(column.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6)
        return np.asarray(seconds.to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    return None
