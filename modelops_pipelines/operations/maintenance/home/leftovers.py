"""What processes that were killed left behind, and copies that nothing needs any more."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.operations.maintenance.home.environments import ITEM as ENVIRONMENTS
from modelops_pipelines.operations.maintenance.home.environments import REASON
from modelops_pipelines.operations.maintenance.tasks import audited
from modelops_pipelines.operations.versions.copies import clean_copies, unneeded_copies
from modelops_pipelines.operations.versions.environments import clean_environments, unneeded_environments
from modelops_pipelines.store.filesystem.folder_sizes import FolderSize, size_of
from modelops_pipelines.store.filesystem.scratch import abandoned, remove_abandoned
from modelops_pipelines.store.stores import Stores

FORGOTTEN = timedelta(days=1)
"""A draft that was not touched for so long is no process's any more."""
_LIVE = timedelta(hours=2)
_DRAFTS = (
    ".write-probe-*",
    ".*.json.*",
    "configurations/.*",
    "imports/.*",
    "references/*/.*",
    "reports/*/.*",
    "live/.*",
)


def remove_leftovers(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Remove drafts of files, live metrics of ended workers, scratch folders of ended processes, unneeded copies.

    Environments that no version needs, and what killed builds left of others, are removed with them.
    """
    home = stores.settings.home
    drafts = [path for pattern in _DRAFTS for path in home.glob(pattern) if _is_older(path, now, FORGOTTEN)]
    live = [path for path in (home / "live").glob("*") if path not in drafts and _is_older(path, now, _LIVE)]
    copies = [stores.model_copies.path_of(name) for name in unneeded_copies(stores)]
    parts: list[tuple[str, list[Path], Callable[[list[Path]], object]]] = [
        ("drafts of files", drafts, _unlink),
        ("live metrics of ended workers", live, _unlink),
        ("scratch folders of ended processes", abandoned(), lambda _: remove_abandoned()),
        ("copies of models", copies, lambda _: clean_copies(stores)),
        (ENVIRONMENTS, unneeded_environments(stores), lambda _: clean_environments(stores)),
    ]
    for item, paths, remove in parts:
        if not paths:
            continue
        size = sum((size_of(path) for path in paths), FolderSize())
        effect = Effect("leftovers", item, len(paths), size.bytes, REASON)
        if not dry_run:
            with audited(stores, effect, now):
                remove(paths)
        yield effect
    if not dry_run:
        stores.deployments.forget_ended()


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _is_older(path: Path, now: datetime, age: timedelta) -> bool:
    try:
        return path.is_file() and now.timestamp() - path.stat().st_mtime > age.total_seconds()
    except OSError:
        return False
