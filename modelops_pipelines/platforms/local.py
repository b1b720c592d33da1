"""This machine as the platform: the gateway, Dagster and MLflow as child processes that end with their parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import NotReadyError
from modelops_pipelines.platforms.dagster_services import (
    daemon_command,
    make_storage_command,
    reload_command,
    webserver_command,
    write_workspace,
)
from modelops_pipelines.platforms.marked_processes import VARIABLE, Mark, end_marked, marked
from modelops_pipelines.platforms.one_up import only_one_up
from modelops_pipelines.platforms.ports import require_free
from modelops_pipelines.platforms.service import RUNNING, Child, Service
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.filesystem.process_identity import end_with_parent, this_process
from modelops_pipelines.store.settings import Settings

GATEWAY = [sys.executable, "-m", "modelops_pipelines.gateway.server"]
SPARE = [sys.executable, "-m", "modelops_pipelines.gateway.spare"]
WARDEN = [sys.executable, "-m", "modelops_pipelines.platforms.warden"]
MLFLOW = [sys.executable, "-m", "modelops_pipelines.platforms.mlflow_server"]
NICENESS = 5
"""Predictions come first on a busy machine: other services, and so the runs, have a third of the gateway's weight."""
STOP_SECONDS = 20.0
RELOAD_SECONDS = 600
POLL_SECONDS = 0.2
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "true",
    "PYTHONWARNINGS": "ignore",
}
DEFAULTS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""MLflow's own background jobs are eight processes more; an environment that sets the variable has its way."""


class LocalPlatform:
    """Starts and stops services on this machine."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Run services of the project in ``folder``."""
        self.settings = self._settings = settings
        self._folder, self.home = folder, settings.home
        self._mark = Mark(settings.home, this_process())
        self._warden: subprocess.Popen[bytes] | None = None
        self._launched = 0
        self._code_sockets: list[Path] = []
        self._reload: Child | None = None
        self._prepared: Child | None = None
        self.services: list[Service] = []

    def require_startable(self, names: Sequence[str]) -> None:
        """Raise SettingsError unless the services of these names can be started; call it before the first one is."""
        require_free(self._settings.host, {name: getattr(self._settings, f"{name}_port") for name in names})

    def prepare_gateway(self) -> None:
        """Have a process import the gateway's packages, beside what is to be done before ``start_gateway``."""
        self._prepared = self._launch("gateway", SPARE, stdin=subprocess.PIPE)

    def start_gateway(self) -> Service:
        """Start the gateway; like the other services, raises SettingsError when its port is in use."""
        self.require_startable(["gateway"])
        prepared, self._prepared = self._prepared, None
        child = prepared if prepared is not None and prepared.begin() else self._launch("gateway", GATEWAY)
        url = self._settings.gateway_url
        return self._add("gateway", f"{url}/health/live", child, GATEWAY, url=url, spare_command=SPARE)

    def start_dagster(self) -> Service:
        """Start Dagster's code servers, daemon and webserver on the project's workspace; return the webserver."""
        self.require_startable(["dagster"])
        host, port = self._settings.host, self._settings.dagster_port
        workspace = write_workspace(self._workspace(), self._dagster_home())
        self._make_dagster_storage()
        self._code_sockets = [server.socket for server in workspace.code_servers]
        for server in workspace.code_servers:
            self._start(server.name, server.command, f"unix:{server.socket}", needs=" api grpc ")
        self._start("dagster-daemon", daemon_command(workspace.file))
        url = f"http://{host}:{port}"
        return self._start("dagster", webserver_command(workspace.file, host, port), f"{url}/server_info", url=url)

    def begin_reload(self) -> bool:
        """Have the code servers load the endpoints' files again, beside what goes on; return whether it begins.

        It does not while one is under way, or while Dagster is not started.
        """
        if not self._code_sockets or (self._reload is not None and self._reload.process.poll() is None):
            return False
        self._reload = self._launch("dagster-reload", reload_command(self._code_sockets, RELOAD_SECONDS))
        return True

    def reload_succeeded(self) -> bool | None:
        """Return whether the last reload that began has ended well; None while it is under way."""
        code = None if self._reload is None else self._reload.process.poll()
        return None if code is None else code == 0

    def _make_dagster_storage(self) -> None:
        """Make Dagster's databases before its processes start: they would make them at the same time, and spoil them.

        Raises NotReadyError when that fails.
        """
        made = self._dagster_home() / "storage.made"
        if made.exists():
            return
        name = "dagster-storage"
        if self._launch(name, make_storage_command()).process.wait() != 0:
            raise NotReadyError("Dagster's databases cannot be made", f"See {self._log(name)}")
        made.touch()

    def start_mlflow(self) -> Service:
        """Start MLflow's server on the project's registry."""
        self.require_startable(["mlflow"])
        from modelops_pipelines.store.registry.place import lead_registry_home  # loads SQLAlchemy

        lead_registry_home(self._settings)
        host, port = self._settings.host, str(self._settings.mlflow_port)
        store = ["--backend-store-uri", self._settings.registry_uri]
        store += ["--default-artifact-root", self._settings.artifacts.as_uri(), "--no-serve-artifacts"]
        command = [*MLFLOW, "--host", host, "--port", port, "--workers", "1", *store]
        url = f"http://{host}:{port}"
        return self._start("mlflow", command, f"{url}/health", url=url)

    def wait(self, services: Sequence[Service], seconds: float) -> None:
        """Wait until the services answer; raises NotReadyError when one ends or takes longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        for service in services:
            while not service.is_up():
                if time.monotonic() > deadline:
                    raise NotReadyError(f"{service.name} does not answer after {seconds:.0f} s", f"See {service.log}")
                time.sleep(POLL_SECONDS)
            service.enter(RUNNING)

    def start_again(self, service: Service) -> None:
        """Start a service that has ended, as it was started before; what is left of it is killed first.

        Where it has a spare process, that one takes its place, and is ready at once.
        """
        service.signal(signal.SIGKILL)
        end_marked(service.child.mark)
        service.process.wait()
        spare, service.spare = service.spare, None
        service.child = spare if spare is not None and spare.begin() else self._launch(service.name, service.command)

    def renew_spare(self, service: Service) -> bool:
        """Start the spare process of a service that has one, unless it runs; return whether it did."""
        if not service.spare_command or (service.spare is not None and service.spare.process.poll() is None):
            return False
        if not service.spare_restarts.is_due(time.monotonic()):
            return False
        service.spare = self._launch(service.name, service.spare_command, stdin=subprocess.PIPE)
        return True

    def end_left_over(self) -> int:
        """End what is left of an earlier ``up`` of this home; return how many processes that were."""
        return end_marked(Mark(self._settings.home).text())

    def end_strays(self) -> int:
        """End what another ``up`` of this home has left, beside what this one started; return how many those were.

        A process that was beginning another program just then showed no mark when what was left over was ended.
        """
        left = {*marked(Mark(self._settings.home).text())} - {*marked(self._mark.text())}
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return len(left)

    def renew_warden(self) -> bool:
        """Start the process that ends all services should this one be killed, unless it runs; return whether it did."""
        if self._warden is not None and self._warden.poll() is None:
            return False
        command = [*WARDEN, self._mark.text()]
        self._warden = subprocess.Popen(
            command, cwd=self._folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        return True

    def stop(self) -> None:
        """Stop all services: by signal, and by force after STOP_SECONDS. Runs under way may finish until then."""
        if self._prepared is not None:
            self._prepared.end()
        for service in self.services:
            service.end_spare()
            service.signal(signal.SIGINT if service.name.startswith("dagster") else signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for service in self.services:
            with suppress(subprocess.TimeoutExpired):
                service.process.wait(max(0.1, deadline - time.monotonic()))
        while marked(self._mark.text()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS / 2)
        for service in self.services:
            service.signal(signal.SIGKILL)
        end_marked(self._mark.text())
        self.services.clear()
        self._end_warden()

    def _end_warden(self) -> None:
        if self._warden is not None:
            self._warden.kill()
            self._warden.communicate()
            self._warden = None

    def _workspace(self) -> Path:
        """Return the project's workspace; without one that of a new project, which loads the endpoints' files."""
        own = self._folder / "workspace.yaml"
        if own.exists():
            return own
        return Path(str(files("modelops_pipelines.cli") / "templates" / "project" / "workspace.yaml"))

    def _start(self, name: str, command: Sequence[str], probe: str = "", **more: Any) -> Service:
        return self._add(name, probe, self._launch(name, command), command, **more)

    def _add(self, name: str, probe: str, child: Child, command: Sequence[str], **more: Any) -> Service:
        service = Service(name, probe, self._log(name), child, command, **more)
        self.services.append(service)
        return service

    def _log(self, name: str) -> Path:
        logs = self._settings.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{name}.log"

    def _launch(self, name: str, command: Sequence[str], stdin: int = subprocess.DEVNULL) -> Child:
        self._launched += 1
        mark = Mark(self._mark.home, self._mark.owner, f"{name}#{self._launched}").text()
        own = {VARIABLE: mark, "DAGSTER_HOME": str(self._dagster_home())}
        environment = {**DEFAULTS, **os.environ, **QUIET, **self._settings.environment(), **own}
        with self._log(name).open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdin=stdin,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=partial(_begin, os.getpid(), 0 if name == "gateway" else NICENESS),  # noqa: PLW1509
            )
        return Child(process, mark)

    def _dagster_home(self) -> Path:
        """Return Dagster's home, with the project's dagster.yaml or, if it has none, the default one."""
        home = self._settings.home / "dagster"
        home.mkdir(parents=True, exist_ok=True)
        own = self._folder / "dagster.yaml"
        with as_file(files("modelops_pipelines.cli") / "templates" / "dagster.yaml") as ours:
            wanted = (own if own.exists() else ours).read_bytes()
        if not (home / "dagster.yaml").exists() or (home / "dagster.yaml").read_bytes() != wanted:
            write_atomically(home / "dagster.yaml", wanted)  # a process of Dagster may be reading it
        return home


@contextmanager
def running(settings: Settings, folder: Path) -> Iterator[LocalPlatform]:
    """Yield a platform; its services stop when the block ends, also on Ctrl-C, SIGTERM and a closed terminal.

    What an earlier one left on the same home is ended first. Raises ConflictError while another one runs there.
    """
    with only_one_up(settings.home):
        platform = LocalPlatform(settings, folder)
        previous = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            platform.end_left_over()
            platform.renew_warden()
            yield platform
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            platform.stop()


def _begin(parent: int, niceness: int) -> None:
    """In the child, before it runs its command: end with the parent, and take the priority. Two system calls alone."""
    end_with_parent(parent)
    os.nice(niceness)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
