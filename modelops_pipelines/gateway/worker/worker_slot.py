"""Which of its workers a process is: the first slot whose lock nobody holds; the system frees it when one dies."""

import time
from pathlib import Path

from filelock import FileLock, Timeout

from modelops_pipelines.core.errors import BusyError

PATIENCE_SECONDS = 10.0
_held: list[FileLock] = []


def claim_slot(folder: Path, port: int, workers: int) -> int:
    """Return this process's number among the workers of the gateway at this port, and keep it until it ends.

    Raises BusyError when other processes hold all of them for PATIENCE_SECONDS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for slot in range(workers):
            lock = FileLock(folder / f"gateway.{port}.{slot}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            _held.append(lock)
            return slot
        time.sleep(0.1)
    raise BusyError(
        f"{workers} worker(s) of the gateway at port {port} are running already", "End them, or wait until they have"
    )
