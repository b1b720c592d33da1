"""Environments that no version needs any more, and what killed builds left: removed, with an entry in the audit."""

from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.operations.maintenance.tasks import audited
from modelops_pipelines.operations.versions.environments import clean_environments, unneeded_environments
from modelops_pipelines.store.filesystem.folder_sizes import size_of
from modelops_pipelines.store.stores import Stores

ITEM, REASON = "environments of models", "nothing needs it"


@dataclass(frozen=True)
class Removed:
    """A folder of an environment that was removed, or would be, and its size on the disk."""

    folder: str
    bytes: int
    reason: str


def remove_environments(stores: Stores, now: datetime, *, dry_run: bool) -> list[Removed]:
    """Remove the environments that no version needs and no process uses, whatever their age; return them.

    A dry run removes nothing.
    """
    found = [Removed(path.name, size_of(path).bytes, _reason(path.name)) for path in unneeded_environments(stores, 0)]
    if not found or dry_run:
        return found
    with audited(stores, Effect("leftovers", ITEM, len(found), sum(one.bytes for one in found), REASON), now):
        removed = clean_environments(stores, 0)
    return [one for one in found if one.folder in removed]


def _reason(name: str) -> str:
    return "its build or removal was killed" if name.startswith(".") else "no version needs it"
