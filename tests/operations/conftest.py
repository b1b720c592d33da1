"""Projects that several files of these tests copy: those of erasing_world.py and of two_weeks.py."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelops_pipelines.operations import predicting
from tests.support import ROOT, Project
from tests.warm import WarmProcess

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


@pytest.fixture(scope="module")
def warm_answering() -> Iterator[None]:
    """Fork the processes in which versions answer; test_predicting.py starts them as they are started in production."""

    def start(arguments: Sequence[str], said: Path) -> WarmProcess:
        code = f"import runpy\nrunpy.run_module({predicting.CHILD!r}, run_name='__main__', alter_sys=True)"
        return WarmProcess(code, *arguments, cwd=ROOT, env=os.environ, out=said, err=said)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(predicting, "_start", start)
        yield
