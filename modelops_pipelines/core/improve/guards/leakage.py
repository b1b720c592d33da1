"""Whether a column knows what it could not know when the prediction was made. Suspicious columns are named.

A feature of the log was captured when the prediction was served, so it cannot know the label; a column of rows that a
user provided may. Where both exist they are compared: what a column tells of the label in one and not in the other it
did not know in time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.improve.guards.discrimination import auc_of, codes_of, determined_share
from modelops_pipelines.core.improve.guards.results import GuardResult, judged, not_judged, percent

NAME = "leakage"
LEAST_ROWS, LEAST_LOGGED = 50, 200
PERFECT, MUCH, DROP = 0.995, 0.9, 0.15
"""Separation of the classes by one column that is too good to be true; one that is when the log's is lower by DROP."""
COPY = 0.999
"""Share of rows in which the column determines the label, and the label the column, from which it is a copy."""
LATE_SHARE, LATE_ROWS = 0.01, 5
DISTINCT_SHARE = 0.05
"""A text column with more distinct values a row is an id: it determines every label, and knows none."""
BINS = 64


@dataclass(frozen=True, eq=False)
class SetColumns:
    """A set's rows: features by name, labels, and which rows a user provided; all as long as the set.

    ``positive`` are the rows of the positive class; None with another number of classes than two. ``numeric`` is the
    label as a number for regression. ``late`` are, for features that are times, the rows in which the time is after
    the event. ``known_before`` are the labels of the log's rows that were known before their event. ``differing``
    counts the log's rows of the set in which a feature has another value than was served.
    """

    features: Mapping[str, NDArray[Any]]
    label: NDArray[Any]
    provided: NDArray[np.bool_]
    positive: NDArray[np.bool_] | None = None
    numeric: NDArray[np.float64] | None = None
    late: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    known_before: NDArray[np.bool_] | None = None
    differing: Mapping[str, int] = field(default_factory=dict)


def leakage(rows: SetColumns) -> GuardResult:
    """Return whether a column knows the label, is from the future, or was corrected later; see the module."""
    if len(rows.label) < LEAST_ROWS:
        return not_judged(NAME, f"{len(rows.label):,} rows, needs {LEAST_ROWS}")
    separations = {name: _separations(rows, values) for name, values in rows.features.items()}
    problems = [
        *(problem for name in rows.features for problem in _knowing(rows, name, separations[name])),
        *_future(rows),
        *_labels_before(rows),
        *(
            f"suspicious column '{name}': in {number:,} row(s) it has another value than was served"
            for name, number in rows.differing.items()
            if number
        ),
    ]
    best = max(separations, key=lambda name: separations[name].get("all") or 0.0, default=None)
    numbers = {"separation": separations, "best": best}
    told = "no column knows the label" if best is None else f"no column knows the label; the best is '{best}'"
    return judged(NAME, problems, told, numbers)


def _separations(rows: SetColumns, values: NDArray[Any]) -> dict[str, float | None]:
    parts = {"all": np.ones(len(values), np.bool_), "provided": rows.provided, "logged": ~rows.provided}
    return {
        part: separation(values[mask], rows.label[mask], *_targets(rows, mask)) if mask.sum() >= LEAST_ROWS else None
        for part, mask in parts.items()
    }


def _targets(rows: SetColumns, mask: NDArray[np.bool_]) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    return tuple(None if of is None else of[mask] for of in (rows.positive, rows.numeric))  # type: ignore[return-value]


def separation(
    values: NDArray[Any],
    label: NDArray[Any],
    positive: NDArray[np.bool_] | None = None,
    numeric: NDArray[np.float64] | None = None,
) -> float | None:
    """Return how well one column alone tells the label, from 0 to 1: 0.5 and less is nothing for two classes.

    Of two classes and a number: the larger of AUC and 1 - AUC. Of two numbers: the absolute correlation. Of others:
    the share of rows whose label is the commonest among the rows with the same value (numbers in BINS bins); None for
    a column of ids.
    """
    is_number = values.dtype.kind in "biuf"
    if is_number and positive is not None:
        auc = auc_of(values.astype(np.float64), positive)
        return None if auc is None else max(auc, 1 - auc)
    if is_number and numeric is not None:
        return _correlation(values.astype(np.float64), numeric)
    codes = _bins(values.astype(np.float64)) if is_number else codes_of(values)
    if numeric is not None or (not is_number and codes.max(initial=0) > DISTINCT_SHARE * len(codes)):
        return None
    if positive is not None:
        return _auc_of_rates(codes, positive)
    return determined_share(codes, codes_of(label)) if len(label) else None


def _auc_of_rates(codes: NDArray[np.int64], positive: NDArray[np.bool_]) -> float | None:
    """Return the AUC of each value's share of positives."""
    counts = np.bincount(codes)
    rates = np.bincount(codes, positive) / np.maximum(counts, 1)
    return auc_of(rates[codes], positive)


def _correlation(values: NDArray[np.float64], numeric: NDArray[np.float64]) -> float | None:
    known = np.isfinite(values) & np.isfinite(numeric)
    first, second = values[known], numeric[known]
    if len(first) < LEAST_ROWS or not first.std() or not second.std():
        return None
    return abs(float(np.corrcoef(first, second)[0, 1]))


def _bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else known
    codes = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, codes).astype(np.int64)


def _knowing(rows: SetColumns, name: str, found: Mapping[str, float | None]) -> Iterator[str]:
    """Yield what shows that the column knows the label."""
    provided, logged = found["provided"], found["logged"]
    values, numeric = rows.features[name], rows.numeric is not None
    parts = (rows.provided, ~rows.provided)
    if any(is_copy(values[part], rows.label[part], numeric=numeric) for part in parts):
        yield f"suspicious column '{name}': it is a copy of the label"
        return
    known_in_time = int((~rows.provided).sum()) >= LEAST_LOGGED and logged is not None
    if provided is None:
        return
    if not known_in_time and provided >= PERFECT and rows.numeric is None:
        yield f"suspicious column '{name}': alone it separates the labels ({provided:.3f} of at most 1)"
    elif known_in_time and provided >= MUCH and provided - (logged or 0.0) > DROP:
        yield (
            f"suspicious column '{name}': in the provided rows it tells the label ({provided:.3f} of at most 1), as "
            f"served it does not ({logged:.3f})"
        )


def is_copy(values: NDArray[Any], label: NDArray[Any], *, numeric: bool) -> bool:
    """Return whether a column equals the label, or has one value for each class."""
    if len(values) < LEAST_ROWS:
        return False
    if numeric:
        return values.dtype.kind in "iuf" and float(np.mean(values == label)) >= COPY
    classes = codes_of(label)
    if classes.max() == 0 or len(set(values.tolist())) > 4 * (int(classes.max()) + 1):
        return False
    column = codes_of(values)
    return min(determined_share(column, classes), determined_share(classes, column)) >= COPY


def _future(rows: SetColumns) -> Iterator[str]:
    """Yield the columns of times after the event, unless they are so in the log too: a timetable is known before."""
    for name, late in rows.late.items():
        number, served = int(late[rows.provided].sum()), late[~rows.provided]
        share = number / max(1, int(rows.provided.sum()))
        as_served = len(served) >= LEAST_ROWS and float(served.mean()) > share / 2
        if number >= LATE_ROWS and share > LATE_SHARE and not as_served:
            yield f"suspicious column '{name}': in {number:,} rows ({percent(share)}) its time is after the event"


def _labels_before(rows: SetColumns) -> Iterator[str]:
    if rows.known_before is None:
        return
    number, logged = int(rows.known_before.sum()), int((~rows.provided).sum())
    if number >= LATE_ROWS and number > LATE_SHARE * logged:
        yield f"suspicious column 'label': {number:,} of {logged:,} labels were known before their event"


def suspicious(problems: Sequence[str]) -> list[str]:
    """Return the columns that messages of this guard name."""
    return [one.split("'")[1] for one in problems if one.startswith("suspicious column '")]
