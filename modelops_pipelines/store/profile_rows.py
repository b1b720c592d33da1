"""Profiles as rows of a table, and back: hours of one column side by side in one stack.

The bins are not in a row; whoever reads knows them (``references.py``). Rows that an older release wrote hold no
counts and are passed over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.profiles import ColumnBins, Profile
from modelops_pipelines.core.stacks import Stack
from modelops_pipelines.core.tables import PROFILES
from modelops_pipelines.store.arrow import arrow_schema

HOUR_US = 3_600_000_000
_NUMBERS = ("n", "nulls", "infinities", "squares", "minimum", "maximum", "other")
_LISTS = ("counts", "sums")


@dataclass(frozen=True)
class HourlyProfile:
    """One row: a column's profile of one hour (hours since 1970 UTC) as one version saw it."""

    hour: int
    version: str
    profile: Profile


@dataclass(frozen=True, eq=False)
class Hours:
    """A column's profiles hour by hour: ``at`` (hours since 1970 UTC, rising) of shape (m,), and their stack."""

    at: npt.NDArray[np.int64]
    stack: Stack

    @cached_property
    def bins(self) -> ColumnBins:
        """The bins that all were counted on."""
        return self.stack.bins

    def none(self) -> "Hours":
        """Return no hours of the same column."""
        return Hours(self.at[:0], self.stack.take([]))

    def within(self, first: int, end: int) -> "Hours":
        """Return the hours from ``first`` up to, not including, ``end``."""
        start, stop = np.searchsorted(self.at, [first, end])
        return Hours(self.at[start:stop], self.stack.take(np.arange(start, stop)))

    def between(self, first: int, end: int) -> Stack:
        """Return the stack of the hours from ``first`` up to, not including, ``end``."""
        return self.within(first, end).stack

    def after(self, earlier: "Hours | None") -> "Hours":
        """Return both in order of time; of an hour that both have, this one's profile."""
        if earlier is None:
            return self
        kept = np.flatnonzero(~np.isin(earlier.at, self.at))
        at = np.concatenate([earlier.at[kept], self.at])
        order = np.argsort(at, kind="stable")
        return Hours(at[order], earlier.stack.take(kept).joined(self.stack).take(order))

    def total(self, first: int, end: int) -> Profile:
        """Return the hours from ``first`` up to ``end`` as one profile."""
        return self.between(first, end).total()


def to_rows(profiles: Sequence[HourlyProfile]) -> pa.Table:
    """Return the profiles as rows of ``PROFILES``, in the order given."""
    found = [one.profile for one in profiles]
    starts = pa.array([one.hour * HOUR_US for one in profiles], pa.int64()).cast(pa.timestamp("us", "UTC"))
    columns: dict[str, Any] = {
        "window_start": starts,
        "model_version": [one.version for one in profiles],
        "column": [one.bins.name for one in found],
        "kind": [one.bins.kind for one in found],
        "bins_id": [one.bins.fingerprint for one in found],
        "new": [orjson.dumps(dict(one.new)).decode() for one in found],
        "date": starts.cast(pa.date32()),
    }
    columns |= {name: [getattr(one, name) for one in found] for name in (*_NUMBERS, *_LISTS)}
    schema = arrow_schema(PROFILES)
    arrays = [pa.array(values, field.type) for field in schema for values in [columns[field.name]]]
    return pa.Table.from_arrays(arrays, schema=schema)


def from_rows(rows: pa.Table, bins: Mapping[str, ColumnBins]) -> dict[str, Hours]:
    """Return one version's rows by column, in order of time; rows counted on other bins are passed over."""
    ordered = rows.sort_by([("column", "ascending"), ("window_start", "ascending")]).combine_chunks()
    names = ordered.column("column").to_numpy(zero_copy_only=False)
    changes = (np.flatnonzero(names[1:] != names[:-1]) + 1).tolist()
    found: dict[str, Hours] = {}
    for start, end in pairwise([0, *changes, len(names)] if len(names) else []):
        known = bins.get(names[start])
        mine = None if known is None else _countable(ordered.slice(start, end - start), known)
        if known is not None and mine is not None:
            found[known.name] = Hours(_hours(mine), _stack(mine, known))
    return found


def _countable(rows: pa.Table, bins: ColumnBins) -> pa.Table | None:
    """Return the rows that were counted on these bins; None without any."""
    fits = pc.and_(pc.equal(rows.column("bins_id"), bins.fingerprint), pc.is_valid(rows.column("counts")))
    chosen = rows if pc.all(fits).as_py() else rows.filter(fits)
    return chosen if len(chosen) else None


def hour_of(moment: datetime) -> int:
    """Return whole hours since 1970 UTC."""
    return int(moment.timestamp() // 3600)


def _hours(rows: pa.Table) -> npt.NDArray[np.int64]:
    micros = rows.column("window_start").cast(pa.int64()).to_numpy()
    return np.asarray(micros // HOUR_US, np.int64)


def _stack(rows: pa.Table, bins: ColumnBins) -> Stack:
    def vector(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)

    numbers = {name: vector(name) for name in _NUMBERS if name != "n"}
    lists = {name: _matrix(rows.column(name), len(rows)) for name in _LISTS}
    names: Iterable[str] = rows.column("new").to_pylist()
    return Stack(bins=bins, new=tuple(orjson.loads(text) for text in names), **numbers, **lists)


def _matrix(column: pa.ChunkedArray, rows: int) -> npt.NDArray[np.float64]:
    flat = pa.chunked_array(column).combine_chunks().flatten()
    return np.asarray(flat.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64).reshape(rows, -1)
