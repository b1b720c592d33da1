"""Waiting for what other processes do."""

import time
from typing import Any


def wait_until(condition: Any, seconds: float) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.05)
