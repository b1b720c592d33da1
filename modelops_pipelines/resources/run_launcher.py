"""Starts each Dagster run in a process of its own on this machine, and knows whether that process still runs.

The process is named in the run's tags from the start, so that a run whose process was killed can be found by any
process at any later time. A run goes on when the daemon or the code server that started it ends.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dagster import DagsterInstance, DagsterRun
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, get_python_environment_entry_point
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass

from modelops_pipelines.platforms.marked_processes import VARIABLE, owner_of_this_process, renamed
from modelops_pipelines.resources.run_forks import RunForks
from modelops_pipelines.resources.run_scope import VARIABLE as SCOPE
from modelops_pipelines.resources.run_scope import RunScope
from modelops_pipelines.store.filesystem.process_identity import identity_of, is_gone, process_id

PROCESS_TAG = "modelops/process"
OWNER_TAG = "modelops/up"
SERVICE = "dagster-run"
RUN_PROCESS = "modelops_pipelines.resources.run_process"
OURS = ["-P", "-m", RUN_PROCESS]


class LocalRunLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """Starts runs as processes of this machine."""

    def __init__(self, inst_data: Any = None) -> None:
        """Keep Dagster's description of this instance's configuration."""
        self._inst_data = inst_data
        self._forks = RunForks(RUN_PROCESS)
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> Any:
        """Dagster's description of this instance's configuration."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return the schema of its configuration: it has none."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LocalRunLauncher":  # noqa: ARG003 - Dagster's
        """Return a launcher."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process and name it in the run's tags; raises ValueError for a run without code."""
        run, origin = context.dagster_run, context.job_code_origin
        if origin is None:
            raise ValueError(f"Run {run.run_id} names no code: start it from a code location")
        arguments = ExecuteRunArgs(origin, run.run_id, self._instance.get_ref())
        mark = {VARIABLE: renamed(SERVICE)} if owner_of_this_process() else {}
        scope = RunScope.of(run, origin)
        told = {SCOPE: scope.text()} if scope else {}
        self._start(run.run_id, command_of(arguments, scope), {**os.environ, **mark, **told})

    def _start(self, run_id: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        ours = [sys.executable, *OURS]
        own = command[len(ours) :] if [*command[: len(ours)]] == ours else None
        forked = None if own is None else self._forks.fork(own, environment)
        if forked is None:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
            name_process(self._instance, run_id, process.pid)
        else:
            with forked:
                name_process(self._instance, run_id, forked.pid)
                forked.begin()

    def terminate(self, run_id: str) -> bool:
        """Ask the run's process to end, and return whether there was a run to end."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if has_ended(run) is not False:
            self._instance.report_run_canceled(run, "Its process is gone")
            return True
        with suppress(ProcessLookupError):
            os.kill(process_id(run.tags[PROCESS_TAG]), signal.SIGTERM)
        return True


def command_of(arguments: ExecuteRunArgs, scope: RunScope | None) -> Sequence[str]:
    """Return the command of a run's process: with a scope, ours around Dagster's, unless the project has its own."""
    origin, command = arguments.job_origin, arguments.get_command_args()
    python = origin.executable_path
    entry = [*(origin.repository_origin.entry_point or DEFAULT_DAGSTER_ENTRY_POINT)]
    if scope is None or entry not in (DEFAULT_DAGSTER_ENTRY_POINT, get_python_environment_entry_point(python)):
        return command
    return [python, *OURS, *command[command.index("api") :]]


def name_process(instance: DagsterInstance, run_id: str, pid: int) -> None:
    """Name a run's process in the run's tags."""
    instance.add_run_tags(run_id, {PROCESS_TAG: identity_of(pid), OWNER_TAG: owner_of_this_process() or ""})


def has_ended(run: DagsterRun) -> bool | None:
    """Return whether the process of a run that ``LocalRunLauncher`` started has ended; None where none is named.

    A process of another host has ended when the ``up`` that started it is not the one that runs here: there is one of
    a home at a time.
    """
    process = run.tags.get(PROCESS_TAG)
    if process is None:
        return None
    gone = is_gone(process)
    return run.tags.get(OWNER_TAG) != (owner_of_this_process() or "") if gone is None else gone
