"""Mergeable summaries of a column: the bins, the profile, and how profiles are merged.

Comparison of profiles: ``core/drift/fixed_thresholds.py``. No I/O and no clock here.

A bin is half open to the left, ``edges[i-1] < x <= edges[i]``, so that ``(just below v, v]`` contains only the value
v. Bin 0 is below the reference's minimum and the last bin above its maximum.
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
from modelops_pipelines.core.profiles.categorical import TEXT_BUCKETS, tally, word_buckets
from modelops_pipelines.core.profiles.quantiles import Ordered, median, quantile_edges

Kind: TypeAlias = Literal["numeric", "categorical", "text"]
Floats: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = npt.NDArray[Any] | Sequence[float | None] | Sequence[str | None] | Mapping[str | None, int]

CATEGORY_LIMIT = 200
"""Categories that bins list by name."""
NEW_LIMIT = 50
"""Categories outside the bins that a profile counts by name."""
LARGEST = 1e140
"""Magnitudes beyond this count as infinite: sums of their squares would overflow."""


@dataclass(frozen=True)
class ColumnBins:
    """The fixed bins of a column, fitted once on the reference.

    ``edges``, ``deciles`` and ``centre`` (the median) are in the column's own unit. ``edges`` rise strictly
    from just below the reference's minimum to its maximum and include ``deciles``: the cuts of the population
    stability index, which are the nine deciles without repetition and, if a decile repeats, the float just below
    it, so that a change from a constant in either direction is detected. ``edges`` is empty when the reference had
    no finite value, and ``categories`` (most frequent first) unless the column is categorical. Text needs
    neither: its bins are the same ``TEXT_BUCKETS`` for every column.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    centre: float
    deciles: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Length of ``counts`` in a profile with these bins."""
        return {"numeric": len(self.edges) + 1, "categorical": len(self.categories), "text": TEXT_BUCKETS}[self.kind]

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits; profiles may be merged only if theirs are equal."""
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
        """Read what ``to_dict`` returned."""
        tuples = {key: tuple(data[key]) for key in ("edges", "categories", "deciles")}
        return cls(**dict(data) | tuples)


@dataclass(frozen=True)
class Profile:
    """Additive summary of a column's values; fields of the other kind keep their defaults.

    Numeric: ``counts`` and ``sums`` have ``len(bins.edges) + 1`` entries. ``sums`` are of ``x - bins.centre``
    per bin and ``squares`` is the sum of ``(x - bins.centre)**2``: centring keeps precision under a large offset.
    ``minimum`` and ``maximum`` are of the finite values, None when there is none.

    Categorical: ``counts`` has one entry per category of the bins. ``other`` counts all values outside that
    list (absent from the reference, or beyond its ``CATEGORY_LIMIT`` most frequent), and ``new`` counts the
    alphabetically first ``NEW_LIMIT`` of those by name. First by name, not most frequent: a name that
    remains after a merge was kept in each part, so its count is exact and merging is associative.

    Text: ``counts`` are of words, by hashed bucket (``categorical.word_buckets``), and ``other`` counts the texts.
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
        """Values that are neither null nor infinite: texts, not their words."""
        return self.other if self.bins.kind == "text" else sum(self.counts) + self.other

    @property
    def missing(self) -> int:
        """Nulls and infinities, which the statistics of the distribution ignore."""
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
        """Read what ``to_dict`` returned; raises SchemaError when the profile has other bins."""
        if data["bins"] != bins.fingerprint:
            message = f"The profile has bins {data['bins']}, but column {bins.name!r} has bins {bins.fingerprint}"
            raise SchemaError(message, "Load it with its own bins, or recompute it")
        own = {"bins": bins, "counts": tuple(data["counts"]), "sums": tuple(data["sums"])}
        return cls(**dict(data) | own)


def fit_bins(name: str, values: Values, kind: Kind, bins: int = 256) -> ColumnBins:
    """Fit the bins of a column on its reference values, of shape (n,) and in any order.

    Numeric: at most ``max(bins, 13)`` bins between quantiles (linear interpolation, numpy's default), the
    deciles among them. A value that spans two quantiles, and every value of a column with few distinct ones,
    is a bin of its own. Nulls and infinities are ignored. Categorical: the ``CATEGORY_LIMIT`` most frequent
    categories, ties by name. Text: nothing is fitted. Raises SchemaError when the values are not of the kind.
    """
    return fit_profile(name, values, kind, bins).bins


def fit_profile(name: str, values: Values, kind: Kind, bins: int = 256) -> Profile:
    """Fit the bins of a column and profile the same values, in half the time of two separate calls.

    The same as ``profile(values, fit_bins(name, values, kind, bins))``, to the last bit.
    """
    if kind == "text":
        return _of_texts(values, ColumnBins(name, kind, (), (), 0.0))
    if kind == "categorical":
        counted, nulls = tally(values, name)
        ranked = sorted(counted, key=lambda category: (-counted[category], category))
        return _of_categories(counted, nulls, ColumnBins(name, kind, (), tuple(ranked[:CATEGORY_LIMIT]), 0.0))
    ordered = _ordered(values, name)
    return _of_numbers(ordered, _numeric_bins(name, ordered, bins))


def empty(bins: ColumnBins) -> Profile:
    """Summarise no values: the identity of ``merge``."""
    return Profile(bins, (0,) * bins.width, (0.0,) * bins.width if bins.kind == "numeric" else ())


def profile(values: Values, bins: ColumnBins) -> Profile:
    """Summarise values of shape (n,); the order of rows changes nothing, to the last bit.

    Numeric: numbers, with NaN (or None) for a null. Categorical and text: str, with None (or NaN) for a null;
    or a mapping of value to count. Raises SchemaError when the values are not of the bins' kind.
    """
    if bins.kind == "text":
        return _of_texts(values, bins)
    if bins.kind == "categorical":
        return _of_categories(*tally(values, bins.name), bins)
    return _of_numbers(_ordered(values, bins.name), bins)


def merge(a: Profile, b: Profile) -> Profile:
    """Return the profile of both sets of rows; raises SchemaError when their bins differ.

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
        new=first_names(Counter(a.new) + Counter(b.new)) if a.new or b.new else {},
    )


def require_same_bins(a: Profile, b: Profile) -> None:
    """Raise SchemaError when the two profiles have different bins."""
    if a.bins is b.bins or a.bins == b.bins:
        return
    left, right = (f"{p.bins.name!r} ({p.bins.kind}, {p.bins.fingerprint})" for p in (a, b))
    message = f"Profiles of {left} and {right} have different bins"
    raise SchemaError(message, "Recompute one of them with the other's bins")


def first_names(tally: Mapping[str, int]) -> dict[str, int]:
    """Return the alphabetically first ``NEW_LIMIT`` names with their counts."""
    return {name: tally[name] for name in sorted(tally)[:NEW_LIMIT]}


def _ordered(values: Values, name: str) -> Ordered:
    try:
        return Ordered.of(np.asarray(values, dtype=np.float64), LARGEST)
    except (TypeError, ValueError) as error:
        message = f"Column {name!r} is not numeric: {error}"
        raise SchemaError(message, "Declare it categorical, or convert it to float") from error


def _numeric_bins(name: str, ordered: Ordered, bins: int) -> ColumnBins:
    finite = ordered.finite
    if not finite.size:
        return ColumnBins(name, "numeric", (), (), 0.0)
    edges, deciles = quantile_edges(finite, bins)
    return ColumnBins(name, "numeric", tuple(edges.tolist()), (), median(finite), tuple(deciles.tolist()))


def _of_numbers(ordered: Ordered, bins: ColumnBins) -> Profile:
    found = ordered.binned(np.asarray(bins.edges), bins.centre)
    low, high = float(found.minimum[0]), float(found.maximum[0])
    return Profile(
        bins,
        counts=tuple(found.counts[0].tolist()),
        sums=tuple(found.sums[0].tolist()),
        squares=float(found.squares[0]),
        minimum=None if math.isnan(low) else low,
        maximum=None if math.isnan(high) else high,
        infinities=int(found.infinities[0]),
        nulls=int(found.nulls[0]),
    )


def _of_categories(counted: Mapping[str, int], nulls: int, bins: ColumnBins) -> Profile:
    rest = Counter(counted)
    counts = tuple(rest.pop(category, 0) for category in bins.categories)
    return Profile(bins, counts, other=rest.total(), new=first_names(rest), nulls=nulls)


def _of_texts(values: Values, bins: ColumnBins) -> Profile:
    counted, nulls = tally(values, bins.name, length=None)
    return Profile(bins, tuple(word_buckets(counted).tolist()), other=counted.total(), nulls=nulls)
