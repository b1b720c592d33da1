"""Where a trainer that runs elsewhere is found: in the project, never among this project's packages; nothing is run."""

from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.operations.improve.retraining.fitting_apart import module_folders

EXPLOSIVE = "raise AssertionError('it is imported')\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project; a package of trainers lies elsewhere on the path."""
    (tmp_path / "project" / "trainers").mkdir(parents=True)
    (tmp_path / "elsewhere" / "shared").mkdir(parents=True)
    for name in ("project/own.py", "project/trainers/__init__.py", "project/trainers/deep.py"):
        (tmp_path / name).write_text(EXPLOSIVE)
    for name in ("elsewhere/shared/__init__.py", "elsewhere/shared/ours.py"):
        (tmp_path / name).write_text(EXPLOSIVE)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    return tmp_path


@pytest.mark.parametrize(
    ("trainer", "folders"),
    [
        ("own:train", ["project"]),
        ("trainers:train", ["project"]),
        ("trainers.deep:train", ["project"]),
        ("shared:train", ["project", "elsewhere"]),
        ("shared.ours:train", ["project", "elsewhere"]),
    ],
)
def test_its_process_looks_in_the_project_and_where_its_package_is(
    trainer: str, folders: list[str], project: Path
) -> None:
    assert [str(project / name) for name in folders] == module_folders(trainer)


@pytest.mark.parametrize("trainer", ["click:command", "click.core:command", "json:dumps"])
def test_a_trainer_among_this_projects_packages_is_refused(trainer: str) -> None:
    with pytest.raises(ModelError, match="is installed among this project's packages, which its environment does not"):
        module_folders(trainer)


def test_a_trainer_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match=r"The trainer gone:train cannot be found: there is no module 'gone'"):
        module_folders("gone:train")
