"""Random bytes from the operating system, fetched 4096 at a time: a system call per request would release the GIL."""

import os

FETCHED = 4096


class Entropy:
    """The system's random bytes, each returned once. For one thread only; create one per process."""

    def __init__(self) -> None:
        """Start empty."""
        self._bytes, self._at = b"", 0

    def take(self, count: int) -> bytes:
        """Return ``count`` random bytes."""
        if self._at + count > len(self._bytes):
            self._bytes, self._at = os.urandom(FETCHED), 0
        self._at += count
        return self._bytes[self._at - count : self._at]
