"""A project in a folder, and a small real model."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.store.registry.place import lead_registry_home
from modelops_pipelines.store.settings import is_server, load_settings
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.once import made_once
from tests.support.ports import free_port

WORLDS = "TEST_WORLDS"
"""The variable with the folder that all processes of a test run share."""
REGISTRY = "TEST_REGISTRY"
"""The variable that is set where tests use MLflow: each project then has its database, as migrated, from the start."""
HOMES = Path(__file__).parents[1] / "homes"
CANCER_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: cancer
  model_name: tumours
  task: binary_classification
  label: benign
  window: hour
  trainer: tests.fakes.trainers:logistic
  allow_replay: true
  drift: {method: fixed, minimum: 500}
"""


@dataclass
class Project:
    """A project of one test: its folder, its stores, its endpoint."""

    folder: Path
    environment: dict[str, str]
    stores: Stores
    spec: EndpointSpec


def make_project(folder: Path, yaml: str = CANCER_YAML, **environment: str) -> Project:
    """Make a project with one endpoint and free ports in an empty folder."""
    (folder / "endpoints").mkdir(parents=True)
    path = folder / "endpoints" / "endpoint.yaml"
    path.write_text(yaml)
    home = {"MODELOPS_HOME": str(folder / "home"), "MODELOPS_ENDPOINTS": str(folder / "endpoints")}
    at_once = {"MODELOPS_SEAL_AFTER_SECONDS": "0.2", "MODELOPS_INGEST_LAG_SECONDS": "0"}
    given = {**_free_ports(), **home, **at_once, **environment}
    project = Project(folder, given, Stores(load_settings(folder, given)), read_endpoint(path))
    if REGISTRY in os.environ:
        put_blank_registry(project)
    return project


def copied_project(project: Project, folder: Path) -> Project:
    """Copy a project whose making takes long, with all that it holds; ports are its own, paths lead to the copy."""
    shutil.copytree(project.folder, folder)
    environment = {name: value.replace(str(project.folder), str(folder)) for name, value in project.environment.items()}
    environment |= _free_ports()
    stores = Stores(load_settings(folder, environment))
    lead_registry_home(stores.settings)  # tests ask MLflow where files are: never at the origin, which others copy too
    return replace(project, folder=folder, environment=environment, stores=stores)


def unpacked_project(release: str, folder: Path, yaml: str) -> Project:
    """Unpack the project that an older release left behind (``tests/homes``), with the endpoint's YAML of today."""
    project = make_project(folder, yaml)
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    with tarfile.open(HOMES / f"{release}.tar.xz") as packed:
        packed.extractall(folder, members=[one for one in packed if one.name.startswith("home")], filter="data")
    return replace(project, stores=Stores(load_settings(folder, project.environment)))


def _free_ports() -> dict[str, str]:
    return {f"MODELOPS_{name}_PORT": str(free_port()) for name in ("GATEWAY", "DAGSTER", "MLFLOW")}


def cancer_frame() -> Any:
    """Return scikit-learn's bundled breast cancer data: four features and the label ``benign`` (0 or 1), 569 rows."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.frame[["mean radius", "mean texture", "mean smoothness", "mean concavity"]]
    return frame.rename(columns=lambda name: name.replace(" ", "_")).assign(benign=bunch.target)


def train_first(project: Project, frame: Any = None) -> ModelVersion:
    """Train and register the project's first version."""
    from modelops_pipelines.operations.improve.retraining import train as trainers

    put_blank_registry(project)
    return trainers.train_first(project.stores, project.spec, cancer_frame() if frame is None else frame)


@contextmanager
def projects_have_a_registry() -> Iterator[None]:
    """Let every project that is made have MLflow's database, as migrated, from the start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(REGISTRY, "1")
        yield


def put_blank_registry(project: Project) -> None:
    """Give the project MLflow's database as its migrations leave it, where it has none yet."""
    registry = _registry_file(project)
    if not is_server(project.stores.settings.registry_uri) and not registry.exists():
        registry.parent.mkdir(mode=0o700, exist_ok=True)
        registry.write_bytes(_blank_registry())


@cache
def _blank_registry() -> bytes:
    """Return MLflow's database without a model: its migrations take 3 s, so that they run once a run."""
    shared = os.environ.get(WORLDS)
    return made_once(Path(shared) / "registry.db", _migrated_registry) if shared else _migrated_registry()


def _migrated_registry() -> bytes:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.delenv(REGISTRY, raising=False)
        project = make_project(Path(folder) / "project")
        _ = project.stores.registry
        return _registry_file(project).read_bytes()


def _registry_file(project: Project) -> Path:
    return Path(project.stores.settings.registry_uri.removeprefix("sqlite:///"))


def rows_of(frame: Any, label: str = "benign") -> list[dict[str, Any]]:
    """Return the frame's features as JSON records."""
    return [dict(row) for row in frame.drop(columns=[label]).to_dict(orient="records")]
