"""What reviewers' verdicts add up to: whether an item is decided, and which label it gives."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

VerdictKind = Literal["confirm", "correct", "reject"]
ItemStatus = Literal["open", "decided", "done", "dropped"]
VERDICTS: tuple[str, ...] = get_args(VerdictKind)
ITEM_STATUSES: tuple[str, ...] = get_args(ItemStatus)
OPEN, DECIDED, DONE, DROPPED = ITEM_STATUSES
"""``decided``: enough verdicts agree, and the labels are about to be written."""
CONFIRM, CORRECT, REJECT = VERDICTS
CANNOT_JUDGE = "(cannot be judged)"


@dataclass(frozen=True)
class Verdict:
    """A reviewer's verdict on an item: ``label`` is the true class or number as text, None for reject."""

    reviewer: str
    verdict: str
    label: str | None
    at: datetime
    note: str | None = None

    @property
    def outcome(self) -> str:
        """What the reviewer says, as one text: verdicts with the same outcome agree."""
        return CANNOT_JUDGE if self.label is None else self.label


def deciding(verdicts: Sequence[Verdict], wanted: int) -> list[Verdict]:
    """Return the verdicts that decide an item, all of one outcome; none while it stays open.

    It is decided by at least ``wanted`` verdicts of which more than half have the same outcome. So a conflict between
    two reviewers stays open until a third agrees with one of them, or one of them changes the verdict.
    """
    if len(verdicts) < max(1, wanted):
        return []
    outcome, votes = Counter(one.outcome for one in verdicts).most_common(1)[0]
    return [one for one in verdicts if one.outcome == outcome] if 2 * votes > len(verdicts) else []


def is_conflict(verdicts: Sequence[Verdict]) -> bool:
    """Return whether reviewers say different things."""
    return len({one.outcome for one in verdicts}) > 1
