"""Whether rows to train on are also rows to evaluate on: more often than rows of different days repeat by chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.alerting.exact_bounds import share_exceeds
from modelops_pipelines.core.improve.guards.results import GuardResult, judged, not_judged, percent

NAME = "duplicates"
ALPHA, SLACK, FACTOR = 1e-4, 0.01, 1.5
LEAST_ROWS, LEAST_DAYS = 20, 3
Hashes = NDArray[np.uint64]
Days = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Hashed:
    """Rows as hashes of their features and label, with their days (-1: none), and which of them are of the log."""

    hashes: Hashes
    days: Days
    logged: Mask


def duplicates(training: Hashed, evaluation: Hashed, same_ids: int) -> GuardResult:
    """Return whether more evaluation rows than by chance have the features and label of a training row.

    Rows of the log, and those that a user provided, are judged apart. Chance: each day of such training rows is
    compared with the training rows of all other days in the same way. ``same_ids`` is how many evaluation rows are in
    the training rows themselves: there may be none.
    """
    if min(len(training.hashes), len(evaluation.hashes)) < LEAST_ROWS:
        return not_judged(NAME, f"{len(evaluation.hashes):,} evaluation rows, needs {LEAST_ROWS}", {"same": same_ids})
    problems = [f"{same_ids:,} evaluation rows are in the training set"] if same_ids else []
    numbers: dict[str, Any] = {"same": same_ids}
    for kind, logged in (("logged", True), ("provided", False)):
        rows = evaluation.hashes[evaluation.logged == logged]
        if len(rows) < LEAST_ROWS:
            continue
        twins, chance = int(np.isin(rows, training.hashes).sum()), _by_chance(training, training.logged == logged)
        limit = min(1.0, FACTOR * chance + SLACK)
        numbers[kind] = {"rows": len(rows), "twins": twins, "by_chance": chance, "limit": limit}
        if share_exceeds(twins, len(rows), limit, ALPHA):
            share = f"{percent(twins / len(rows))} of the {kind} evaluation rows"
            problems.append(f"{share} repeat a training row ({percent(chance)} by chance)")
    return judged(NAME, problems, "evaluation rows repeat training rows no more often than by chance", numbers)


def _by_chance(training: Hashed, of: Mask) -> float:
    """Return the share of these rows that another day has too; without days, the share that another row repeats."""
    if not of.any():
        return 0.0
    has_days = len(np.unique(training.days[of])) >= LEAST_DAYS
    apart = training.days if has_days else np.arange(len(of))
    found = np.unique(np.stack([training.hashes, apart.astype(np.uint64)]), axis=1)  # each hash once a day
    hashes, days = np.unique(found[0], return_counts=True)
    return float(np.isin(training.hashes[of], hashes[days > 1]).mean())
