"""The files of the spool at an instant, for a copy: every record that was acknowledged before is in one, or ingested.

Segments are listed, and looked up, as ``segments.listed`` and ``segments.names_of`` say.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from modelops_pipelines.store.filesystem.files import NotRegularError, open_regular
from modelops_pipelines.store.spool.segments import listed, names_of


def held_files(spool: Path, endpoint: str, stream: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield each segment of the stream with the file, opened; one that is ingested meanwhile is left out.

    The file of an open segment may end in the middle of a line: its record was not acknowledged.
    """
    folder = spool / endpoint / stream
    found = (segment for worker in folder.glob("*") for segment in listed(worker))
    for segment in sorted(found):
        for path in names_of(segment):
            try:
                opened = open_regular(path)
            except (FileNotFoundError, NotRegularError):
                continue
            with opened:
                yield path, opened
            break


def endpoints_in(spool: Path) -> list[str]:
    """Return the endpoints that have a folder in the spool."""
    return sorted(path.name for path in spool.glob("*") if path.is_dir())
