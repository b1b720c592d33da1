"""A folder whose files and folders are watched by the kernel (inotify): whoever opens, reads or changes one is told."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_EVENT = struct.Struct("iIII")
_ALL = 0xFFF
"""Open, read, write, attributes, close, create, delete, move."""
_NON_BLOCKING, _OVERFLOW = 0x800, 0x4000


class Watched:
    """What has happened to a folder, and to all that is below it, since it is watched."""

    def __init__(self, folder: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "inotify_init1"):
            pytest.skip("this system has no inotify")
        self._descriptor = library.inotify_init1(_NON_BLOCKING)
        self._names: dict[int, Path] = {}
        for path in (folder, *(one for one in folder.rglob("*") if one.is_dir())):
            watch = library.inotify_add_watch(self._descriptor, os.fsencode(path), _ALL)
            assert watch >= 0, f"{path}: {os.strerror(ctypes.get_errno())}"
            self._names[watch] = path
        self.events()  # to list the folders was to open them

    def events(self) -> list[str]:
        """Return the paths that something happened to since the last call, each with the kind of event in hex."""
        found: list[str] = []
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return found
            while data:
                watch, mask, _, length = _EVENT.unpack_from(data)
                name = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0").decode()
                assert not mask & _OVERFLOW, "more happened than the kernel keeps"
                found.append(f"{self._names[watch] / name} {mask & 0xFFFF:#x}")
                data = data[_EVENT.size + length :]

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Watch the folder while the block runs."""
    made = Watched(folder)
    try:
        yield made
    finally:
        made.close()
