"""Fits what ``label_flips`` compares: newly added labels against models of the others, by segment and supplier."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.improve.guards.flips import Fitted, Values
from modelops_pipelines.operations.improve.guards.cross_fit import (
    cross_fitted,
    cross_fitted_numbers,
    probabilities,
)
from modelops_pipelines.operations.improve.guards.set_rows import (
    SetRows,
    categories_of,
    drawn,
    is_text,
    matrix_of,
)

MOST_ROWS = 20_000
"""Rows of each part, new and earlier, that models are fitted on."""
LEAST_EARLIER = 400
BINARY = 2
GROSS = 4.0
"""Regression: a residual beyond this many median absolute deviations is a wrong label."""
SUPPLIERS = ("key_id", "author", "source")
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parts:
    """The positions of the rows that are judged, and of the earlier ones."""

    now: Ints
    before: Ints


def sampled(of: SetRows) -> SetRows:
    """Draw as many earlier rows as new ones, so that models of both are equally good."""
    now = drawn(of.added, MOST_ROWS)
    return of.take(np.sort(np.concatenate([now, drawn(~of.added, max(LEAST_EARLIER, len(now)))])))


def parts_of(of: SetRows) -> Parts:
    """Return the positions of the new and the earlier rows."""
    return Parts(np.flatnonzero(of.added), np.flatnonzero(~of.added))


def fitted(of: SetRows, parts: Parts) -> tuple[Fitted, Fitted | None]:
    """Return the new and the earlier rows with what models say of them; no earlier ones where there are too few."""
    features = matrix_of(of.rows, of.features)
    enough = len(parts.before) >= LEAST_EARLIER
    if of.spec.task == "regression":
        return _of_numbers(features, of.label, parts, enough=enough)
    classes, codes = np.unique(of.label.astype(str), return_inverse=True)
    binary = len(classes) == BINARY
    target = _positive(of, classes.tolist()) if binary else 0
    own = cross_fitted(features[parts.now], codes[parts.now], len(classes))
    other = _of_earlier(features, codes, parts, len(classes)) if enough else None
    now = _as_fitted(codes[parts.now], own, other, target if binary else None)
    if not enough:
        return now, None
    earlier = cross_fitted(features[parts.before], codes[parts.before], len(classes))
    return now, _as_fitted(codes[parts.before], earlier, None, target if binary else None)


def _of_earlier(features: Floats, codes: Ints, parts: Parts, count: int) -> Floats:
    return probabilities(features[parts.before], codes[parts.before], features[parts.now], count)


def _positive(of: SetRows, classes: list[str]) -> int:
    return classes.index(of.spec.positive_label) if of.spec.positive_label in classes else 1


def _as_fitted(codes: Ints, own: Floats, other: Floats | None, target: int | None) -> Fitted:
    """Return two classes as positive or not; of more, whether the label is the class that the model says."""
    if target is not None:
        return Fitted((codes == target).astype(float), own[:, target], None if other is None else other[:, target])
    said = (own if other is None else other).argmax(axis=1)
    at = np.arange(len(codes))
    return Fitted((codes == said).astype(float), own[at, said], None if other is None else other[at, said])


def _of_numbers(features: Floats, label: Floats, parts: Parts, *, enough: bool) -> tuple[Fitted, Fitted | None]:
    """Return as outcome whether a number is within GROSS deviations of the model's, and the share that is so."""
    now = _usual(features[parts.now], label[parts.now])
    return now, _usual(features[parts.before], label[parts.before]) if enough else None


def _usual(features: Floats, label: Floats) -> Fitted:
    residuals = label - cross_fitted_numbers(features, label)
    scale = max(1e-12, 1.4826 * float(np.median(np.abs(residuals))))
    usual = (np.abs(residuals) <= GROSS * scale).astype(float)
    return Fitted(usual, np.full(len(usual), float(np.clip(usual.mean(), 1e-3, 1 - 1e-3))))


def values_of_cells(of: SetRows, parts: Parts) -> Values:
    """Return the values of segments (declared ones, and features of text) and of those who supplied the labels."""
    names: dict[str, list[str]] = {}
    now: dict[str, Ints] = {}
    before: dict[str, Ints] = {}
    for name in of.features:
        found = categories_of(of.rows, name) if is_text(of.rows, name) or name in of.spec.segments else None
        if found is not None:
            names[name], codes = found
            now[name], before[name] = codes[parts.now], codes[parts.before]
    suppliers = []
    for name in SUPPLIERS:
        column = of.origin(name)
        if column is None:
            continue
        mine = np.asarray(column, object)[parts.now]
        known = sorted({one for one in mine.tolist() if one is not None})
        if known:
            suppliers.append(name)
            numbers = {one: number for number, one in enumerate(known)}
            names[name], now[name] = known, np.array([numbers.get(one, -1) for one in mine.tolist()], np.int64)
    return Values(names, now, before, tuple(suppliers))
