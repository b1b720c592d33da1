"""Whether labels were flipped: of all newly added rows, or of one segment or supplier.

A season changes how many labels are of a class, and how well a model separates them. Flips do something else: they put
wrong labels where a model is most certain. So three statistics are compared with what varies naturally:

- the share of wrong labels among the rows that a cross-fitted model is most certain of, as an estimated rate of flips:
  see ``flip_rate``;
- the same share within each value of a segment, against that of its earlier rows times what the season makes of all;
- the level and the slope of the labels' logit on that of a model of the earlier rows, within each value, against those
  of all rows. Natural differences of the values are estimated by their median absolute deviation, as in an empirical
  null distribution (Efron 2004).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.improve.guards.flip_rate import FlipRate, Share, flip_rate, grown_error, most_certain
from modelops_pipelines.core.improve.guards.logistic import logit, sigmoid, solved, variance
from modelops_pipelines.core.improve.guards.results import GuardResult, judged, not_judged, percent

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NAME = "label_flips"
LEAST_ROWS, LEAST_OF_CELL, LEAST_OF_SUPPLIER, LEAST_CERTAIN = 400, 150, 50, 60
CERTAIN_OF_CELL, MARGIN_OF_CELL = 0.2, 0.06
"""The share of a cell's rows that the model is most certain of, and by how much the wrong ones of them may grow."""
Z_OF_CELL, NATURAL_ERROR = 4.0, 0.02
DISTANCE = 18.0
"""The squared distance of a cell's level and slope from the others', in natural standard deviations, that is refused.

Of two independent normal deviates, one of them one-sided, 1 in 12,000 exceeds it: about 1 in 100 sets of 120 cells.
"""
LEAST_NATURAL, NATURAL_OF_FEW, FEW = 0.12, 0.3, 8
PRIOR, SMALL = 1.0, 1e-6
SHOWN = 5


@dataclass(frozen=True, eq=False)
class Fitted:
    """Rows with their labels and what models say of them; all arrays are as long as the rows.

    ``outcome`` is 1 for the positive class, else 0; with more than two classes, whether the label is the class that
    the model says. ``own`` is its probability by a model of the other rows of the same time (cross-fitted), ``other``
    by a model of the earlier rows; None without such.
    """

    outcome: Floats
    own: Floats
    other: Floats | None = None


Cells = Mapping[str, NDArray[np.int64]]
"""For each segment the number of each row's value, -1 for none."""


@dataclass(frozen=True, eq=False)
class Values:
    """The values by which rows are grouped: of segments, known of newly added and earlier rows, and of suppliers."""

    names: Mapping[str, list[str]]
    now: Cells
    before: Cells
    suppliers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One test of a cell: how far it is from what is natural; ``failed`` when that is too far."""

    cell: str
    test: str
    rows: int
    value: float
    natural: float
    statistic: float
    failed: bool


def label_flips(now: Fitted, before: Fitted | None, values: Values) -> GuardResult:
    """Return whether the newly added labels have flips that the earlier ones do not; see above."""
    if len(now.outcome) < LEAST_ROWS:
        return not_judged(NAME, f"{len(now.outcome):,} new labels, needs {LEAST_ROWS}")
    if before is not None and len(before.outcome) < LEAST_ROWS:
        before = None
    rate = None if before is None else _rate(now, before)
    season = 1.0 if rate is None else rate.season
    findings = [*_levels(now, before, values), *_certain_cells(now, before, values, season)]
    failed = sorted((one for one in findings if one.failed), key=lambda one: -one.statistic)
    problems = [] if rate is None or not rate.failed else [_told_of_all(rate)]
    problems += [_told(one) for one in failed[:SHOWN]]
    certain = vars(most_certain(now.own, now.outcome)) if rate is None else rate.numbers
    numbers = {"new_labels": len(now.outcome), "certain": certain, "cells": len({one.cell for one in findings})}
    numbers["failed_cells"] = [vars(one) for one in failed[:SHOWN]]
    worst = max(findings, key=lambda one: one.statistic, default=None)
    numbers["worst_cell"] = None if worst is None else vars(worst)
    if before is None and not findings:
        return not_judged(NAME, f"needs {LEAST_ROWS} earlier labels, or several segments or suppliers", numbers)
    return judged(NAME, problems, "the new labels are as a model of the others expects them", numbers)


def _rate(now: Fitted, before: Fitted) -> FlipRate:
    return flip_rate((now.own, now.outcome), (before.own, before.outcome), now.other)


def _certain_cells(now: Fitted, before: Fitted | None, values: Values, season: float) -> Iterator[Finding]:
    """Yield, for each value of a segment, the growth of wrong labels among the rows that are most certain.

    ``season`` is how many times as many wrong labels are expected of all rows: a harder season is no flip of a segment.
    """
    if before is None:
        return
    for segment in values.before:
        for number, name in enumerate(values.names[segment]):
            mine, earlier = values.now[segment] == number, values.before[segment] == number
            if min(int(mine.sum()), int(earlier.sum())) * CERTAIN_OF_CELL < LEAST_CERTAIN:
                continue
            share, earlier_share = _certain_part(now, mine), _certain_part(before, earlier)
            expected = season * earlier_share.wrong
            grown = share.wrong - expected
            z = grown / hypot(grown_error(share, earlier_share, season), NATURAL_ERROR)
            numbers = (int(mine.sum()), share.wrong, expected, z * abs(z))
            yield Finding(f"{segment}={name}", "certain", *numbers, z > Z_OF_CELL and grown > MARGIN_OF_CELL)


def _certain_part(of: Fitted, mask: Mask) -> Share:
    return most_certain(of.own[mask], of.outcome[mask], CERTAIN_OF_CELL)


def _levels(now: Fitted, before: Fitted | None, values: Values) -> Iterator[Finding]:
    """Yield, for each value of a segment or supplier, the distance of its level and slope from the others'.

    What a model misses of a value among the earlier rows too is no flip: it is subtracted.
    """
    expected = _expected(now.own if now.other is None else now.other, now.outcome)
    earlier = None if before is None else (_expected(before.own, before.outcome), before.outcome)
    for of_suppliers in (False, True):
        least = LEAST_OF_SUPPLIER if of_suppliers else LEAST_OF_CELL
        cells = [
            _Cell(f"{segment}={name}", mask, _fit(expected[mask], now.outcome[mask]), _missed(earlier, values, at))
            for segment in values.now
            if (segment in values.suppliers) == of_suppliers
            for number, name in enumerate(values.names[segment])
            if least <= (mask := values.now[segment] == number).sum() <= len(mask) / 2
            for at in [(segment, number)]
        ]
        if cells:
            yield from _distances(expected, now.outcome, cells)


@dataclass(frozen=True, eq=False)
class _Cell:
    """A value with its rows, and how far level and slope are from those expected, now and before: shift and error."""

    name: str
    mask: Mask
    now: tuple[Floats, Floats]
    before: tuple[Floats, Floats]


def _expected(probability: Floats, outcome: Floats) -> Floats:
    """Return the logit of the probability, with the level and slope that fit all rows."""
    says = logit(probability)
    design = np.stack([np.ones_like(says), says], axis=1)
    return np.asarray(design @ solved(design, outcome, np.zeros_like(says), SMALL))


def _missed(earlier: tuple[Floats, Floats] | None, values: Values, at: tuple[str, int]) -> tuple[Floats, Floats]:
    """Return the shift and error of a value among the earlier rows; none where there are too few."""
    segment, number = at
    if earlier is None or segment not in values.before:
        return np.zeros(2), np.zeros(2)
    mask = values.before[segment] == number
    return _fit(earlier[0][mask], earlier[1][mask]) if mask.sum() >= LEAST_OF_CELL else (np.zeros(2), np.zeros(2))


def _distances(expected: Floats, outcome: Floats, cells: list[_Cell]) -> Iterator[Finding]:
    shifts = np.array([cell.now[0] - cell.before[0] for cell in cells])
    errors = np.array([np.hypot(cell.now[1], cell.before[1]) for cell in cells])
    few = len(cells) < FEW
    natural = [NATURAL_OF_FEW if few else max(LEAST_NATURAL, 1.4826 * float(np.median(np.abs(s)))) for s in shifts.T]
    z = shifts / np.sqrt(np.square(natural) + np.square(errors))
    squares = np.square(z[:, 0]) + np.square(np.minimum(z[:, 1], 0.0))
    for cell, square in zip(cells, squares.tolist(), strict=True):
        rate = float(outcome[cell.mask].mean())
        would = float(np.mean(sigmoid(expected[cell.mask])))
        yield Finding(cell.name, "level", int(cell.mask.sum()), rate, would, square, square > DISTANCE)


def _fit(expected: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Return how far level and slope of a cell are from those expected, and the errors that chance alone gives them."""
    design = np.stack([np.ones_like(expected), expected - expected.mean()], axis=1)
    shift = solved(design, outcome, expected, PRIOR)
    weights = variance(expected)
    information = (design * weights[:, None]).T @ design + PRIOR * np.eye(2)
    return shift, np.sqrt(np.diag(np.linalg.inv(information)))


def _told_of_all(of: FlipRate) -> str:
    wrong = f"of the rows that a model is most certain of, {percent(of.now.wrong)} have another label"
    expected = f"({percent(of.expected)} expected, {percent(of.before.wrong)} of the earlier ones)"
    least, most = sorted((of.rate, of.with_season))
    return f"{wrong} {expected}: about {percent(least)} to {percent(most)} of the labels are flipped"


def _told(finding: Finding) -> str:
    if finding.test == "certain":
        what = f"{percent(finding.value)} of the rows that a model is most certain of have another label"
        return f"{finding.cell}: {what} ({percent(finding.natural)} expected from the earlier ones)"
    what = f"{percent(finding.value)} positive, a model of the other rows expects {percent(finding.natural)}"
    return f"{finding.cell}: the labels of {finding.rows:,} rows contradict their features ({what})"
