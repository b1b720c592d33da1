"""Whether one API key, user or author supplies too large a part of a training set's labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.alerting.exact_bounds import share_exceeds
from modelops_pipelines.core.improve.guards.results import GuardResult, judged, not_judged, percent

NAME = "share_of_one"
LIMIT = 0.5
"""The largest share of one among several."""
PERSON_LIMIT = 0.3
"""The largest share of one person among several, of what people said."""
GROWTH = 1.5
"""Where earlier labels tell how much one supplied before, the odds of its share may grow by this factor."""
ALPHA = 1e-4
"""The probability with which one whose share is at the limit is refused: there may be many."""
LEAST_ROWS, LEAST_SUPPLIERS, LEAST_BEFORE = 50, 3, 100


@dataclass(frozen=True)
class Suppliers:
    """How many labels each one supplied: of the newly added rows, and before them. ``kind``: key, user or author."""

    kind: str
    now: Mapping[str, int]
    before: Mapping[str, int]

    @classmethod
    def counted(cls, kind: str, now: Sequence[str | None], before: Sequence[str | None]) -> "Suppliers":
        """Count the rows of which it is known who supplied the label."""
        return cls(kind, *(Counter(one for one in part if one is not None) for part in (now, before)))


def share_of_one(kinds: Sequence[Suppliers]) -> GuardResult:
    """Return whether one of several keys, users or authors supplied more labels than its limit.

    With at least LEAST_BEFORE earlier labels, the limit of one is the share that it had before, its odds grown by
    GROWTH, or the fixed limit if that is larger: a service that always sent most of the labels may go on. The share is
    above its limit when the lower bound of Clopper and Pearson at level ALPHA is.
    """
    problems, numbers, seen = [], {}, 0
    for of in kinds:
        total = sum(of.now.values())
        several = len(of.now.keys() | of.before.keys()) >= LEAST_SUPPLIERS
        if total < LEAST_ROWS or not several:
            numbers[of.kind] = {"labels": total, "suppliers": len(of.now)}
            continue
        seen += 1
        largest, count = max(of.now.items(), key=lambda one: (one[1], one[0]))
        limit = max(_limit(of.kind), _grown(of, largest))
        numbers[of.kind] = _numbers(of, largest, limit)
        if share_exceeds(count, total, limit, ALPHA):
            problems.append(
                f"one {of.kind} supplied {percent(count / total)} of {total:,} new labels (at most {percent(limit)})"
            )
    if not seen:
        reason = f"needs {LEAST_ROWS} new labels from one of at least {LEAST_SUPPLIERS} keys, users or authors"
        return not_judged(NAME, reason, numbers)
    return judged(NAME, problems, "no key, user or author supplied more than its limit", numbers)


def _limit(kind: str) -> float:
    return LIMIT if kind == "key" else PERSON_LIMIT


def _grown(of: Suppliers, supplier: str) -> float:
    """Return the share that the supplier had before, with its odds grown; 0 where too little is known."""
    total = sum(of.before.values())
    if total < LEAST_BEFORE:
        return 0.0
    share = of.before.get(supplier, 0) / total
    return GROWTH * share / (1 + (GROWTH - 1) * share)


def _numbers(of: Suppliers, largest: str, limit: float) -> dict[str, Any]:
    """Return the counts; who it is is an id of a key, or a person's name that the set's origins have too."""
    total, before = sum(of.now.values()), sum(of.before.values())
    return {
        "labels": total,
        "suppliers": len(of.now),
        "largest": largest,
        "share": of.now[largest] / total,
        "limit": limit,
        "earlier_labels": before,
        "earlier_share": of.before.get(largest, 0) / before if before else None,
    }
