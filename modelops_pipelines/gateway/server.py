"""Run the gateway: one uvicorn process on loopback unless told otherwise."""

import errno
import os
import socket
import sys

from modelops_pipelines.core.errors import ModelOpsError, PermanentError, SettingsError
from modelops_pipelines.store.stores import Stores

SWITCH_SECONDS = 0.0005
"""Python's own 0.005 lets a busy event loop keep the capture thread, and so the answers, waiting (measured)."""


def serve(stores: Stores) -> None:
    """Serve until the process is told to stop; raises SettingsError when the port is in use."""
    settings = stores.settings
    listener = bind(settings.host, settings.gateway_port)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # forests' threads fight each other for two cores (measured)
    sys.setswitchinterval(SWITCH_SECONDS)
    import uvicorn

    from modelops_pipelines.gateway.app import Gateway

    address = f"http://{settings.host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        Gateway(stores, address), log_config=None, lifespan="on", access_log=False, timeout_graceful_shutdown=10
    )
    uvicorn.Server(config).run(sockets=[listener])


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises SettingsError when the port is in use or not allowed."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
        raise SettingsError(
            f"The gateway's address {host}:{port} {why}", "End what listens there, or set MODELOPS_GATEWAY_PORT"
        ) from error
    return listener


def main() -> None:
    """Run the gateway of the current folder's project; an error of ours is told on stderr."""
    try:
        serve(Stores())
    except ModelOpsError as error:
        sys.stderr.write(f"modelops gateway: {error}\n")
        sys.exit(3 if isinstance(error, PermanentError) else 4)


if __name__ == "__main__":
    main()
