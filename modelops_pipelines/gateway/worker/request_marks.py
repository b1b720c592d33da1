"""Requests under way, in a file that outlives the worker: who replaces a worker that ended finds what it was doing.

A version whose files are data only predicts in the worker; native code that crashes on a row takes the worker along.
Each request is marked before a model sees it, and the mark is removed when its record is in the spool. A mark costs
about 5 us: the file is mapped into memory, and the kernel keeps it when the process dies. What the capture policy
redacts is in no mark.
"""

import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from modelops_pipelines.store.filesystem.files import reserve

SLOTS, SLOT_BYTES = 1024, 1024
FREE, WAITING, IN_MODEL, ANSWERED = 0, 1, 2, 3
_HEADER = struct.Struct("!q36s")
_SIZE = struct.Struct("!H")
_START = 64
_BYTES = 12


@dataclass(frozen=True)
class UnderWay:
    """One request: what its record needs when it is never answered. ``received`` is in microseconds, UTC."""

    endpoint: str
    version: str
    variant: str
    digest: str
    received: int
    user: str | None
    session: str | None
    client: str | None
    key_id: str | None
    is_test: bool
    own_process: bool


class Mark:
    """One marked request; ``enter`` and ``leave`` say when a model has it."""

    def __init__(self, marks: "RequestMarks", slot: int) -> None:
        """Hold one slot of the file."""
        self._marks, self._slot, self._is_removed = marks, slot, False

    def enter(self) -> None:
        """Note that a model is about to see the request."""
        self._set(IN_MODEL)

    def leave(self) -> None:
        """Note that the model has answered; this may come after the request's deadline, when the mark is removed."""
        self._set(ANSWERED)

    def remove(self) -> None:
        """Remove the mark: the request has its record."""
        self._is_removed = True
        self._marks.release(self._slot)

    def _set(self, state: int) -> None:
        if not self._is_removed:
            self._marks.set_state(self._slot, state)


class RequestMarks:
    """The marks of one worker; for its event loop's thread only."""

    def __init__(self, path: Path) -> None:
        """Begin the file anew, for this process; read ``left_behind`` before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            reserve(opened, _START + SLOTS * SLOT_BYTES)
            self._map = mmap.mmap(opened, _START + SLOTS * SLOT_BYTES)
        finally:
            os.close(opened)
        self._map[: _HEADER.size] = _HEADER.pack(os.getpid(), _boot())
        self._free = list(range(SLOTS))

    def add(self, request: UnderWay) -> Mark | None:
        """Mark a request; None when its description is too long, or too many are under way."""
        content = orjson.dumps(list(vars(request).values()))
        if not self._free or len(content) > SLOT_BYTES - 1 - _SIZE.size:
            return None
        slot = self._free.pop()
        start = _START + slot * SLOT_BYTES
        end = start + 1 + _SIZE.size + len(content)
        self._map[start + 1 : end] = _SIZE.pack(len(content)) + content
        self._map[start] = WAITING
        return Mark(self, slot)

    def set_state(self, slot: int, state: int) -> None:
        """Write one state."""
        self._map[_START + slot * SLOT_BYTES] = state

    def release(self, slot: int) -> None:
        """Free a slot, and leave nothing of the request on the disk: who it was of may be erased later."""
        start = _START + slot * SLOT_BYTES
        self._map[start] = FREE
        [size] = _SIZE.unpack_from(self._map, start + 1)
        self._map[start + 1 : start + 1 + _SIZE.size + size] = bytes(_SIZE.size + size)
        self._free.append(slot)


@dataclass(frozen=True)
class LeftBehind:
    """What a worker that ended was doing: its process id, and its requests, with whether a model had each."""

    pid: int
    requests: list[tuple[UnderWay, bool]]


def left_behind(path: Path) -> LeftBehind | None:
    """Return what the file's last worker was doing when it ended.

    None without a file, when it is damaged, and after the machine was started again: what had reached the disk by then
    may be older than the log.
    """
    with suppress(OSError, struct.error):
        content = path.read_bytes()
        pid, boot = _HEADER.unpack_from(content)
        return LeftBehind(pid, list(_marked(content))) if boot == _boot() else None
    return None


def _boot() -> bytes:
    """Return what tells one start of the machine from the next, where the system says it (Linux)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip().ljust(36)[:36]
    except OSError:
        return b"unknown".ljust(36)


def digest_of(content: bytes) -> str:
    """Return the hash by which a body is told apart."""
    return hashlib.blake2b(content, digest_size=_BYTES).hexdigest()


def _marked(content: bytes) -> Iterator[tuple[UnderWay, bool]]:
    for start in range(_START, len(content), SLOT_BYTES):
        if content[start] == FREE:
            continue
        [size] = _SIZE.unpack_from(content, start + 1)
        begin = start + 1 + _SIZE.size
        with suppress(orjson.JSONDecodeError, TypeError):
            yield UnderWay(*orjson.loads(content[begin : begin + size])), content[start] == IN_MODEL
