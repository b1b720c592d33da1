"""Random bytes from the system, fetched many at a time: a system call a request hands the interpreter's lock around."""

import os

FETCHED = 4096


class Entropy:
    """The system's random bytes, each given out once. For one thread only; made anew in each process."""

    def __init__(self) -> None:
        """Fetch nothing yet."""
        self._bytes, self._at = b"", 0

    def take(self, count: int) -> bytes:
        """Return ``count`` random bytes."""
        if self._at + count > len(self._bytes):
            self._bytes, self._at = os.urandom(FETCHED), 0
        self._at += count
        return self._bytes[self._at - count : self._at]
