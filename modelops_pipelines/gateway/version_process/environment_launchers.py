"""The launchers in versions' environments, which the worker's launcher keeps: what it forks may order from them.

So a version that ended is there again in the time of two forks and of its load, not of MLflow's import.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from modelops_pipelines.store.filesystem.scratch import Scratch
from modelops_pipelines.store.registry.environments import environment_process

UNUSED_SECONDS = 60.0
"""A launcher ends when no version has needed it for so long."""
_LOG = logging.getLogger("modelops.gateway")


@dataclass
class _Kept:
    """A launcher's folder for temporary files, the processes that use it, and since when none does (monotonic)."""

    scratch: Scratch
    users: set[int] = field(default_factory=set)
    unused_since: float = 0.0


class EnvironmentLaunchers:
    """The launchers by their environments; for a process with one thread."""

    def __init__(self) -> None:
        """Start none yet."""
        self._kept: dict[Path, _Kept] = {}
        self._next: Path | None = None

    @property
    def pause(self) -> float | None:
        """Seconds after which ``end_unused`` is due again; None while there is no launcher."""
        return UNUSED_SECONDS / 2 if self._kept else None

    def require(self, environment: str) -> None:
        """Have the launcher of this environment, empty for none, before the next fork.

        What is forked starts one of its own where this one cannot be started.
        """
        self._next = Path(environment) if environment else None
        if self._next is None or self._is_alive(self._next):
            return
        self._end(self._next)
        scratch = Scratch()
        try:
            control = environment_process.start_launcher(self._next, scratch.path)
        except OSError as error:
            scratch.remove()
            _LOG.warning("The environment %s starts no process: %s", self._next, error)
            return
        environment_process.launchers[self._next] = control
        self._kept[self._next] = _Kept(scratch)

    def note(self, pid: int) -> None:
        """Take note that the process which was forked last uses the launcher that was required for it."""
        kept = self._kept.get(self._next) if self._next else None
        if kept is not None:
            kept.users.add(pid)

    def leave_others(self) -> None:
        """In what was forked: let go of the launchers of other versions' environments."""
        for environment, control in list(environment_process.launchers.items()):
            if environment != self._next:
                control.close()
                del environment_process.launchers[environment]

    def forget(self, pid: int) -> None:
        """Take note that a process ended."""
        for kept in self._kept.values():
            if pid in kept.users:
                kept.users.remove(pid)
                kept.unused_since = time.monotonic()

    def end_unused(self) -> None:
        """End the launchers that no process has used for a while."""
        due = time.monotonic() - UNUSED_SECONDS
        for environment, kept in list(self._kept.items()):
            if not kept.users and kept.unused_since < due:
                self._end(environment)

    def close(self) -> None:
        """End all of them."""
        for environment in list(self._kept):
            self._end(environment)

    def _is_alive(self, environment: Path) -> bool:
        """Return whether an order would arrive: an empty one is none."""
        control = environment_process.launchers.get(environment)
        if control is None:
            return False
        with suppress(OSError):
            return control.send(b"{}") > 0
        return False

    def _end(self, environment: Path) -> None:
        control = environment_process.launchers.pop(environment, None)
        if control is not None:
            control.close()
        kept = self._kept.pop(environment, None)
        if kept is not None:
            kept.scratch.remove()
