"""A project that has served, as a folder of the test's own; and the same on another home."""

from pathlib import Path

import pytest

from tests.support.project import Project, copied_project


@pytest.fixture
def origin(served_world: tuple[Project, str], tmp_path: Path) -> Project:
    """Return a project that has served, and whose registry was opened where it lies."""
    project = copied_project(served_world[0], tmp_path / "origin")
    assert ["1", "2"] == project.stores.registry.versions("tumours")
    project.stores.database.close()
    return project
