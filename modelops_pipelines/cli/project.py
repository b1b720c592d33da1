"""The project in the current folder, and the user who runs the command.

A folder without a project is refused before anything is created in it.
"""

import getpass
import os
from datetime import UTC, datetime
from pathlib import Path

import click

from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.core.timestamps import out_of_bounds
from modelops_pipelines.store.settings import Settings, load_settings
from modelops_pipelines.store.stores import Stores


def project_settings() -> Settings:
    """Return the settings of the project in this folder; raises SettingsError when there is no project."""
    settings = load_settings()
    if not settings.endpoints.is_dir() and not settings.home.exists():
        raise SettingsError(
            f"There is no project in {Path.cwd()}: neither {settings.endpoints} nor {settings.home} exists",
            "Change to a project's folder, or create one: modelops init FOLDER. For a model that is in MLflow already: "
            "modelops endpoint add NAME --model MODEL --task TASK --label LABEL",
        )
    return settings


def open_stores() -> Stores:
    """Return the stores of the project in this folder."""
    return Stores(project_settings())


def actor() -> str:
    """Return the actor for the history: the user of this process. A container's user may have no name."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:user-{os.getuid()}"


def require_endpoint(stores: Stores, name: str) -> None:
    """Raise UnknownError unless an endpoint has this name; for commands that found nothing for it."""
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named

    endpoint_named(stores, name)


def parse_moment(given: str) -> datetime:
    """Parse a time; without an offset it is UTC. Raises UsageError for anything else."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise click.UsageError(f"{given!r} is not a time: give for example 2026-03-01T12:00:00Z") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    fault = out_of_bounds(aware)
    if fault is not None:
        raise click.UsageError(f"{given!r} is {fault}: give a time in between.")
    return aware.astimezone(UTC)
