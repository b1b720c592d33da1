"""A project on another home than its own, and backups of it by the command line."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.command_line import modelops
from tests.support.ports import free_port
from tests.support.project import Project


def home_elsewhere(project: Project, home: Path) -> Project:
    """Return the project as its user would run it on another home: nothing but the environment says where."""
    environment = project.environment | {"MODELOPS_HOME": str(home), "MODELOPS_GATEWAY_PORT": str(free_port())}
    return replace(project, environment=environment, stores=Stores(load_settings(project.folder, environment)))


def backed_up(project: Project, target: Path, *options: str) -> dict[str, Any]:
    """Take a backup; return what the command says."""
    done = modelops(project, "backup", str(target), "--json", *options)
    assert done.code == 0, done.err
    said: dict[str, Any] = done.json
    return said


def restored(project: Project, target: Path, home: Path, *options: str) -> Project:
    """Restore a backup; return the project on the restored home."""
    done = modelops(project, "restore", str(target), str(home), "--json", *options)
    assert done.code == 0, done.err
    return home_elsewhere(project, home)
