"""The listing of the rows that an import could not take: place, row and cause, without any of the row's values."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from modelops_pipelines.store.settings import Settings


def refused_path(settings: Settings, endpoint: str) -> Path:
    """Return the file of the endpoint's last import that refused rows."""
    return settings.home / "imports" / f"{endpoint}.refused.jsonl"


class RefusedRows:
    """Collects the refused rows of one import in a file, which takes the place of the last one's at the end."""

    def __init__(self, settings: Settings, endpoint: str) -> None:
        """Write nothing before the first refused row."""
        self._path = refused_path(settings, endpoint)
        self._draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        self._handle: BinaryIO | None = None

    def add(self, source: str, refused: Sequence[tuple[int, str]]) -> None:
        """Write refused rows of a source."""
        if not refused:
            return
        if self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self._draft.open("wb")
        lines = [{"source": source, "row": number, "reason": why} for number, why in refused]
        self._handle.write(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    def keep(self) -> str | None:
        """Put the file in its place, and return where it is; None when no row was refused."""
        if self._handle is None:
            return None
        self._handle.close()
        self._draft.replace(self._path)
        self._handle = None
        return str(self._path)

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what was collected, also when the import ends with an error."""
        self.keep()
