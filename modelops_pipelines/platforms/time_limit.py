"""A limit of time for a block, whatever runs in it: an alarm raises in its midst, as a key of a keyboard does."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 30.0
"""The alarm comes again after so long, as foreign code may drop what is raised in it."""


class OutOfTimeError(BaseException):
    """A block took longer than it may. Not an Exception: what keeps the errors of foreign code lets it pass."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the block, or as it ends, once so many seconds have gone; at once where none are left.

    Code in C is not stopped before it returns. Python has alarms in a process's main thread only: in another one there
    is no limit. An alarm that was set before goes on afterwards.
    """
    if seconds <= 0:
        raise OutOfTimeError
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _raise)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - begun)), interval)
    if time.monotonic() - begun >= seconds:
        raise OutOfTimeError


def _raise(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTimeError
