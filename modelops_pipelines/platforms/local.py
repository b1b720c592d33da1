"""This machine as the platform: the gateway, Dagster and MLflow as child processes that end with their parent."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from modelops_pipelines.core.errors import NotReadyError, SettingsError
from modelops_pipelines.store.settings import Settings

GATEWAY = [sys.executable, "-m", "modelops_pipelines.gateway.server"]
STOP_SECONDS = 20.0
POLL_SECONDS = 0.2
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "true",
    "PYTHONWARNINGS": "ignore",
}


@dataclass
class Service:
    """A child process, with the address to probe and its log file."""

    name: str
    url: str
    probe: str
    log: Path
    process: subprocess.Popen[bytes]
    command: Sequence[str] = ()

    def is_up(self) -> bool:
        """Return whether it answers; raises NotReadyError when the process has ended."""
        if self.process.poll() is not None:
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:] or ["its log is empty"]
            raise NotReadyError(
                f"{self.name} ended with exit code {self.process.returncode} ({last[0][:300]})", f"See {self.log}"
            )
        try:
            with urllib.request.urlopen(self.probe, timeout=5):  # noqa: S310 - our own loopback address
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False


class LocalPlatform:
    """Starts and stops services on this machine."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Run services of the project in ``folder``."""
        self._settings, self._folder = settings, folder
        self.services: list[Service] = []

    def start_gateway(self) -> Service:
        """Start the gateway; like the other services, raises SettingsError when its port is in use."""
        self._require_free("gateway", self._settings.gateway_port)
        url = self._settings.gateway_url
        return self._start("gateway", url, f"{url}/health/live", GATEWAY)

    def start_dagster(self) -> Service:
        """Start Dagster's webserver, daemon and code location on the project's workspace.yaml."""
        workspace = self._folder / "workspace.yaml"
        if not workspace.exists():
            raise SettingsError(f"There is no {workspace}", "Create a project with: modelops init FOLDER")
        self._require_free("dagster", self._settings.dagster_port)
        host, port = self._settings.host, str(self._settings.dagster_port)
        options = ["-w", str(workspace), "-h", host, "-p", port, "--log-level", "warning"]
        url = f"http://{host}:{port}"
        return self._start("dagster", url, f"{url}/server_info", [sys.executable, "-m", "dagster", "dev", *options])

    def start_mlflow(self) -> Service:
        """Start MLflow's server on the project's registry."""
        self._require_free("mlflow", self._settings.mlflow_port)
        host, port = self._settings.host, str(self._settings.mlflow_port)
        store = ["--backend-store-uri", self._settings.registry_uri]
        store += ["--default-artifact-root", self._settings.artifacts.as_uri(), "--no-serve-artifacts"]
        command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", port, "--workers", "1", *store]
        url = f"http://{host}:{port}"
        return self._start("mlflow", url, f"{url}/health", command)

    def wait(self, services: Sequence[Service], seconds: float) -> None:
        """Wait until the services answer; raises NotReadyError when one ends or takes longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        for service in services:
            while not service.is_up():
                if time.monotonic() > deadline:
                    raise NotReadyError(f"{service.name} does not answer after {seconds:.0f} s", f"See {service.log}")
                time.sleep(POLL_SECONDS)

    def start_again(self, service: Service) -> None:
        """Start a service that has ended, as it was started before; what is left of it is killed first."""
        _signal(service.process, signal.SIGKILL)
        service.process = self._launch(service.log, service.command)

    def stop(self) -> None:
        """Stop all services: by signal, and by force after STOP_SECONDS."""
        for service in self.services:
            _signal(service.process, signal.SIGINT if service.name == "dagster" else signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for service in self.services:
            with suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.1, deadline - time.monotonic()))
            _end_session(service.process, deadline)
        self.services.clear()

    def _require_free(self, name: str, port: int) -> None:
        """Raise SettingsError when another process listens on the port: the probe would take it for our service."""
        try:
            socket.create_connection((self._settings.host, port), timeout=1).close()
        except OSError:
            return
        raise SettingsError(
            f"The port {self._settings.host}:{port} of {name} is in use",
            f"Stop the process that listens there, or set MODELOPS_{name.upper()}_PORT to another port",
        )

    def _start(self, name: str, url: str, probe: str, command: Sequence[str]) -> Service:
        logs = self._settings.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        log = logs / f"{name}.log"
        service = Service(name, url, probe, log, self._launch(log, command), command)
        self.services.append(service)
        return service

    def _launch(self, log: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **QUIET, **self._settings.environment(), "DAGSTER_HOME": str(self._dagster_home())}
        with log.open("ab") as output:
            return subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def _dagster_home(self) -> Path:
        """Return Dagster's home, with the project's dagster.yaml or, if it has none, the default one."""
        home = self._settings.home / "dagster"
        home.mkdir(parents=True, exist_ok=True)
        own = self._folder / "dagster.yaml"
        with as_file(files("modelops_pipelines.cli") / "templates" / "dagster.yaml") as ours:
            shutil.copyfile(own if own.exists() else ours, home / "dagster.yaml")
        return home


@contextmanager
def running(settings: Settings, folder: Path) -> Iterator[LocalPlatform]:
    """Yield a platform; its services stop when the block ends, also on Ctrl-C, SIGTERM and a closed terminal."""
    platform = LocalPlatform(settings, folder)
    previous = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield platform
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        platform.stop()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _end_session(process: subprocess.Popen[bytes], deadline: float) -> None:
    """Wait until the child's descendants have ended too; kill those that remain at the deadline."""
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(POLL_SECONDS / 2)
    _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the child's whole session: Dagster starts child processes itself."""
    if process.poll() is None or number == signal.SIGKILL:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
