"""What is measured of a column in a window, channel by channel."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Channel: TypeAlias = Literal["distribution", "missing", "range", "shift"]


@dataclass(frozen=True)
class Measured:
    """A channel's effect in a window, the effect that is ordinary for a window of its size, and its p-value.

    The effect of a shift has a sign, and that of the last days together is ``lasting``; they begin at hour ``since``.
    """

    channel: Channel
    effect: float
    ordinary: float
    p_value: float
    lasting: float | None = None
    since: int | None = None
