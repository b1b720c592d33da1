"""Whether a set's classes are those of the log: no class is missing, and none is far more or less frequent."""

from collections.abc import Mapping
from math import log, sqrt
from typing import Any

from modelops_pipelines.core.improve.guards.results import GuardResult, judged, not_judged, percent

NAME = "class_balance"
LEAST_ROWS, LEAST_EXPECTED, MOST_ODDS, Z = 100, 20.0, 4.0, 3.0


def class_balance(
    now: Mapping[str, int], before: Mapping[str, int] | None, answered: Mapping[str, float] | None
) -> GuardResult:
    """Return whether the newly added labels have the classes of the earlier labels, or of the answers of the log.

    ``now`` and ``before`` count labels by class. ``answered`` is each class's expected share by the scores of all
    answered rows of the same time, labelled or not; None where there are no scores. A class fails when the odds of its
    share differ by more than MOST_ODDS (with Z standard errors) from both; or when none is there, and both expect
    LEAST_EXPECTED.
    """
    total = sum(now.values())
    earlier = before if before is not None and sum(before.values()) >= LEAST_ROWS else None
    if total < LEAST_ROWS or (earlier is None and answered is None):
        return not_judged(NAME, f"{total:,} new labels, and nothing to compare with or fewer than {LEAST_ROWS}")
    references = {
        **({} if earlier is None else {"before": {name: n / sum(earlier.values()) for name, n in earlier.items()}}),
        **({} if answered is None else {"answers": dict(answered)}),
    }
    classes = sorted(set(now).union(*references.values()))
    problems, both = [], len(references) > 1  # scores alone may be far from the truth
    for name in classes:
        shares = [of.get(name, 0.0) for of in references.values()]
        if now.get(name, 0) == 0 and min(shares) * total >= LEAST_EXPECTED:
            problems.append(f"no new label is {name!r}, expected are {percent(min(shares))}")
        elif (
            both
            and all(_differs(now.get(name, 0), total, share) for share in shares)
            and _one_side(now, total, name, shares)
        ):
            problems.append(
                f"{percent(now.get(name, 0) / total)} of the new labels are {name!r}, expected are "
                f"{' and '.join(percent(share) for share in shares)}"
            )
    numbers: dict[str, Any] = {"labels": total, "now": {name: n / total for name, n in now.items()}, **references}
    return judged(NAME, problems, "the classes are as frequent as expected", numbers)


def _one_side(now: Mapping[str, int], total: int, name: str, shares: list[float]) -> bool:
    mine = now.get(name, 0) / total
    return all(mine > share for share in shares) or all(mine < share for share in shares)


def _differs(count: int, total: int, share: float) -> bool:
    """Return whether the log of the odds ratio is beyond its limit by Z standard errors, half a row added."""
    if count + share * total < LEAST_EXPECTED:
        return False
    mine = log((count + 0.5) / (total - count + 0.5))
    expected = log((share * total + 0.5) / ((1 - share) * total + 0.5))
    error = sqrt(1 / (count + 0.5) + 1 / (total - count + 0.5))
    return abs(mine - expected) - Z * error > log(MOST_ODDS)
