"""Mergeable summaries of a column: the frame it is counted in, the profile, and how profiles add up.

Nothing here compares two profiles; ``core/drift.py`` does. Nothing here reads a table or a clock.

A bin is half open to the left, ``edges[i-1] < x <= edges[i]``, so that ``(just below v, v]`` holds the value
v and no other. Bin 0 lies below the reference's minimum and the last bin above its maximum.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import add
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from modelops_pipelines.core.errors import SchemaError

Kind: TypeAlias = Literal["numeric", "categorical"]
Floats: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = npt.NDArray[Any] | Sequence[float | None] | Sequence[str | None]

DECILES = 10
CATEGORY_LIMIT = 200
"""Categories that bins list by name."""
NEW_LIMIT = 50
"""Categories outside that list which a profile counts by name."""
NAME_LENGTH = 200
"""Characters of a category's name that are kept, so that free text cannot swell a profile."""
LARGEST = 1e140
"""Magnitudes beyond this count as infinite: sums of their squares would overflow."""


@dataclass(frozen=True)
class ColumnBins:
    """The fixed frame in which a column is summarised, fitted once on the reference.

    ``edges``, ``deciles`` and ``centre`` (the median) are in the column's own unit. ``edges`` rise strictly
    from just below the reference's minimum to its maximum and include ``deciles``: the cuts of the population
    stability index, which are the nine deciles without repetition and, where a decile repeats, the float just
    below it, so that a move off a constant to either side is seen. ``edges`` is empty when the reference had
    no finite value, and ``categories`` (most frequent first) when the column is numeric.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    centre: float
    deciles: tuple[float, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that differ between frames whose profiles may not be merged."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON types; every float is finite and survives ``json`` exactly."""
        return {
            "name": self.name,
            "kind": self.kind,
            "edges": list(self.edges),
            "categories": list(self.categories),
            "centre": self.centre,
            "deciles": list(self.deciles),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Undo ``to_dict``."""
        tuples = {key: tuple(data[key]) for key in ("edges", "categories", "deciles")}
        return cls(**dict(data) | tuples)


@dataclass(frozen=True)
class Profile:
    """Additive summary of a column's values; fields of the other kind keep their defaults.

    Numeric: ``counts`` and ``sums`` have ``len(bins.edges) + 1`` entries. ``sums`` are of ``x - bins.centre``
    a bin and ``squares`` is the sum of ``(x - bins.centre)**2``: centring keeps digits under a large offset.
    ``minimum`` and ``maximum`` are of the finite values, None when there is none.

    Categorical: ``counts`` has one entry a category of the bins. ``other`` counts all values outside that
    list (unseen by the reference, or beyond its ``CATEGORY_LIMIT`` most frequent), and ``new`` counts the
    alphabetically first ``NEW_LIMIT`` of those by name. First by name, not most frequent: a name that
    survives a merge survived in each part, so its count is exact and merging stays associative.
    """

    bins: ColumnBins
    counts: tuple[int, ...]
    sums: tuple[float, ...] = ()
    squares: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    infinities: int = 0
    nulls: int = 0
    other: int = 0
    new: Mapping[str, int] = field(default_factory=dict)

    @property
    def present(self) -> int:
        """Values that are neither null nor infinite."""
        return sum(self.counts) + self.other

    @property
    def missing(self) -> int:
        """Values that no statistic of the distribution can see: nulls and infinities."""
        return self.nulls + self.infinities

    @property
    def n(self) -> int:
        """All values, missing ones too."""
        return self.present + self.missing

    @property
    def out_of_range(self) -> int:
        """Finite values outside the minimum..maximum of the values that the bins were fitted on."""
        return self.counts[0] + self.counts[-1] if self.bins.edges else 0

    @property
    def mean(self) -> float | None:
        """Mean of a numeric column's finite values; None when there is none."""
        return self.bins.centre + math.fsum(self.sums) / self.present if self.present and self.sums else None

    @property
    def std(self) -> float | None:
        """Population standard deviation (ddof 0) of the finite values; None when there is none."""
        if not (self.present and self.sums):
            return None
        offset = math.fsum(self.sums) / self.present
        return math.sqrt(max(0.0, self.squares / self.present - offset * offset))

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON types, with the bins' fingerprint in place of the bins."""
        lists = {"counts": list(self.counts), "sums": list(self.sums), "new": dict(self.new)}
        return vars(self) | lists | {"bins": self.bins.fingerprint}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], bins: ColumnBins) -> Self:
        """Undo ``to_dict``; raises SchemaError when the profile was counted in other bins."""
        if data["bins"] != bins.fingerprint:
            message = f"A profile has bins {data['bins']}, column {bins.name!r} has {bins.fingerprint}"
            raise SchemaError(message, "Load it with the bins that it was built with, or rebuild it")
        own = {"bins": bins, "counts": tuple(data["counts"]), "sums": tuple(data["sums"])}
        return cls(**dict(data) | own)


def fit_bins(name: str, values: Values, kind: Kind, bins: int = 256) -> ColumnBins:
    """Fit the frame of a column on its reference values, of shape (n,) and in any order.

    Numeric: at most ``max(bins, 13)`` bins between quantiles (linear interpolation, numpy's default), the
    deciles among them. A value that spans two quantiles, and every value of a column with few distinct ones,
    is a bin of its own. Nulls and infinities are ignored. Categorical: the ``CATEGORY_LIMIT`` most frequent
    categories, ties by name. Raises SchemaError when the values are not of the kind.
    """
    if kind == "categorical":
        tally, _ = _tally(values, name)
        ranked = sorted(tally, key=lambda category: (-tally[category], category))
        return ColumnBins(name, kind, (), tuple(ranked[:CATEGORY_LIMIT]), 0.0)
    finite = _usable(_floats(values, name))
    if not finite.size:
        return ColumnBins(name, kind, (), (), 0.0)
    edges, deciles = _quantile_edges(finite, bins)
    centre = float(np.median(finite))
    return ColumnBins(name, kind, tuple(edges.tolist()), (), centre, tuple(deciles.tolist()))


def empty(bins: ColumnBins) -> Profile:
    """Summarise no values: the identity of ``merge``."""
    if bins.kind == "categorical":
        return Profile(bins, (0,) * len(bins.categories))
    size = len(bins.edges) + 1
    return Profile(bins, (0,) * size, (0.0,) * size)


def profile(values: Values, bins: ColumnBins) -> Profile:
    """Summarise values of shape (n,); the order of rows changes nothing, to the last bit.

    Numeric: numbers, with NaN (or None) for a null. Categorical: str, with None (or NaN) for a null. Raises
    SchemaError when the values are not of the bins' kind.
    """
    if bins.kind == "categorical":
        return _profile_categorical(values, bins)
    return _profile_numeric(_floats(values, bins.name), bins)


def merge(a: Profile, b: Profile) -> Profile:
    """Summarise the rows of both; raises SchemaError when their bins differ.

    Commutative exactly. Associative exactly in every count, minimum, maximum and category; ``sums`` and
    ``squares`` are floats, whose last bits depend on the grouping (about 1e-16 of the largest partial sum).
    """
    require_same_bins(a, b)
    return Profile(
        a.bins,
        counts=tuple(map(add, a.counts, b.counts)),
        sums=tuple(map(add, a.sums, b.sums)),
        squares=a.squares + b.squares,
        minimum=min((p.minimum for p in (a, b) if p.minimum is not None), default=None),
        maximum=max((p.maximum for p in (a, b) if p.maximum is not None), default=None),
        infinities=a.infinities + b.infinities,
        nulls=a.nulls + b.nulls,
        other=a.other + b.other,
        new=_first_names(Counter(a.new) + Counter(b.new)) if a.new or b.new else {},
    )


def require_same_bins(a: Profile, b: Profile) -> None:
    """Raise SchemaError when the two were counted in different frames."""
    if a.bins is b.bins or a.bins == b.bins:
        return
    left, right = (f"{p.bins.name!r} ({p.bins.kind}, {p.bins.fingerprint})" for p in (a, b))
    message = f"Profiles of {left} and {right} have different bins"
    raise SchemaError(message, "Rebuild one of them with the other's bins")


def _quantile_edges(finite: Floats, bins: int) -> tuple[Floats, Floats]:
    """All edges, and the cuts of the stability index among them, of finite values of shape (n > 0,)."""
    distinct = np.unique(finite)
    steps = max(DECILES, (bins - 3) // DECILES * DECILES)
    grid = np.quantile(finite, np.arange(steps + 1) / steps)
    deciles = grid[steps // DECILES : steps : steps // DECILES]
    cuts = np.unique(np.concatenate([deciles, _below(_repeated(deciles))]))
    if 2 * distinct.size + DECILES <= bins:
        return np.unique(np.concatenate([distinct, _below(distinct), cuts])), cuts
    return np.unique(np.concatenate([grid, _below(_repeated(grid)), _below(distinct[:1])])), cuts


def _repeated(ordered: Floats) -> Floats:
    return np.extract(ordered[1:] == ordered[:-1], ordered[1:])


def _below(values: Floats) -> Floats:
    return np.asarray(np.nextafter(values, -np.inf), np.float64)


def _floats(values: Values, name: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"Column {name!r} is not numeric: {error}"
        raise SchemaError(message, "Declare it categorical, or convert it to float") from error


def _usable(values: Floats) -> Floats:
    return np.extract(np.abs(values) <= LARGEST, values)


def _profile_numeric(values: Floats, bins: ColumnBins) -> Profile:
    """Sort once, then find the edges in the values: one cost for any number of bins."""
    ordered = np.sort(_usable(values))
    starts = np.append(0, np.searchsorted(ordered, np.asarray(bins.edges), side="right"))
    counts = np.diff(starts, append=ordered.size)
    centred = ordered - bins.centre
    sums = np.zeros(counts.size)
    if ordered.size:
        sums[counts > 0] = np.add.reduceat(centred, starts[counts > 0])
    nulls = int(np.isnan(values).sum())
    return Profile(
        bins,
        counts=tuple(counts.tolist()),
        sums=tuple(sums.tolist()),
        squares=float(np.einsum("i,i->", centred, centred)),  # not `@`: threaded BLAS spins on long vectors
        minimum=float(ordered[0]) if ordered.size else None,
        maximum=float(ordered[-1]) if ordered.size else None,
        infinities=values.size - ordered.size - nulls,
        nulls=nulls,
    )


def _profile_categorical(values: Values, bins: ColumnBins) -> Profile:
    tally, nulls = _tally(values, bins.name)
    counts = tuple(tally.pop(category, 0) for category in bins.categories)
    return Profile(bins, counts, other=sum(tally.values()), new=_first_names(tally), nulls=nulls)


def _tally(values: Values, name: str) -> tuple[Counter[str], int]:
    """Count a category each, and nulls; looks at distinct values only."""
    raw: Counter[object] = Counter(values.tolist() if isinstance(values, np.ndarray) else values)
    tally: Counter[str] = Counter()
    nulls = 0
    for value, count in raw.items():
        if value is None or (isinstance(value, float) and math.isnan(value)):
            nulls += count
        elif isinstance(value, str | int | float | np.generic):
            tally[str(value)[:NAME_LENGTH]] += count
        else:  # such as pandas.NA, whose text would become a category
            message = f"Column {name!r} holds {value!r}, neither text nor null"
            raise SchemaError(message, "Convert its values to str or None")
    return tally, nulls


def _first_names(tally: Mapping[str, int]) -> dict[str, int]:
    return {name: tally[name] for name in sorted(tally)[:NEW_LIMIT]}
