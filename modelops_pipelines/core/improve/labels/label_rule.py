"""Which of a prediction's labels counts: one rule, whatever the order in which rows, labels and feedback arrive.

The same rule for whole tables: ``store/lake/queries/label_choice.sql``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.improve.training.reasons import LATER_LABEL, NOT_TRUSTED, WITHDRAWN
from modelops_pipelines.core.tables.training import FEEDBACK, LABEL, REVIEW

_PRECEDENCE = (WITHDRAWN, NOT_TRUSTED, LATER_LABEL, None)
"""Of a prediction without a label that counts, the last of these reasons is told."""


@dataclass(frozen=True)
class Candidate:
    """A label that somebody gave a prediction: ``source_id`` is its label_id or feedback_id.

    ``origin`` is review, label or feedback; ``withdrawn`` says that another row withdraws or deletes it.
    """

    origin: str
    source_id: str
    label: str | float
    known_at: datetime
    source: str | None = None
    author: str | None = None
    key_id: str | None = None
    withdrawn: bool = False


@dataclass(frozen=True)
class Choice:
    """The label that counts, or the one that would have, with the reason why none does.

    ``others`` is how many further labels count as candidates.
    """

    candidate: Candidate
    reason: str | None
    others: int


def choose_label(candidates: Sequence[Candidate], policy: TrainingPolicy, as_of: datetime | None = None) -> Choice:
    """Return which of a prediction's labels (at least one) counts, by what was known at ``as_of``.

    ``priority``: of the most trusted origin, the newest. ``newest``: by when it was known; at the same time the most
    trusted. ``majority``: each person or source has one vote, its newest label; of labels with as many votes that of
    the most trusted origin, then the newest. What is still equal is decided by the id.
    """
    distinct = list({one.source_id: one for one in candidates}.values())
    reasons = {one.source_id: _reason(one, policy, as_of) for one in distinct}
    best = max(_PRECEDENCE.index(reason) for reason in reasons.values())
    eligible = [one for one in distinct if _PRECEDENCE.index(reasons[one.source_id]) == best]
    chosen = _chosen(eligible, policy)
    counted = sum(reason is None for reason in reasons.values())
    return Choice(chosen, reasons[chosen.source_id], max(counted - 1, 0))


def candidates_of(
    labels: Iterable[Mapping[str, Any]],
    feedback: Iterable[Mapping[str, Any]],
    accepted: Mapping[str, tuple[str | float, datetime]],
    acceptance: str,
) -> dict[str, list[Candidate]]:
    """Return the candidates of each prediction, by rows of the lake's tables in any order.

    ``accepted`` has the label and the time of each accepted feedback; ``acceptance`` is the policy's ``feedback``.
    """
    found: dict[str, list[Candidate]] = {}
    known = list(labels)
    withdrawn = {row["withdraws"] for row in known}
    for row in (row for row in known if row["withdraws"] is None):
        one = Candidate(
            REVIEW if row["source"] == REVIEW else LABEL,
            row["label_id"],
            row["label"],
            row["labelled_at"],
            row["source"],
            row["author"],
            row["key_id"],
            row["label_id"] in withdrawn,
        )
        found.setdefault(row["prediction_id"], []).append(one)
    said = list(feedback)
    deleted = {row["deletes"] for row in said}
    for row in (row for row in said if row["deletes"] is None):
        label, known_at = _label_of_feedback(row, accepted, acceptance)
        if label is not None and known_at is not None:
            parts = (FEEDBACK, row["feedback_id"], label, known_at, None, row["user_id"], row["key_id"])
            found.setdefault(row["prediction_id"], []).append(Candidate(*parts, row["feedback_id"] in deleted))
    return found


def _label_of_feedback(
    row: Mapping[str, Any], accepted: Mapping[str, tuple[str | float, datetime]], acceptance: str
) -> tuple[str | float | None, datetime | None]:
    if acceptance == "accepted":
        return accepted.get(row["feedback_id"], (None, None))
    return (row["corrected_label"] if acceptance == "corrected" else None), row["given_at"] or row["received_at"]


def _reason(one: Candidate, policy: TrainingPolicy, as_of: datetime | None) -> str | None:
    if one.withdrawn:
        return WITHDRAWN
    if one.origin not in policy.labels:
        return NOT_TRUSTED
    return LATER_LABEL if as_of is not None and one.known_at > as_of else None


def _chosen(eligible: Sequence[Candidate], policy: TrainingPolicy) -> Candidate:
    votes: Counter[str | float] = Counter()
    voting = list(eligible)
    if policy.conflict == "majority":
        newest: dict[tuple[str, str | None, str | None], Candidate] = {}
        for one in sorted(eligible, key=lambda one: (one.known_at, one.source_id)):
            newest[one.origin, one.source, one.author] = one
        voting = list(newest.values())
        votes.update(one.label for one in voting)

    def key(one: Candidate) -> tuple[int, int, datetime, int, str]:
        trust = -policy.labels.index(one.origin) if one.origin in policy.labels else -len(policy.labels)
        return votes[one.label], 0 if policy.conflict == "newest" else trust, one.known_at, trust, one.source_id

    return max(voting, key=key)
