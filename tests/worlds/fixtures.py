"""Projects that several files of these tests copy: those of erasing_world.py and of two_weeks.py."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import Project

if TYPE_CHECKING:
    from tests.operations.erasing_world import World


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Project, World]":
    from tests.operations.erasing_world import make_world  # heavy, and most files of this folder do without

    return make_world(tmp_path_factory.mktemp("whole") / "project")


@pytest.fixture
def copied(whole: "tuple[Project, World]", tmp_path: Path) -> "tuple[Project, World]":
    from tests.operations.erasing_world import copy_of

    return copy_of(whole, tmp_path)


@pytest.fixture(scope="session")
def two_weeks(tmp_path_factory: pytest.TempPathFactory) -> Project:
    from tests.operations.two_weeks import make_two_weeks

    return make_two_weeks(tmp_path_factory.mktemp("two_weeks") / "project")
