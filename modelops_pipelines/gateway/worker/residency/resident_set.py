"""Which versions leave the memory so that the others fit: those of the endpoints that were used least recently. Pure.

The budget is one of memory, not a promise: what answers a request, and what is pinned, stays although it is exceeded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NONE, ANSWERING, WITH_PREVIOUS = 0, 1, 2
"""``min_resident``: how much of an endpoint never leaves. Its versions that answer; the champion before them too."""


@dataclass(frozen=True)
class Resident:
    """What of one endpoint is in memory and leaves together: the versions that answer, or the others.

    ``used_at`` is when the endpoint was asked last (monotonic seconds). ``busy`` says that it answers requests now,
    ``new`` that it has a version on trial, or a champion in its watch period: a rollback may be due any moment.
    """

    endpoint: str
    answers: bool
    bytes: int
    used_at: float
    min_resident: int = NONE
    busy: bool = False
    new: bool = False

    @property
    def may_leave(self) -> bool:
        """Whether it may leave the memory at all."""
        return not self.busy and not self.is_pinned

    @property
    def is_pinned(self) -> bool:
        """Whether the endpoint's YAML keeps it in memory."""
        return self.min_resident >= (ANSWERING if self.answers else WITH_PREVIOUS)

    @property
    def order(self) -> tuple[bool, float, str, bool]:
        """What leaves first: the least recently used, of an endpoint its earlier versions; what is new, last."""
        return self.new, self.used_at, self.endpoint, self.answers


def total(residents: Iterable[Resident]) -> int:
    """Return the bytes of all of them."""
    return sum(one.bytes for one in residents)


def to_leave(residents: Sequence[Resident], budget: int | None, wanted: int = 0) -> list[Resident]:
    """Return what leaves, in order, so that ``wanted`` bytes more fit into the budget (None: without limit).

    It is the shortest beginning of the order that makes enough room, or all that may leave where nothing does.
    """
    if budget is None:
        return []
    excess, leaving = total(residents) + wanted - budget, []
    for one in sorted((one for one in residents if one.may_leave), key=lambda one: one.order):
        if excess <= 0:
            break
        leaving.append(one)
        excess -= one.bytes
    return leaving
