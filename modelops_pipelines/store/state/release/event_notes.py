"""The second record of the history, in a file beside the database: each event's number and hash, one a line.

The database alone cannot show that its newest events were removed, or all of them, with the hash that it keeps of the
newest. Each hash covers all events before it, so a line that is missing after a crash is no loss.
"""

import logging
import os
from pathlib import Path

from modelops_pipelines.store.filesystem.files import sync

_LOG = logging.getLogger("modelops")
_HASH_LENGTH = 64


class EventNotes:
    """The file with the events' hashes."""

    def __init__(self, path: Path) -> None:
        """Use this file; the first event creates it."""
        self.path = path

    def add(self, number: int, seal: str) -> None:
        """Add an event that was written. A failure is logged: the change itself is made."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, f"\n{number} {seal}\n".encode())  # apart from one that a crash cut short
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                sync(self.path.parent)
        except OSError as error:
            _LOG.warning("Event %d could not be noted in %s (%s)", number, self.path, error.strerror)

    def read(self) -> list[tuple[int, str]] | None:
        """Return the events' numbers and hashes in the order of the lines; None without the file.

        Lines that are no record, such as one cut short by a crash, are left out.
        """
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return None
        found = [line.split() for line in lines]
        return [
            (int(parts[0]), parts[1])
            for parts in found
            if len(parts) == 2 and parts[0].isdecimal() and len(parts[1]) == _HASH_LENGTH  # noqa: PLR2004 - a pair
        ]
