"""What became of one try to send a message. Its words are ours: no answer, address or secret is quoted."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Outcome:
    """Whether the receiver has taken the message; if not, why.

    ``is_refused``: it will never take this message. ``is_off``: it wants no more messages at all. ``is_down``: it is
    the receiver that fails and not this message, so others wait too. ``retry_after`` is how long it asks us to wait.
    """

    is_delivered: bool
    error: str = ""
    is_refused: bool = False
    is_off: bool = False
    is_down: bool = False
    retry_after: timedelta | None = None


DELIVERED = Outcome(is_delivered=True)


def failed(error: str, *, is_down: bool = True) -> Outcome:
    """Return the outcome of a try that may succeed later."""
    return Outcome(is_delivered=False, error=error, is_down=is_down)
