"""Whether the labelled rows stand for the log: labels that only those who complain give teach the complaints.

Which rows are labelled may depend on their features: the propensity of being labelled is then known and can be
weighted (Horvitz and Thompson 1952). Where it depends on the label itself, no weights help. With a share e of wrong
answers among all rows and d among the labelled ones, wrong answers are labelled odds(d) / odds(e) times as often.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.alerting.exact_bounds import share_exceeds
from modelops_pipelines.core.improve.guards.discrimination import auc_of
from modelops_pipelines.core.improve.guards.results import GuardResult, judged, not_judged, percent

NAME = "selection"
COVERED = 0.9
"""Share of labelled rows from which selection cannot matter much."""
LEAST_LABELLED, LEAST_UNLABELLED = 50, 50
MOST_ODDS, ALPHA = 3.0, 1e-4
STRONG_AUC, LEAST_EFFECTIVE, LEAST_PROPENSITY, MOST_UNREACHED = 0.75, 0.1, 0.02, 0.2
UNKNOWN_ERROR, MOST_ERROR = 0.35, 0.6
LEAST_ORIGIN_SHARE = 0.1
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LogRows:
    """Answered rows of the log whose label was due; all arrays are as long as the rows.

    ``labelled`` are those with a label in the set, ``wrong`` those of them whose label is not the prediction,
    ``doubt`` is the probability of a wrong answer by the score (NaN without), ``propensity`` that of being labelled,
    cross-fitted (None: not modelled), ``day`` the day, ``told`` those whose label is a person's feedback.
    """

    labelled: Mask
    wrong: Mask
    doubt: Floats
    day: NDArray[np.int64]
    told: Mask
    propensity: Floats | None = None


def selection(rows: LogRows, error_before: float | None, *, weighted: bool) -> GuardResult:
    """Return whether labels are selected by their value, or by features without weights that undo it.

    ``error_before`` is the share of wrong answers among earlier labels; ``weighted`` whether the set's rows have
    weights of the propensity.
    """
    labelled, unlabelled = int(rows.labelled.sum()), int((~rows.labelled).sum())
    numbers: dict[str, Any] = {"labelled": labelled, "unlabelled": unlabelled}
    if labelled < LEAST_LABELLED:
        return not_judged(NAME, f"{labelled:,} rows of the log with a label, needs {LEAST_LABELLED}", numbers)
    numbers["coverage"] = coverage = labelled / len(rows.labelled)
    told = rows.told & rows.labelled
    if coverage >= COVERED or unlabelled < LEAST_UNLABELLED:
        return judged(NAME, [], f"{percent(coverage)} of the rows have a label", numbers)
    problems = _by_outcome(rows, rows.labelled, "labels", error_before, numbers)
    if int(told.sum()) >= max(LEAST_LABELLED, LEAST_ORIGIN_SHARE * labelled) and not problems:
        problems = _by_outcome(rows, told, "feedback", error_before, numbers)
    problems += _by_features(rows, numbers, weighted=weighted)
    return judged(NAME, problems, f"the {percent(coverage)} of rows with a label stand for the others", numbers)


def expected_error(rows: LogRows, of: Mask, error_before: float | None) -> float:
    """Return the share of wrong answers to expect: by the scores or the earlier labels, whichever is larger."""
    scored = rows.doubt[of & np.isfinite(rows.doubt)]
    known = [*([] if error_before is None else [error_before]), *([float(scored.mean())] if len(scored) else [])]
    return min(MOST_ERROR, max(known)) if known else UNKNOWN_ERROR


def _by_outcome(rows: LogRows, of: Mask, what: str, error_before: float | None, numbers: dict[str, Any]) -> list[str]:
    n, wrong = int(of.sum()), int((rows.wrong & of).sum())
    expected = expected_error(rows, of, error_before)
    limit = MOST_ODDS * expected / (1 + (MOST_ODDS - 1) * expected)
    numbers[what] = {"rows": n, "wrong": wrong / n, "expected": expected, "limit": limit}
    if not share_exceeds(wrong, n, limit, ALPHA):
        return []
    told = (
        f"{what} are selected by what they say: {percent(wrong / n)} of {n:,} contradict the prediction, expected are "
        f"{percent(expected)}: complaints, not a sample"
    )
    return [told]


def _by_features(rows: LogRows, numbers: dict[str, Any], *, weighted: bool) -> list[str]:
    """Return what the propensity says: selection without weights, or rows that no labelled row stands for."""
    if rows.propensity is None:
        return []
    auc = _auc_within_days(rows.propensity, rows.labelled, rows.day)
    weights = 1 / np.maximum(rows.propensity[rows.labelled], 1e-3)
    effective = float(weights.sum() ** 2 / (np.square(weights).sum() * len(weights)))
    unreached = float((rows.propensity < LEAST_PROPENSITY * rows.labelled.mean()).mean())
    numbers["propensity"] = {"auc": auc, "effective_share": effective, "unreached": unreached, "weighted": weighted}
    if auc is None or auc < STRONG_AUC:
        return []
    if unreached > MOST_UNREACHED or effective < LEAST_EFFECTIVE:
        return [f"{percent(unreached)} of the rows are like no labelled row: no weights stand for them (AUC {auc:.2f})"]
    if weighted:
        return []
    return [
        f"which rows are labelled depends on their features (AUC {auc:.2f}): write 'training: {{weights: propensity}}'"
    ]


def _auc_within_days(propensity: Floats, labelled: Mask, day: NDArray[np.int64]) -> float | None:
    """Return the mean AUC of days, so that labels of some days only, or a late source, are no selection by features."""
    order = np.argsort(day, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(day[order])) + 1)
    found = [(auc_of(propensity[part], labelled[part]), len(part)) for part in parts]
    known = [(auc, n) for auc, n in found if auc is not None and n >= LEAST_UNLABELLED]
    return sum(auc * n for auc, n in known) / sum(n for _, n in known) if known else None
