"""The test of a lasting shift in the form of the other tests."""

from dataclasses import dataclass
from typing import ClassVar

from modelops_pipelines.core.drift.channels.lasting_shift import LastingShift
from modelops_pipelines.core.drift.channels.measured import Channel, Measured


@dataclass(frozen=True)
class ShiftTest:
    """The test of the last days together. Its measured effect is that of the window's day."""

    found: LastingShift
    floor: float

    channel: ClassVar[Channel] = "shift"
    most: ClassVar[float | None] = None

    @property
    def value(self) -> float:
        """The size of the shift, in standard deviations of the values."""
        return abs(self.found.shift)

    @property
    def effect(self) -> float:
        """The size in units of the smallest relevant one."""
        return self.value / self.floor

    @property
    def p_value(self) -> float:
        """Probability of such a shift by chance, in any of the spans tried."""
        return self.found.p_value

    @property
    def measured(self) -> Measured:
        """The effect of the window's day, and that of the last days together."""
        one, floor = self.found, self.floor
        return Measured("shift", one.today / floor, one.ordinary / floor, one.p_value, one.shift / floor, one.since)

    def value_at(self, level: float) -> float:
        """Return the shift whose p-value is ``level``."""
        return self.found.shift_at(level)
