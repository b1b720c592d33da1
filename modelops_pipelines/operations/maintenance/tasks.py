"""A maintenance task, and how it deletes: with an entry in the audit before and after."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.store.stores import Stores


class Work(Protocol):
    """What a task does: yield each effect after it is carried out, or in a dry run what would be.

    Killed at any instant and called again it ends in the same state. It may raise; what it has yielded is done.
    """

    def __call__(self, stores: Stores, now: datetime, *, dry_run: bool) -> Iterable[Effect]:
        """Do it for all endpoints and tables that need it at this time."""
        ...


@dataclass(frozen=True)
class Task:
    """One task of maintenance: its name on the command line, what it is about, its work, and the kinds it deletes."""

    name: str
    about: str
    work: Work
    kinds: tuple[str, ...]


@contextmanager
def audited(stores: Stores, effect: Effect, now: datetime) -> Iterator[None]:
    """Delete in the block: the audit has it before it begins, and finishes it when the block ends without an error."""
    started = stores.deletions.start(effect, now)
    yield
    stores.deletions.finish(started.id, stores.now())


def finish_continued(stores: Stores, task: Task) -> None:
    """Finish what a killed run of the task left in the audit: one that ends without an error has deleted its rest."""
    for kind in task.kinds:
        for one in stores.deletions.unfinished(kind):
            stores.deletions.finish(one.id, stores.now())
