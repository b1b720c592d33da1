"""The worlds as fixtures: each made once a run, shared by all of xdist's processes, and to be copied by tests."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.project import WORLDS, Project, copied_project
from tests.worlds.frozen import frozen

if TYPE_CHECKING:
    from tests.worlds.erasing import World

# Worlds are imported where they are made: they are heavy, and most test files do without.


@pytest.fixture(scope="session", autouse=True)
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of this run's worlds, the same one in every process of the run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "worlds"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(WORLDS, str(folder))
        yield folder


@pytest.fixture(scope="session")
def trained_world(worlds: Path) -> Project:
    from tests.worlds.trained import make_trained

    return frozen(worlds, "trained", make_trained)[0]


@pytest.fixture
def trained(trained_world: Project, tmp_path: Path) -> Project:
    """Return a project with two versions in its registry."""
    return copied_project(trained_world, tmp_path / "trained")


@pytest.fixture(scope="session")
def served_world(worlds: Path, trained_world: Project) -> tuple[Project, str]:
    from tests.worlds.served import make_served

    return frozen(worlds, "served", partial(make_served, trained_world))


@pytest.fixture(scope="session")
def two_weeks(worlds: Path) -> Project:
    from tests.worlds.two_weeks import make_two_weeks

    return frozen(worlds, "two_weeks", lambda folder: (make_two_weeks(folder), None))[0]


@pytest.fixture(scope="session")
def erasing_world(worlds: Path) -> "tuple[Project, World]":
    from tests.worlds.erasing import make_world

    return frozen(worlds, "erasing", make_world)


@pytest.fixture
def copied(erasing_world: "tuple[Project, World]", tmp_path: Path) -> "tuple[Project, World]":
    """Return a project that a user's name is all over, and what everybody did."""
    from tests.worlds.erasing import copy_of

    return copy_of(erasing_world, tmp_path)
