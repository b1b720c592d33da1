"""A clock that tests move."""

from dataclasses import dataclass

SECOND = 1_000_000_000


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: int = 10**15

    def __call__(self) -> int:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)
