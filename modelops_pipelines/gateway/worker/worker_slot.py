"""The number of a gateway worker: the first slot whose file lock is free. The system frees a dead worker's lock."""

import time
from pathlib import Path

from filelock import FileLock, Timeout

from modelops_pipelines.core.errors import BusyError

PATIENCE_SECONDS = 10.0
_held: list[FileLock] = []


def claim_slot(folder: Path, port: int, workers: int) -> int:
    """Return this process's number, from 0, among the gateway's workers at this port, held until the process ends.

    Raises BusyError when other processes hold every slot for PATIENCE_SECONDS.
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
        f"{workers} gateway worker(s) are already running at port {port}",
        "Stop that gateway, or set MODELOPS_GATEWAY_PORT to another port",
    )
