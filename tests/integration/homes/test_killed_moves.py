"""A home that is led to its new place, and a state that is migrated, killed at any step: the next start goes on."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from modelops_pipelines.store.state.database import REVISION
from tests.support.homes import home_elsewhere
from tests.support.killed_steps import killed_statement, spread, statements_of
from tests.support.project import HOMES, Project, make_project, unpacked_project

MOVING = """\
from modelops_pipelines.store.stores import Stores
    from modelops_pipelines.store.registry.place import lead_registry_home
    stores = Stores()
    stores.database.secret()
    lead_registry_home(stores.settings)"""
OPENING = """\
from modelops_pipelines.store.stores import Stores
    Stores().database.secret()"""
KILLS = 5
YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  {name: tumours, model_name: tumours, task: binary_classification, label: benign, trainer: tests.fakes.trainers:logistic}
"""


def addresses(home: Path) -> str:
    """Return all that MLflow's database says."""
    with closing(sqlite3.connect(home / "mlflow.db")) as connected:
        return "\n".join(connected.iterdump())


def test_a_move_that_is_killed_at_any_statement_is_done_by_the_next_start(trained: Project, tmp_path: Path) -> None:
    _ = trained.stores.registry
    trained.stores.database.close()
    origin = trained.folder / "home"
    shutil.copytree(origin, tmp_path / "copy")
    steps = statements_of(home_elsewhere(trained, tmp_path / "copy"), MOVING)
    for step in spread(steps, KILLS):
        copy = tmp_path / f"copy{step}"
        shutil.copytree(origin, copy)
        project = home_elsewhere(trained, copy)
        assert killed_statement(step, project, MOVING)
        told = addresses(copy)
        assert (str(origin) in told) != (str(copy) in told)  # all addresses or none
        assert ["1", "2"] == project.stores.registry.versions("tumours")
        assert project.stores.registry.describe("tumours", "2").folder.is_relative_to(copy)
        assert str(origin) not in addresses(copy)


@pytest.mark.parametrize("release", sorted(path.name.removesuffix(".tar.xz") for path in HOMES.glob("*.tar.xz")))
def test_a_migration_that_is_killed_at_any_statement_goes_on(release: str, tmp_path: Path) -> None:
    first = unpacked_project(release, tmp_path / "first", YAML)
    steps = statements_of(first, OPENING)
    expected = dump(first)
    for step in spread(steps, KILLS):
        project = unpacked_project(release, tmp_path / f"home{step}", YAML)
        assert killed_statement(step, project, OPENING)
        project.stores.database.secret()
        assert expected == dump(project)


def dump(project: Project) -> list[str]:
    """Return the state database's tables and rows, without the folder that it lies in."""
    with closing(sqlite3.connect(project.folder / "home" / "state.db")) as connected:
        assert [(REVISION,)] == connected.execute("SELECT version_num FROM alembic_version").fetchall()
        lines = "\n".join(connected.iterdump()).replace(str(project.folder), "").splitlines()
    return sorted(line for line in lines if "'seal'" not in line)


def test_a_new_state_that_is_killed_at_any_statement_is_made_by_the_next_start(tmp_path: Path) -> None:
    steps = statements_of(make_project(tmp_path / "first"), OPENING)
    for step in spread(steps, KILLS):
        project = make_project(tmp_path / f"home{step}")
        assert killed_statement(step, project, OPENING)
        assert 32 == len(project.stores.database.secret())
