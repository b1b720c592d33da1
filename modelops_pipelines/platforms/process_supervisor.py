"""The process between ours and one that runs foreign code, a trainer or a model: it ends that one and all it started.

``python -m modelops_pipelines.platforms.process_supervisor FOLDER SECONDS MIB OUTPUT -- COMMAND...``

It does so when the command ends, when it passes a limit of time or memory, and when our process dies. Not a thread of
either: foreign code may keep Python's lock for minutes, and our process may be killed. Its standard input is a pipe
that our process holds: when that closes, the command's processes are killed. Only the standard library is imported, so
that it starts at once. What the command prints is kept up to ``2 * KEPT`` bytes: its beginning and its end. The
command's processes are all its descendants, also those in a session of their own and those whose parent has ended: the
system gives such orphans to this process (Linux). Memory is the resident set of them all, read from ``/proc``; where
there is none, only the peak of the ended ones is known, no limit holds but that of the command itself, and the
processes of the command's group are ended.

The first line of the standard input is passed on to the command's: settings that its environment does not show.
"""

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SUPERVISOR = "modelops_pipelines.platforms.process_supervisor"
RESULT = "result.json"
TIMED_OUT, OUT_OF_MEMORY, ABANDONED = "timed out", "out of memory", "abandoned"
KEPT = 512 * 1024
"""Bytes that are kept of the beginning of the output, and again of its end."""
POLL_SECONDS = 0.1
END_SECONDS = 20.0
"""How long processes are killed that go on to start others."""
_PAUSE = 0.01
_ADOPTS_ORPHANS = 36
"""``PR_SET_CHILD_SUBREAPER`` of Linux's ``prctl``."""
_MIB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class _Process:
    """A process as ``/proc`` shows it; ``pages`` are resident."""

    pid: int
    parent: int
    state: str
    pages: int


class _Output:
    """The file with what the command prints: its first bytes at once, its last ones at the end."""

    def __init__(self, path: Path) -> None:
        self._file, self._room = path.open("wb"), KEPT
        self._end: deque[bytes] = deque()
        self._held = self._dropped = 0

    def write(self, printed: bytes) -> None:
        first, rest = printed[: self._room], printed[self._room :]
        self._room -= len(first)
        self._file.write(first)
        self._file.flush()
        if rest:
            self._end.append(rest)
            self._held += len(rest)
        while self._end and self._held - len(self._end[0]) >= KEPT:
            gone = len(self._end.popleft())
            self._held, self._dropped = self._held - gone, self._dropped + gone

    def close(self) -> None:
        end = b"".join(self._end)
        left_out = self._dropped + max(0, len(end) - KEPT)
        if left_out:
            self._file.write(f"\n[{left_out} bytes left out]\n".encode())
        self._file.write(end[-KEPT:])
        self._file.close()


def main(folder: Path, seconds: float, mib: float, output: Path, command: list[str]) -> None:
    """Run the command within its limits; write how it ended to the folder."""
    began = time.monotonic()
    _adopt_orphans()
    passed_on = sys.stdin.buffer.readline()
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    )
    assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - pipes were asked for
    os.set_blocking(child.stdout.fileno(), False)
    kept = _Output(output)
    try:
        with suppress(BrokenPipeError), child.stdin as given:
            given.write(passed_on)
        ended, peak = _watch(child, child.stdout, kept, began + seconds, mib)
    finally:
        _end_all(child)
        _drain(child.stdout, kept)
        kept.close()
    peak = max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _per_mib())
    result = {"exit": child.returncode, "ended": ended, "seconds": time.monotonic() - began, "peak_mib": peak}
    partial = folder / f"{RESULT}.partial"
    partial.write_text(json.dumps(result))
    partial.rename(folder / RESULT)


def _watch(
    child: "subprocess.Popen[bytes]", printed: IO[bytes], kept: _Output, deadline: float, mib: float
) -> tuple[str | None, float]:
    """Wait until the child ends or has to be ended; return why it has to be, and the most memory seen (MiB)."""
    peak, sources = 0.0, [sys.stdin.buffer, printed]
    while True:
        ready, _, _ = select.select(sources, [], [], POLL_SECONDS)
        if sys.stdin.buffer in ready and not os.read(sys.stdin.fileno(), 1024):
            return ABANDONED, peak
        if printed in ready and not _drain(printed, kept):
            sources.remove(printed)
        peak = max(peak, resident_mib(_descendants(reaped_by_other=child.pid)))
        if child.poll() is not None:
            return None, peak
        if peak > mib:
            return OUT_OF_MEMORY, peak
        if time.monotonic() > deadline:
            return TIMED_OUT, peak


def _drain(printed: IO[bytes], kept: _Output) -> bool:
    """Keep what is there to read; return whether more may come."""
    while True:
        try:
            some = os.read(printed.fileno(), 65_536)
        except BlockingIOError:
            return True
        if not some:
            return False
        kept.write(some)


def _adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends, so that none of them is lost (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPTS_ORPHANS, 1, 0, 0, 0)


def _end_all(child: "subprocess.Popen[bytes]") -> None:
    """Kill the child and all its descendants, with what they start meanwhile, until none is left."""
    child.kill()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + END_SECONDS
    while _has_children() and time.monotonic() < deadline:
        for process in _descendants():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(_PAUSE)


def _has_children() -> bool:
    """Return whether this process has any children that run; those that have ended are taken off the system's list."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants(reaped_by_other: int | None = None) -> list[_Process]:
    """Return this process's descendants; adopted ones that have ended are taken off the system's list.

    ``reaped_by_other`` is a child whose end another asks for.
    """
    children: dict[int, list[_Process]] = {}
    for process in _all_processes():
        children.setdefault(process.parent, []).append(process)
    for process in children.get(os.getpid(), []):
        if process.state == "Z" and process.pid != reaped_by_other:
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
    found = list(children.get(os.getpid(), []))
    for process in found:  # grows: what each of them started follows
        found += children.get(process.pid, [])
    return found


def _all_processes() -> Iterator[_Process]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            yield _Process(int(stat.parent.name), int(fields[1]), fields[0], int(fields[21]))


def resident_mib(processes: Iterable[_Process]) -> float:
    """Return the resident memory of the processes, in MiB."""
    return sum(process.pages for process in processes) * _PAGE / _MIB


def _per_mib() -> int:
    """Return how many units of ``ru_maxrss`` a MiB has: kilobytes on Linux, bytes on macOS."""
    return _MIB if sys.platform == "darwin" else 1024


if __name__ == "__main__":
    split = sys.argv.index("--")
    given = sys.argv[1:split]
    main(Path(given[0]), float(given[1]), float(given[2]), Path(given[3]), sys.argv[split + 1 :])
