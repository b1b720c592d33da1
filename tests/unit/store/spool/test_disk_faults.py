"""Whatever the disk refuses, and wherever: what append acknowledged is read once, what it refused breaks nothing."""

import errno
import fcntl
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.store.spool.segments import SegmentWriter, encode, read_lines, sealed_segments
from modelops_pipelines.store.spool.waiting import pending_segments

BROKEN = [(errno.EIO, 1), (errno.ENOSPC, 2), (errno.EIO, 3), (errno.ENOSPC, 7)]


@dataclass
class Disk:
    """Counts every call that writes, and refuses some of them in a row."""

    patched: pytest.MonkeyPatch
    first: int
    many: int = 0
    error: int = errno.EIO
    calls: list[str] = field(default_factory=list)

    def refuses(self, name: str) -> bool:
        self.calls.append(name)
        return self.first <= len(self.calls) - 1 < self.first + self.many

    def check(self, name: str) -> None:
        if self.refuses(name):
            raise OSError(self.error, f"{name} refused")

    def install(self) -> None:
        disk, real_open = self, Path.open

        class File(io.FileIO):
            def write(self, content: Any) -> int:
                if disk.refuses("write"):
                    half = super().write(content[: len(content) // 2])
                    if disk.error == errno.ENOSPC:
                        return half
                    raise OSError(disk.error, "write refused")
                return super().write(content)

            def truncate(self, size: int | None = None) -> int:
                disk.check("truncate")
                return super().truncate(size)

        def opening(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if mode != "xb":
                return real_open(path, mode, *args, **kwargs)
            disk.check("open")
            return File(path, mode)

        self.patched.setattr(Path, "open", opening)
        for owner, name in ((Path, "mkdir"), (Path, "rename"), (os, "fdatasync"), (os, "fsync"), (fcntl, "flock")):
            self.patched.setattr(owner, name, self.refusing(name, getattr(owner, name)))

    def refusing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.check(name)
            return real(*args, **kwargs)

        return call


@contextmanager
def disk_that_refuses(first: int, many: int, error: int) -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as patched:
        disk = Disk(patched, first, many, error)
        disk.install()
        yield disk


def work(folder: Path, disk: Disk, *, dies: bool) -> list[int]:
    """Append and seal as the gateway does; return what was acknowledged."""
    writer, acknowledged = SegmentWriter(folder, "e", "labels", "w"), []
    for group in range(9):
        numbers = [group * 10 + n for n in range(1 + group % 3)]
        try:
            writer.append(b"".join(encode({"n": n, "text": "x" * 50}) for n in numbers), 0.0)
        except OSError:
            continue
        acknowledged += numbers
        if group % 3 == 2:
            seal(writer)
    if dies:
        assert writer._handle is None or writer._handle.close() is None
    else:
        disk.many = 0
        seal(writer)
    return acknowledged


def seal(writer: SegmentWriter) -> None:
    try:
        writer.seal()
    except OSError:
        return  # as the gateway: tried again later


def calls_of_a_healthy_disk(folder: Path) -> int:
    with disk_that_refuses(0, 0, 0) as disk:
        assert 18 == len(work(folder, disk, dies=False))
    assert {"open", "mkdir", "rename", "fdatasync", "fsync", "flock", "write"} <= set(disk.calls)
    return len(disk.calls)


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize(("error", "many"), BROKEN)
def test_what_was_acknowledged_is_read_once_whatever_the_disk_refused(
    tmp_path: Path, error: int, many: int, *, dies: bool
) -> None:
    for first in range(calls_of_a_healthy_disk(tmp_path / "healthy")):
        folder = tmp_path / str(first)
        with disk_that_refuses(first, many, error) as disk:
            acknowledged = work(folder, disk, dies=dies)
        read = [line for segment in sealed_segments(folder, "e", "labels") for line in read_lines(segment)]
        found = Counter(line.record["n"] for line in read if line.record)
        told = f"{disk.calls[first]} refused as call {first}"
        assert dict.fromkeys(acknowledged, 1) == {n: found[n] for n in acknowledged}, told
        assert set(found.values()) <= {1}, told
        assert [] == [line.fault for line in read if line.fault and not line.fault.startswith("torn")], told
        assert [] == [path for path in folder.glob("*/*/*/*") if path.suffix != ".jsonl"], told


def test_the_seal_is_right_after_a_write_that_was_cut_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SegmentWriter(tmp_path, "e", "labels", "w")
    writer.append(encode({"n": 1}), 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", refuse)
        for refused in (lambda: writer.append(encode({"n": 2}), 0.0), writer.seal):
            with pytest.raises(OSError):
                refused()
    writer.append(encode({"n": 3}), 0.0)
    writer.seal()
    (segment,) = sealed_segments(tmp_path, "e", "labels")
    assert [({"n": 1}, None), ({"n": 3}, None)] == [(line.record, line.fault) for line in read_lines(segment)]
    assert b'{"seal":{"lines":2,' in segment.path.read_bytes()


def test_a_dead_worker_s_segment_that_cannot_be_sealed_waits_and_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for worker in ("dead", "other"):
        writer = SegmentWriter(tmp_path, "e", "labels", worker)
        writer.append(encode({"n": worker}), 0.0)
        writer.seal()
    dead = tmp_path / "e/labels/dead/000000000001.jsonl"
    dead.write_bytes(encode({"n": "dead"}))
    dead.rename(dead.with_suffix(".open"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        assert ["other"] == [segment.worker for segment in sealed_segments(tmp_path, "e", "labels")]
    assert ["dead", "other"] == [segment.worker for segment in sealed_segments(tmp_path, "e", "labels")]
    assert [["labels/dead/000000000001", "labels/other/000000000001"]] == [pending_segments(tmp_path, "e")]


def refuse(*_: object) -> None:
    raise OSError(errno.EIO, "refused")
