"""The files of the spool at an instant, for a copy: every record that was acknowledged before is in one, or ingested.

A segment is renamed when it is sealed, and a folder that is being listed may show a renamed file not at all. So each
folder is listed twice: a segment is renamed once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from modelops_pipelines.store.spool.segments import OPEN, SEALED


def held_files(spool: Path, endpoint: str, stream: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield each segment of the stream with the file, opened; one that is ingested meanwhile is left out.

    The file of an open segment may end in the middle of a line: its record was not acknowledged.
    """
    folder = spool / endpoint / stream
    listed = {path.with_suffix("") for _ in range(2) for path in folder.glob("*/*") if path.suffix in (OPEN, SEALED)}
    for segment in sorted(listed):
        for ending in (OPEN, SEALED):  # in the order in which it is renamed
            path = segment.with_suffix(ending)
            try:
                opened = path.open("rb")
            except FileNotFoundError:
                continue
            with opened:
                yield path, opened
            break


def endpoints_in(spool: Path) -> list[str]:
    """Return the endpoints that have a folder in the spool."""
    return sorted(path.name for path in spool.glob("*") if path.is_dir())
