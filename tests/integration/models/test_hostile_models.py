"""A model whose files would execute code is refused and executes nothing, unless pickles are accepted."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.gateway import running_gateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of
from tests.support.versions import assert_refused, deploy_version, record_as_foreign, two_versions

ROWS = rows_of(cancer_frame().head(3))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


class Payload:
    """A pickle that makes a file when anything loads it."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._marker),)


def _as_pickle(folder: Path, payload: bytes) -> str:
    """Leave the model a pickle as MLflow logs one."""
    (folder / "python_model.pkl").write_bytes(payload)
    return "its format can execute code when it is loaded"


def _as_swapped_file(folder: Path, payload: bytes) -> str:
    """Put the pickle in the place of the skops file."""
    _sklearn_file(folder).write_bytes(payload)
    return "its skops file cannot be judged (BadZipFile)"


def _as_folder_of_its_own(folder: Path, payload: bytes) -> str:
    """Point the generic flavour at a folder within, whose own MLmodel file nobody has looked at."""
    (folder / "inner").mkdir()
    (folder / "inner" / "evil.pkl").write_bytes(payload)
    _edit(folder, lambda flavors: flavors["python_function"].update(data="inner/evil.pkl"))
    return "is refused"


def _as_code(folder: Path, payload: bytes) -> str:
    """Bring a module along that MLflow would put first on the path."""
    _sklearn_file(folder).write_bytes(payload)
    _edit(folder, lambda flavors: flavors["python_function"].update(code="code"))
    return "it contains its own code"


def _as_trusted_type(folder: Path, payload: bytes) -> str:
    """Let the model's own file vouch for a type that executes."""
    _sklearn_file(folder).write_bytes(payload)
    _edit(folder, lambda flavors: flavors["sklearn"].update(skops_trusted_types=["os.system"]))
    return "it contains untrusted types: os.system"


TAMPERED = [
    _as_pickle,
    _as_swapped_file,
    _as_folder_of_its_own,
    _as_code,
    _as_trusted_type,
]


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_malicious_model_is_refused_and_executes_nothing(trained: Project, tamper: Any) -> None:
    first, second = two_versions(trained)
    if tamper is _as_pickle:
        second = _pickled(trained)
    deploy_version(trained, first)
    marker = trained.folder / "executed"
    said = tamper(Path(second.artifact_uri), pickle.dumps(Payload(marker)))
    record_as_foreign(trained, second)
    with running_gateway(trained) as gateway:
        assert_refused(trained, second, said)
        assert gateway.predict(ROWS).json()["model_version"] == "1"
    assert not marker.exists()


def test_where_pickles_are_accepted_one_is_served(tmp_path: Path) -> None:
    project = make_project(tmp_path, CANCER_YAML + "  allow_pickle: true\n")
    deploy_version(project, _pickled(project))
    with running_gateway(project) as gateway:
        assert gateway.predict(ROWS).json()["predictions"] == [0.25, 0.25, 0.25]


def test_where_pickles_are_accepted_the_malicious_one_executes_so_the_refusals_above_are_worth_something(
    tmp_path: Path,
) -> None:
    project = make_project(tmp_path)
    version, marker = _pickled(project), tmp_path / "executed"
    _as_pickle(Path(version.artifact_uri), pickle.dumps(Payload(marker)))
    foreign = record_as_foreign(project, version)
    accepting = replace(project.spec, accept_pickles=(str(foreign.files_hash),))
    with pytest.raises(ModelError, match="cannot be loaded"):
        deploy(project.stores, accepting, version.version, actor="test", reason="test")
    assert marker.exists()


def _pickled(project: Project) -> ModelVersion:
    """Register a version that only pickle can hold, as somebody with access to the registry might."""
    spec = replace(project.spec, allow_pickle=True)
    return trainers.train_first(project.stores, spec, cancer_frame(), _constant)


def _constant(_frame: Any, _context: Any) -> Any:
    import mlflow

    class Constant(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature; hints would be taken for a signature
            return [0.25] * len(model_input)

    return Constant()


def _sklearn_file(folder: Path) -> Path:
    described = yaml.safe_load((folder / "MLmodel").read_text())
    return folder / str(described["flavors"]["sklearn"]["pickled_model"])


def _edit(folder: Path, change: Any) -> None:
    described = yaml.safe_load((folder / "MLmodel").read_text())
    change(described["flavors"])
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
