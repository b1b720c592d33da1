"""Dagster's runs and ticks past their retention, by a process of its own: only Dagster's face imports Dagster."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO

from modelops_pipelines.core.errors import UnavailableError
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.maintenance.growth import RunCost
from modelops_pipelines.core.maintenance.retention_periods import cutoff
from modelops_pipelines.operations.maintenance.tasks import audited
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores

PROCESS = [sys.executable, "-m", "modelops_pipelines.resources.history_process"]
DELETE, SKIP = "delete", "skip"
END_SECONDS = 60.0


class Talk:
    """What is said to the process and heard from it, line by line."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        """``errors`` is the file that its standard error goes to."""
        self._process, self._errors = process, errors

    def hear(self) -> str:
        """Return its next line; empty at its end."""
        return self._process.stdout.readline() if self._process.stdout else ""

    def say(self, word: str) -> None:
        """Send it a line; raises UnavailableError when it has ended."""
        try:
            if self._process.stdin:
                self._process.stdin.write(f"{word}\n")
                self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._fault() from error

    def require(self, line: str) -> str:
        """Return the line; raises UnavailableError when it is empty, because the process has ended."""
        if not line:
            raise self._fault()
        return line

    def end(self) -> None:
        """Wait for its end; raises UnavailableError unless it ended well."""
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.wait(END_SECONDS) != 0:
            raise self._fault()

    def _fault(self) -> UnavailableError:
        code = self._process.wait(END_SECONDS)
        self._errors.seek(0)
        said = (self._errors.read().strip().splitlines() or ["it said nothing"])[-1]
        return UnavailableError(
            f"Dagster's history cannot be read (exit code {code}: {said[:300]})",
            "See whether another program holds its databases, then try again",
        )


def prune_history(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete Dagster's runs and ticks past ``retain_runs`` and ``retain_ticks``, in the home that ``up`` uses.

    Runs under way, and the newest of each job, endpoint and kind, stay. Raises UnavailableError when Dagster's
    databases cannot be opened.
    """
    settings = stores.settings
    if not is_used(settings):
        return
    runs, ticks = cutoff(settings.retain_runs, now), cutoff(settings.retain_ticks, now)
    wanted = {"now": _text(now), "runs": _text(runs), "ticks": _text(ticks)}
    with _process(settings, wanted) as talk:
        while line := talk.hear():
            effect = Effect(**json.loads(line))
            if dry_run:
                talk.say(SKIP)
            else:
                with audited(stores, effect, now):
                    talk.say(DELETE)
                    talk.require(talk.hear())
            yield effect


def history_costs(settings: Settings, now: datetime) -> RunCost | None:
    """Return what Dagster's runs and ticks of the last day took; None where ``up`` never ran.

    It starts a process that loads Dagster: some seconds. Raises UnavailableError as above.
    """
    if not is_used(settings):
        return None
    with _process(settings, {"costs": _text(now)}) as talk:
        return RunCost(**json.loads(talk.require(talk.hear())))


def is_used(settings: Settings) -> bool:
    """Return whether Dagster's databases have been made in this home."""
    return (settings.dagster / "storage.made").exists()


@contextmanager
def _process(settings: Settings, wanted: dict[str, str | None]) -> Iterator[Talk]:
    environment = {**os.environ, "DAGSTER_HOME": str(settings.dagster), "PYTHONWARNINGS": "ignore"}
    command = [*PROCESS, json.dumps({**wanted, "parent": os.getpid()})]
    with TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        talk = Talk(process, errors)
        try:
            yield talk
            talk.end()
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
