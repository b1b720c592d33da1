"""A run of maintenance: task after task, at most one run of a home at a time, and a task that fails stops no other."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TypeVar

from modelops_pipelines.core.errors import InputError, MaintenanceError
from modelops_pipelines.core.maintenance.effects import Effect, Outcome
from modelops_pipelines.operations.maintenance.tasks import Task, finish_continued
from modelops_pipelines.store.filesystem.files import LOCK_SECONDS, exclusive
from modelops_pipelines.store.stores import Stores

T = TypeVar("T")
NICE = 10
_LOG = logging.getLogger(__name__)


def run_tasks(
    stores: Stores, tasks: Sequence[Task], now: datetime, *, dry_run: bool = False, patience: float = LOCK_SECONDS
) -> list[Outcome]:
    """Run the tasks in order and return the outcome of each; a dry run changes nothing and waits for nobody.

    They have a low priority, so that a gateway on the same cores does not notice them.

    Raises BusyError when another run of maintenance holds the home for more than ``patience`` seconds.
    """
    with _alone(stores, patience=patience, dry_run=dry_run):
        return _in_background(
            lambda: [_noted(stores, _outcome(stores, task, now, dry_run=dry_run), dry_run=dry_run) for task in tasks]
        )


def require_success(outcomes: Iterable[Outcome]) -> None:
    """Raise MaintenanceError, which names each task that failed, unless all succeeded."""
    outcomes = list(outcomes)
    failed = [f"{one.task} ({one.error})" for one in outcomes if one.error is not None]
    if failed:
        raise MaintenanceError(
            f"{len(failed)} of {len(outcomes)} maintenance tasks failed: {'; '.join(failed)}",
            "Correct the cause and run it again: what is done stays done",
        )


def chosen(tasks: Sequence[Task], names: Sequence[str]) -> list[Task]:
    """Return the tasks of these names in their order, all without names; raises InputError for an unknown name."""
    known = [task.name for task in tasks]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"There is no maintenance task {unknown[0]!r}", f"Use one of: {', '.join(known)}")
    return [task for task in tasks if not names or task.name in names]


@contextmanager
def _alone(stores: Stores, *, patience: float, dry_run: bool) -> Iterator[None]:
    if dry_run:
        yield
        return
    with exclusive(stores.settings.home / "locks" / "maintenance.lock", "maintenance", patience):
        yield


def _noted(stores: Stores, outcome: Outcome, *, dry_run: bool) -> Outcome:
    """Record when the task ended, and how: a task that does not succeed for days opens an alert."""
    if not dry_run:
        stores.maintenance_ends.note(outcome.task, stores.now(), outcome.error)
    return outcome


def _in_background(work: Callable[[], T]) -> T:
    """Return what the work returns, done in a thread of low priority; so are the threads that it starts.

    Nobody waits for the thread when this one is interrupted: it ends with the process, as after a kill.
    """
    result: Future[T] = Future()

    def run() -> None:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            result.set_exception(error)

    threading.Thread(target=run, name="maintenance", daemon=True).start()
    return result.result()


def _outcome(stores: Stores, task: Task, now: datetime, *, dry_run: bool) -> Outcome:
    started = time.monotonic()
    effects: list[Effect] = []
    error = None
    try:
        for effect in task.work(stores, now, dry_run=dry_run):
            effects.append(effect)  # noqa: PERF402 - what was done before an error is kept
        if not dry_run:
            finish_continued(stores, task)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is this task's affair alone
        _LOG.warning("The maintenance task %s failed", task.name, exc_info=failure)
        error = str(failure) or type(failure).__name__
    return Outcome(task.name, tuple(effects), time.monotonic() - started, error)
