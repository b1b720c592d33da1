"""Real processes and services. Projects have MLflow's database from the start: its migrations run once a run."""

import sys
from collections.abc import Iterator
from typing import Any

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
def no_instance_of_an_earlier_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading asks the storage of the instance that was entered last; Dagster does not always leave one entered twice.

    What it has not left is left when the garbage collector comes by, in the middle of another test: one that is gone
    is none.
    """
    storages = sys.modules.get("dagster._core.storage.defs_state.base")
    if storages is None:  # nobody has entered one, and unit-like tests shall not import Dagster for this
        return
    find = storages.DefsStateStorage.get

    def of_living_instance() -> Any:
        found = find()
        refers_to = getattr(found, "_instance_weakref", None)
        return None if refers_to is not None and refers_to() is None else found

    monkeypatch.setattr(storages.DefsStateStorage, "get", of_living_instance)
