"""modelops model environment: built beforehand, listed with who needs it, removed when nobody does. Wheels are made here."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from modelops_pipelines.store.registry.environments.environments import FOLDER
from modelops_pipelines.store.registry.environments.requirements import requirements_of
from tests.fakes import model_kinds as kinds
from tests.fakes import models_with_code as own
from tests.support.command_line import modelops, refused
from tests.support.project import Project
from tests.support.wheels import MODULES, make_wheel, only_wheels

COMMAND = ("model", "environment")
ISOLATED = "  runtime: isolated\n  allow_pickle: true\n"
REQUIRED = {"1": ("mlflow==1.0",), "2": ("mlflow==1.0",), "3": ("mlflow==1.0", "other==2.0")}
LOADER = "def _load_pyfunc(path):\n    raise AssertionError('it is not loaded')\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Return a project with an isolated endpoint, three versions of its model, and an endpoint that is none."""
    wheels = only_wheels(tmp_path, monkeypatch)
    make_wheel(wheels, "mlflow", "1.0", MODULES)
    make_wheel(wheels, "other", "2.0", MODULES)
    made = kinds.empty_project(tmp_path / "project")
    spec = kinds.add_endpoint(made, "apart", ISOLATED, task="regression")
    kinds.add_endpoint(made, "ours", task="regression", model="apart")
    for number, required in REQUIRED.items():
        own.record(made, spec, number, _saved(tmp_path / f"version-{number}", required))
    yield made
    made.stores.database.close()


def test_an_environment_is_built_once_and_listed_with_the_versions_that_need_it(project: Project) -> None:
    assert "There are no environments yet." in modelops(project, *COMMAND, "list").err
    assert [] == modelops(project, *COMMAND, "list", "--json").json
    built = modelops(project, *COMMAND, "build", "apart", "1", "--json").json
    assert ("ready", ["mlflow ==1.0"], ["mlflow==1.0"]) == tuple(
        built[name] for name in ("state", "requirements", "installed")
    )
    assert (None, False) == (built["used_at"], built["in_use"])
    away = {"UV_FIND_LINKS": "", "UV_NO_CACHE": "1"}
    for version in "12":  # they need the same, and no index any more
        assert built == modelops(project, *COMMAND, "build", "apart", version, "--json", **away).json
    refused(modelops(project, *COMMAND, "build", "apart", "3", **away), "cannot be built for")
    [listed] = modelops(project, *COMMAND, "list", "--json").json
    needing = [{"model": "apart", "version": "1"}, {"model": "apart", "version": "2"}]
    assert {**built, "versions": needing, "endpoints": [], "trainers": []} == listed
    [head, line] = modelops(project, *COMMAND, "list").out.splitlines()
    assert ["hash", "state", "python", "packages"] == head.split()[:4]
    assert "apart 1, apart 2" in line


def test_an_endpoint_that_is_not_isolated_and_an_unknown_version_are_refused(project: Project) -> None:
    refused(modelops(project, *COMMAND, "build", "ours", "1"), "Add 'runtime: isolated' to the YAML of 'ours'")
    refused(modelops(project, *COMMAND, "build", "apart", "77"), "77")
    assert not (project.stores.settings.home / FOLDER).exists()


def test_what_no_version_needs_is_removed_with_an_entry_in_the_audit(project: Project) -> None:
    for version in "13":
        modelops(project, *COMMAND, "build", "apart", version)
    assert [] == modelops(project, *COMMAND, "clean", "--json").json
    assert "Every environment is needed." in modelops(project, *COMMAND, "clean").err
    folders = {version: _lose(project, version) for version in REQUIRED}
    would = modelops(project, *COMMAND, "clean", "--dry-run", "--json").json
    assert sorted({*folders.values()}) == [one["folder"] for one in would]
    assert {"no version needs it"} == {one["reason"] for one in would}
    assert 2 == len(modelops(project, *COMMAND, "list", "--json").json)
    _come_back(project, "2")
    [removed] = modelops(project, *COMMAND, "clean", "--json").json
    assert folders["3"] == removed["folder"]
    assert [folders["1"]] == [one["hash"] for one in modelops(project, *COMMAND, "list", "--json").json]
    [noted] = modelops(project, "deletions", "--kind", "leftovers", "--json").json
    assert ("environments of models", 1, removed["bytes"]) == (noted["item"], noted["items"], noted["bytes"])
    assert noted["finished_at"]


def _lose(project: Project, number: str) -> str:
    """Move a version's files away; return the name of the environment that they need."""
    folder = _folder(project, number)
    found = requirements_of(folder, number).hash
    folder.rename(project.folder / f"lost-{number}")
    return found


def _come_back(project: Project, number: str) -> None:
    (project.folder / f"lost-{number}").rename(_folder(project, number))


def _folder(project: Project, number: str) -> Path:
    version = project.stores.deployments.version("apart", number)
    assert version is not None
    return version.folder


def _saved(folder: Path, required: tuple[str, ...]) -> Path:
    folder.mkdir()
    (folder / "loading.py").write_text(f"{LOADER}# {folder.name}\n")
    frame = pd.DataFrame({"x": [0.0, 1.0]})
    mlflow.pyfunc.save_model(
        str(folder / "model"),
        loader_module="loading",
        code_paths=[str(folder / "loading.py")],
        signature=infer_signature(frame, frame["x"].to_numpy()),
        pip_requirements=list(required),
    )
    return folder / "model"
