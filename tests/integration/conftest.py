"""Real processes and services. Projects have MLflow's database from the start: its migrations run once a run."""

import sys
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


@pytest.fixture(autouse=True)
def no_instance_of_an_earlier_test() -> Iterator[None]:
    """Loading asks the storage of the instance that was entered last; Dagster does not always leave one entered twice."""
    storages = sys.modules.get("dagster._core.storage.defs_state.base")
    if storages is None:  # nobody has entered one, and unit-like tests shall not import Dagster for this
        yield
        return
    with storages.set_defs_state_storage(None):
        yield
