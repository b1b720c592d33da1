"""Runs what may hang for a short time only: reading the lake must not hold up a message.

A reading that is late goes on in its thread, and until it ends no other one is begun.
"""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_LOG = logging.getLogger("modelops")
_UNDER_WAY = threading.Lock()


def in_time(work: Callable[[], list[_T]], seconds: float) -> list[_T]:
    """Return what ``work`` returns within so many seconds; else, or where it fails, nothing."""
    if seconds <= 0 or not _UNDER_WAY.acquire(timeout=seconds):
        return []
    found: list[_T] = []

    def run() -> None:
        try:
            found.extend(or_nothing(work))
        finally:
            _UNDER_WAY.release()

    thread = threading.Thread(target=run, name="causes", daemon=True)
    thread.start()
    thread.join(seconds)
    return [] if thread.is_alive() else found


def or_nothing(work: Callable[[], list[_T]]) -> list[_T]:
    """Return what ``work`` returns; nothing where it fails: a message is sent without what could not be found."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever fails, the message is sent
        _LOG.warning("The cause of an alert could not be looked for (%s)", type(error).__name__)
        return []
