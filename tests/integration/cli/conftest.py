"""Projects that several files of these tests share."""

from pathlib import Path

import pytest

from tests.support.command_line import Loop
from tests.support.project import Project, copied_project, make_project


@pytest.fixture(scope="module")
def loop(served_world: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Loop:
    world, request_id = served_world
    project = copied_project(world, tmp_path_factory.mktemp("cli") / "project")
    return Loop(project, project.folder / "data.csv", request_id)


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")
