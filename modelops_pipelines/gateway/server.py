"""Run the gateway: uvicorn with one or more workers, on loopback by default."""

import errno
import multiprocessing
import os
import socket
import sys
from typing import TYPE_CHECKING

from modelops_pipelines.core.errors import ModelOpsError, PermanentError, SettingsError
from modelops_pipelines.gateway.access.keyring import require_safe_binding
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.gateway.app import Gateway

SWITCH_SECONDS = 0.0005
"""Python's default of 0.005 s lets a busy event loop delay the capture thread, and so the answers (measured)."""
DRAIN_SECONDS = 10


def serve(stores: Stores) -> None:
    """Serve until the process receives SIGTERM or SIGINT.

    Several workers share one listening socket; one that dies is replaced. Raises SettingsError when the port is in
    use, or when the address is not loopback and no API key exists.
    """
    settings = stores.settings
    require_safe_binding(settings.host, has_keys=bool(stores.keys.list()))
    listener = bind(settings.host, settings.gateway_port)
    os.environ |= settings.environment()  # the workers read their settings from it
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of forests compete with the workers for cores (measured)
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(
        "modelops_pipelines.gateway.server:application",
        factory=True,
        workers=settings.workers,
        log_config=None,
        lifespan="on",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    if settings.workers == 1:
        uvicorn.Server(config).run(sockets=[listener])
        return
    stores.database.close()
    _fork_from_a_warm_process()
    Multiprocess(config, sockets=[listener]).run()


def _fork_from_a_warm_process() -> None:
    """Have uvicorn's supervisor fork workers from a process that has already imported the heavy packages.

    A dead worker is replaced in one second instead of five, and the workers share the memory of the imported modules.
    """
    import uvicorn._subprocess

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["modelops_pipelines.gateway.app", "mlflow.sklearn", "sklearn.ensemble", "skops.io"])
    uvicorn._subprocess.spawn = context  # type: ignore[assignment]  # noqa: SLF001 - it has no setting for this


def application() -> "Gateway":
    """Return the worker's application; uvicorn calls this in each worker process."""
    from modelops_pipelines.gateway.app import Gateway

    sys.setswitchinterval(SWITCH_SECONDS)
    return Gateway(Stores())


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises SettingsError when the port is in use or may not be bound."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
        raise SettingsError(
            f"The gateway's address {host}:{port} {why}",
            "Stop the process that listens there, or set MODELOPS_GATEWAY_PORT to a free port",
        ) from error
    return listener


def main() -> None:
    """Run the gateway of the current folder's project; a ModelOpsError goes to stderr and sets the exit code."""
    try:
        serve(Stores())
    except ModelOpsError as error:
        sys.stderr.write(f"modelops gateway: {error}\n")
        sys.exit(3 if isinstance(error, PermanentError) else 4)


if __name__ == "__main__":
    main()
