"""The SQLite files of the home: their free pages go back to the disk, under traffic."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.store.filesystem.sqlite_files import free_space, shrink
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.stores import Stores

_SQLITE = "sqlite:///"


def shrink_databases(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:  # noqa: ARG001 - as each task
    """Make the files of the state, of MLflow's registry and of Dagster smaller where much of them is free.

    What is in them does not change. Raises BusyError when one is held for too long; it is tried again the next time.
    """
    for path in database_files(stores.settings):
        space = free_space(path)
        if not space.is_worth_it:
            continue
        reason = f"{space.free / space.bytes:.0%} of it is free"
        reason += "" if space.shrinks else "; made to give free space back in small steps"
        if space.is_too_large:
            reason += "; it is too large to write anew under traffic: stop modelops up, then run modelops maintain"
        name = str(path.relative_to(stores.settings.home)) if path.is_relative_to(stores.settings.home) else path.name
        if not dry_run and (not space.is_too_large or not _is_up(stores.settings)):
            shrink(path)
        yield Effect("database files", name, 1, space.bytes, reason, action="rewrite", detail={"free": space.free})


def database_files(settings: Settings) -> list[Path]:
    """Return the SQLite files of this installation that exist."""
    own = [Path(url.removeprefix(_SQLITE)) for url in (settings.state_url, settings.registry_uri) if _is_file(url)]
    history = settings.dagster / "history"
    dagster = [history / "runs.db", history / "runs" / "index.db", settings.dagster / "schedules" / "schedules.db"]
    return [path for path in (*own, *dagster) if path.is_file()]


def _is_file(url: str) -> bool:
    return url.startswith(_SQLITE) and "?" not in url


def _is_up(settings: Settings) -> bool:
    from modelops_pipelines.platforms.one_up import read_states

    return read_states(settings.home) is not None
