"""How well one column separates two classes, and whether two columns say the same."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def auc_of(values: Floats, positive: Mask) -> float | None:
    """Return the area under the ROC curve, ties counted half (Mann and Whitney); None without both classes.

    ``values`` and ``positive`` are of equal length; missing values are NaN, and take part as the smallest.
    """
    ups, n = int(positive.sum()), len(values)
    if not 0 < ups < n:
        return None
    _, inverse, counts = np.unique(np.nan_to_num(values, nan=-np.inf), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - ups * (ups + 1) / 2) / (ups * (n - ups)))


def codes_of(values: NDArray[Any]) -> Ints:
    """Return a number for each value, equal for equal ones; missing ones (None, NaN) have one of their own."""
    if values.dtype.kind == "f":
        _, codes = np.unique(values, return_inverse=True, equal_nan=True)
        return np.asarray(codes, np.int64)
    known: dict[Any, int] = {}
    return np.asarray([known.setdefault(value, len(known)) for value in values.tolist()], np.int64)


def determined_share(feature: Ints, label: Ints) -> float:
    """Return the share of rows whose label is the commonest one among the rows with the same value of the feature."""
    pairs, counts = np.unique(np.stack([feature, label]), axis=1, return_counts=True)
    best = np.zeros(int(feature.max()) + 1, np.int64)
    np.maximum.at(best, pairs[0], counts)
    return float(best.sum() / len(feature))
