"""Many profiles of one column as arrays, in which a month of windows is merged and judged.

A stack is equivalent to a list of ``Profile`` with the same bins; sums over its windows are sums of arrays.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.profile import ColumnBins, Floats, Profile, empty, first_names

Indices = npt.NDArray[np.intp] | Sequence[int]


@dataclass(frozen=True, eq=False)
class Stack:
    """Profiles of ``m`` windows of one column; row ``i`` of each array is the profile of window ``i``.

    ``counts`` and ``sums`` are of shape (m, k), ``sums`` of shape (m, 0) for categories. ``minimum`` and
    ``maximum`` are NaN where a window has no finite value.
    """

    bins: ColumnBins
    counts: Floats
    sums: Floats
    squares: Floats
    minimum: Floats
    maximum: Floats
    infinities: Floats
    nulls: Floats
    other: Floats
    new: tuple[Mapping[str, int], ...]

    def __len__(self) -> int:
        """Windows."""
        return len(self.counts)

    @classmethod
    def of(cls, bins: ColumnBins, profiles: Sequence[Profile]) -> Self:
        """Stack profiles; raises SchemaError when one has other bins."""
        for one in profiles:
            if one.bins is not bins and one.bins != bins:
                message = f"A profile of {one.bins.name!r} has bins {one.bins.fingerprint}, not {bins.fingerprint}"
                raise SchemaError(message, "Stack profiles of the same bins only")
        wide = bins.width if bins.kind == "numeric" else 0
        return cls(
            bins,
            counts=_matrix([one.counts for one in profiles], bins.width),
            sums=_matrix([one.sums for one in profiles], wide),
            squares=_vector([one.squares for one in profiles]),
            minimum=_vector([one.minimum for one in profiles]),
            maximum=_vector([one.maximum for one in profiles]),
            infinities=_vector([one.infinities for one in profiles]),
            nulls=_vector([one.nulls for one in profiles]),
            other=_vector([one.other for one in profiles]),
            new=tuple(one.new for one in profiles),
        )

    @property
    def present(self) -> Floats:
        """Values of each window that are neither null nor infinite, of shape (m,): texts, not their words."""
        total: Floats = self.other if self.bins.kind == "text" else self.counts.sum(axis=1) + self.other
        return total

    @property
    def missing(self) -> Floats:
        """Nulls and infinities of each window, of shape (m,)."""
        return self.nulls + self.infinities

    @property
    def n(self) -> Floats:
        """All values of each window, of shape (m,)."""
        return self.present + self.missing

    @property
    def out_of_range(self) -> Floats:
        """Finite values of each window outside the range that the bins were fitted on, of shape (m,)."""
        return self.counts[:, 0] + self.counts[:, -1] if self.bins.edges else np.zeros(len(self))

    def take(self, windows: Indices) -> Self:
        """Return the stack of some of the windows, in the order given."""
        chosen = np.asarray(windows, np.intp)
        arrays = {name: value[chosen] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return type(self)(**arrays, bins=self.bins, new=tuple(self.new[i] for i in chosen))

    def between(self, first: int, end: int) -> Self:
        """Return the stack of the windows from ``first`` up to, not including, ``end``, without a copy."""
        arrays = {name: value[first:end] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return type(self)(**arrays, bins=self.bins, new=self.new[first:end])

    def joined(self, other: Self) -> Self:
        """Return this stack's windows, then the other's; both have the same bins."""
        arrays = {n: np.concatenate([v, vars(other)[n]]) for n, v in vars(self).items() if isinstance(v, np.ndarray)}
        return type(self)(**arrays, bins=self.bins, new=(*self.new, *other.new))

    def merged(self, starts: Indices, stops: Indices) -> Self:
        """Return one window for each span: the windows ``starts[i]`` up to, not including, ``stops[i]`` merged.

        Spans may overlap; an empty span raises ValueError, because it has no minimum and maximum.
        """
        low, high = np.asarray(starts, np.intp), np.asarray(stops, np.intp)
        if (low >= high).any():
            message = "A span has no windows"
            raise ValueError(message)
        pairs = np.stack([low, high], axis=1).ravel()
        reducers = {"minimum": np.fmin, "maximum": np.fmax}
        arrays = {
            name: _spans(reducers.get(name, np.add), value, pairs)
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }
        names = tuple(_names(self.new[first:end]) for first, end in zip(low, high, strict=True))
        return type(self)(**arrays, bins=self.bins, new=names)

    def total(self) -> Profile:
        """Merge all windows into one profile; the same as ``merged``, to the last bit."""
        if not len(self):
            return empty(self.bins)
        one = self if len(self) == 1 else self.merged([0], [len(self)])
        return Profile(
            self.bins,
            counts=tuple(map(int, one.counts[0].tolist())),
            sums=tuple(one.sums[0].tolist()),
            squares=float(one.squares[0]),
            minimum=_finite(one.minimum[0]),
            maximum=_finite(one.maximum[0]),
            infinities=int(one.infinities[0]),
            nulls=int(one.nulls[0]),
            other=int(one.other[0]),
            new=one.new[0],
        )


def _names(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names: Counter[str] = Counter()
    for one in filter(None, parts):  # most hours have none
        names.update(one)
    return first_names(names) if names else {}


def _spans(reducer: np.ufunc, rows: Floats, pairs: npt.NDArray[np.intp]) -> Floats:
    """Reduce the rows within each pair of bounds; a row of zeros is added so that the last bound is valid."""
    if not pairs.size:
        return rows[:0]
    if pairs.max() == len(rows):
        rows = np.concatenate([rows, np.zeros_like(rows[:1])])
    reduced: Floats = reducer.reduceat(rows, pairs, axis=0)[::2]
    return reduced


def _matrix(rows: Sequence[Sequence[float]], width: int) -> Floats:
    return np.asarray(rows, np.float64).reshape(len(rows), width)


def _vector(values: Sequence[Any]) -> Floats:
    return np.asarray([np.nan if value is None else value for value in values], np.float64)


def _finite(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
