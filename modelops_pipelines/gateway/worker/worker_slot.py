"""The slot of files of a gateway worker, held by a file lock. The system frees a dead worker's lock."""

from pathlib import Path

from filelock import FileLock, Timeout

from modelops_pipelines.core.errors import BusyError

PATIENCE_SECONDS = 10.0
_held: list[FileLock] = []


def claim_slot(folder: Path, port: int, slot: int) -> None:
    """Hold a worker's slot of files, at this port, until the process ends.

    Raises BusyError when another process holds it for PATIENCE_SECONDS: the workers of a gateway that was killed end a
    moment after it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"gateway.{port}.{slot}.lock")
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout as error:
        raise BusyError(
            f"A worker of another gateway at port {port} is still running",
            "Stop that gateway, or set MODELOPS_GATEWAY_PORT to another port",
        ) from error
    _held.append(lock)
