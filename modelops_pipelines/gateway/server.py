"""Run the gateway: a supervisor and one or more workers with uvicorn, on loopback by default."""

import errno
import gc
import importlib
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.errors import ModelOpsError, PermanentError, SettingsError
from modelops_pipelines.gateway.access.keyring import require_safe_binding
from modelops_pipelines.gateway.json_logging import log_as_json
from modelops_pipelines.gateway.worker.ended_workers import ends_file
from modelops_pipelines.operations.governance.identity_provider import asks_for_keys
from modelops_pipelines.store.filesystem.scratch import remove_abandoned
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.gateway.supervision.board import Board
    from modelops_pipelines.gateway.supervision.child import Child, Problem
    from modelops_pipelines.gateway.supervision.graceful_server import GracefulServer
    from modelops_pipelines.gateway.supervision.supervisor import Place
    from modelops_pipelines.store.state.installation import Mark

SWITCH_SECONDS = 0.0005
"""Python's default of 0.005 s lets a busy event loop delay the capture thread, and so the answers (measured)."""
DRAIN_SECONDS = 10
"""How long requests under way may take when the gateway ends, or a worker is replaced."""
STOP_SECONDS = 30.0
"""How long a worker may take to end in all, before it is killed."""
BIND_SECONDS = 1.0
PERMANENT, TRANSIENT = 3, 4
PRELOADED = (
    "modelops_pipelines.gateway.app",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "skops.io",
)


def serve(stores: Stores) -> None:
    """Serve until the process receives SIGTERM or SIGINT.

    The workers share one listening socket; one that ends is replaced. Raises SettingsError when the port is in use, or
    when the address is not loopback and the gateway is open; and the error for which no worker can start.
    """
    settings = stores.settings
    require_safe_binding(settings.host, has_keys=asks_for_keys(stores))
    known = stores.database.installation.mark()
    listener = bind(settings.host, settings.gateway_port)
    remove_abandoned()
    os.environ |= settings.environment()  # versions' own processes read their settings from it
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of forests compete with the workers for cores (measured)
    stores.database.close()
    from modelops_pipelines.gateway.connections.bounds import allow_open_files
    from modelops_pipelines.gateway.supervision.board import Board
    from modelops_pipelines.gateway.supervision.supervisor import Servers, Supervisor

    log_as_json("supervisor")
    allow_open_files(settings.connections)
    stand_in = _preload_and_answer(settings, listener)
    board = Board()
    servers = Servers(
        worker=lambda place: lambda: _worker(settings, known, place, board, listener),
        stand_in=lambda problem: lambda: _stand_in(settings, problem, listener),
    )
    supervisor = Supervisor(settings.workers, servers, listener, board, ends_file(settings), stand_in)
    problem = supervisor.run(STOP_SECONDS)
    if problem is not None:
        sys.stderr.write(f"modelops gateway: {problem.text}\n")
        sys.exit(PERMANENT)


def preload(is_enough: Callable[[], bool] = lambda: False) -> None:
    """Import the heavy packages before the workers are forked, while there is one thread; or as many as are enough.

    A dead worker is replaced in a second instead of five, and the workers share the memory of the imported modules.
    Imports make hardly any garbage (1,335 objects of all): looking for it took a sixth of their time.
    """
    if gc.get_freeze_count():
        return  # a spare process has done it
    gc.disable()
    for name in PRELOADED:
        importlib.import_module(name)
        if is_enough():
            return
    gc.enable()
    gc.freeze()  # a collection in a worker would touch, and so copy, what the imports made


def _preload_and_answer(settings: Settings, listener: socket.socket) -> "Child | None":
    """Import the heavy packages; where that takes seconds, somebody answers meanwhile, who is returned."""
    from modelops_pipelines.gateway.supervision.child import Child, Problem
    from modelops_pipelines.gateway.supervision.stand_in import STARTING

    stand_in = None
    if any(name not in sys.modules for name in PRELOADED):
        starting = Problem("The gateway is starting", STARTING)
        stand_in = Child("The stand-in", lambda: _stand_in(settings, starting, listener), starts_versions=False)
    try:
        preload()
    except BaseException:
        if stand_in is not None:
            stand_in.kill()
        raise
    return stand_in


def _worker(
    settings: Settings, known: "Mark | None", place: "Place", board: "Board", listener: socket.socket
) -> "GracefulServer":
    """Return a worker's server; raises StateError when the home has vanished since the gateway started."""
    from modelops_pipelines.gateway.app import Gateway

    sys.setswitchinterval(SWITCH_SECONDS)
    gateway = Gateway(Stores(settings, known), place, board)
    gateway.start()
    return _server(gateway, settings, listener, lambda: gateway.serving.is_warm)


def _stand_in(settings: Settings, problem: "Problem", listener: socket.socket) -> "GracefulServer":
    from modelops_pipelines.gateway.supervision.stand_in import StandIn

    log_as_json("stand-in")
    return _server(StandIn(problem.code), settings, listener)


def _server(
    application: Any, settings: Settings, listener: socket.socket, is_warm: Callable[[], bool] = lambda: True
) -> "GracefulServer":
    import uvicorn

    from modelops_pipelines.gateway.connections.bounds import Connections, bounds_of
    from modelops_pipelines.gateway.connections.http_connection import HttpConnection
    from modelops_pipelines.gateway.supervision.graceful_server import GracefulServer

    config = uvicorn.Config(
        application,
        http=partial(HttpConnection, Connections(bounds_of(settings))),  # type: ignore[arg-type] # it makes the protocol
        ws="none",
        log_config=None,
        lifespan="on",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,  # type: ignore[arg-type]  # a number of seconds, whole or not
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return GracefulServer(config, listener, is_warm)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises SettingsError when the port is in use or may not be bound.

    A port in use is tried again for BIND_SECONDS: the workers of a gateway that was killed end a moment after it.
    """
    deadline = time.monotonic() + BIND_SECONDS
    while True:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(BIND_SECONDS / 10)
                continue
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
        sys.exit(PERMANENT if isinstance(error, PermanentError) else TRANSIENT)


if __name__ == "__main__":
    main()
