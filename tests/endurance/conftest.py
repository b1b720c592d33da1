"""Long counts on real services. Projects have MLflow's database from the start: its migrations run once a run."""

from collections.abc import Iterator

import pytest

from tests.support.project import projects_have_a_registry
from tests.support.warm import warm_children


@pytest.fixture(scope="session", autouse=True)
def projects_with_a_registry() -> Iterator[None]:
    with projects_have_a_registry():
        yield


@pytest.fixture(scope="session", autouse=True)
def models_answer_in_warm_processes() -> Iterator[None]:
    with warm_children():
        yield
