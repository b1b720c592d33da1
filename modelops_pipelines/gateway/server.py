"""Run the gateway: uvicorn with one or more workers, on loopback by default."""

import errno
import gc
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.errors import ModelOpsError, PermanentError, SettingsError
from modelops_pipelines.gateway.access.keyring import require_safe_binding
from modelops_pipelines.gateway.worker.ended_workers import ends_file, note_end
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import uvicorn

    from modelops_pipelines.gateway.app import Gateway

SWITCH_SECONDS = 0.0005
"""Python's default of 0.005 s lets a busy event loop delay the capture thread, and so the answers (measured)."""
DRAIN_SECONDS = 10
BIND_SECONDS = 1.0
HEALTHCHECK_SECONDS = 15
"""A worker that has not answered its supervisor for so long is replaced."""
PRELOADED = ("modelops_pipelines.gateway.app", "mlflow.sklearn", "sklearn.ensemble", "skops.io")
SUPERVISED_SIGNALS = (
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTERM,
)
"""What only the supervisor handles; a fork inherits its handlers."""


def serve(stores: Stores) -> None:
    """Serve until the process receives SIGTERM or SIGINT.

    The workers share one listening socket; one that dies is replaced. Raises SettingsError when the port is in
    use, or when the address is not loopback and no API key exists.
    """
    settings = stores.settings
    require_safe_binding(settings.host, has_keys=bool(stores.keys.list()))
    listener = bind(settings.host, settings.gateway_port)
    os.environ |= settings.environment()  # the workers read their settings from it
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of forests compete with the workers for cores (measured)
    import uvicorn

    from modelops_pipelines.gateway.connections.bounds import Connections, allow_open_files, bounds_of
    from modelops_pipelines.gateway.connections.http_connection import HttpConnection

    allow_open_files(settings.connections)
    config = uvicorn.Config(
        "modelops_pipelines.gateway.server:application",
        factory=True,
        http=partial(HttpConnection, Connections(bounds_of(settings))),  # type: ignore[arg-type] # it makes the protocol
        ws="none",
        workers=settings.workers,
        log_config=None,
        lifespan="on",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_worker_healthcheck=HEALTHCHECK_SECONDS,
    )
    stores.database.close()
    _supervise(config, listener, ends_file(settings))


def _supervise(config: "uvicorn.Config", listener: socket.socket, ends: Path) -> None:
    """Run the workers, one too, in processes of their own: whatever ends a worker, it is replaced.

    They are forked from this process, which has imported the heavy packages and has one thread: a dead worker is
    replaced in a second instead of five, and the workers share the memory of the imported modules.
    """
    import uvicorn._subprocess
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a worker would touch, and so copy, what the imports made
    uvicorn._subprocess.spawn = _Workers(ends)  # type: ignore[assignment]  # noqa: SLF001 - it has no setting for this
    supervisor = Multiprocess(config, sockets=[listener])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


class _Workers:
    """What uvicorn's supervisor starts its workers with, in place of the context ``spawn``."""

    def __init__(self, ends: Path) -> None:
        """Note in this file how each worker ended, for the one that takes its place."""
        self._ends = ends
        self._started: list[Any] = []

    def Process(self, target: Any, kwargs: dict[str, Any]) -> Any:  # noqa: N802 - the name in multiprocessing
        for process in [one for one in self._started if one.exitcode is not None]:
            note_end(self._ends, process.pid, process.exitcode)
            self._started.remove(process)
        arguments = (os.getpid(), target, kwargs)
        process = multiprocessing.get_context("fork").Process(target=_run_worker, args=arguments)
        self._started.append(process)
        return process


def _run_worker(supervisor: int, target: Callable[..., None], kwargs: Mapping[str, Any]) -> None:
    """Be a worker; its launcher is forked first, while this process has one thread."""
    from uvicorn.config import STARTUP_FAILURE

    from modelops_pipelines.gateway.version_process.launcher import end_with_parent, fork_launcher

    end_with_parent(supervisor)
    for number in SUPERVISED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fork_launcher()
    try:
        target(**kwargs)
    except ModelOpsError as error:  # a worker that cannot begin would be replaced for ever
        sys.stderr.write(f"modelops gateway: {error}\n")
        sys.exit(STARTUP_FAILURE)


def application() -> "Gateway":
    """Return the worker's application; uvicorn calls this in each worker process."""
    from modelops_pipelines.gateway.app import Gateway

    sys.setswitchinterval(SWITCH_SECONDS)
    return Gateway(Stores())


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
        sys.exit(3 if isinstance(error, PermanentError) else 4)


if __name__ == "__main__":
    main()
