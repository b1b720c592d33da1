"""Workers that ended: the supervisor notes how, and the worker that takes the place finishes what is left to record."""

import json
import logging
import signal
from collections import Counter
from datetime import datetime
from pathlib import Path

from modelops_pipelines.core.release.crash_guard import CRASH, UNTESTED, Crash
from modelops_pipelines.core.timestamps import from_micros
from modelops_pipelines.gateway.bodies.headers import Call
from modelops_pipelines.gateway.worker.request_marks import LeftBehind, UnderWay
from modelops_pipelines.store.settings import Settings

OWN_FAULT = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
"""Signals that a process brings upon itself; SIGKILL and SIGTERM come from outside."""
KEPT = 100
_LOG = logging.getLogger("modelops.gateway")


def ends_file(settings: Settings) -> Path:
    """Return where the supervisor of the gateway notes how its workers ended."""
    return settings.home / "locks" / f"gateway.{settings.gateway_port}.ends.json"


def note_end(path: Path, pid: int, exit_code: int) -> None:
    """Note how a worker ended (``exit_code`` as multiprocessing gives it: minus the signal's number)."""
    ends = [*_ends(path), [pid, exit_code]][-KEPT:]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(ends))
    temporary.replace(path)


def cause_of(path: Path, pid: int) -> str | None:
    """Return the signal by which a worker ended through its own doing; None when it ended otherwise."""
    code = next((code for known, code in reversed(_ends(path)) if known == pid), 0)
    return signal.Signals(-code).name if -code in OWN_FAULT else None


def crashes_left(left: LeftBehind, cause: str, at: datetime) -> dict[tuple[str, str], Crash]:
    """Return a crash for each endpoint and version that was predicting in the worker when it ended."""
    rows: dict[tuple[str, str], set[str]] = {}
    for request, in_model in left.requests:
        if in_model and not request.own_process:
            rows.setdefault((request.endpoint, request.version), set()).add(request.digest)
    return {key: Crash(CRASH, cause, frozenset(known), at, compared=UNTESTED) for key, known in rows.items()}


def call_of(request: UnderWay) -> Call:
    """Return the headers of a request that was never answered."""
    return Call(
        None,
        request.user,
        request.session,
        request.client,
        None,
        "",
        None,
        request.is_test,
        from_micros(request.received),
        0.0,
    )


def describe_left(left: LeftBehind) -> str:
    """Return in words what a worker that ended had under way."""
    counts = Counter(f"version {one.version} of {one.endpoint}" for one, _ in left.requests)
    return ", ".join(f"{count} request(s) to {name}" for name, count in sorted(counts.items()))


def _ends(path: Path) -> list[list[int]]:
    try:
        return [[int(pid), int(code)] for pid, code in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
