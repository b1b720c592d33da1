"""Versions in environments of their own: two releases of one library side by side, crashes, and what they may not do."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from modelops_pipelines.client.clients import Client
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.tables.explanations import EXPLANATIONS
from modelops_pipelines.operations.explanations.explain_log import explain_log
from modelops_pipelines.operations.improve.evaluation import evaluate
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.registry.environments.environments import Environments
from modelops_pipelines.store.registry.environments.requirements import requirements_of
from modelops_pipelines.store.registry.environments.uv_commands import Asker, python_of
from tests.fakes import model_kinds as kinds
from tests.fakes import models_with_code as own
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.ports import free_port
from tests.support.project import Project
from tests.support.waiting import wait_until

INPUTS = {"x": "float", "y": "float"}
WHO = {"actor": "test", "reason": "test"}
ISOLATED = "  runtime: isolated\n  allow_pickle: true\n"
PACKAGES = {
    "old": ("mlflow-skinny", "numpy<2", "pandas<3", "scikit-learn==1.2.2"),
    "new": ("mlflow-skinny", "numpy", "pandas<3", "scikit-learn>=1.9"),
}
FITTED = """\
import numpy as np
from sklearn.linear_model import LogisticRegression

def fitted():
    x = np.linspace(-3, 3, 40).reshape(-1, 1)
    return LogisticRegression().fit(x, (np.sin(3 * x[:, 0]) + x[:, 0] > 0).astype(int))
"""
MODEL = """\
import os, socket, sys
from pathlib import Path
import sklearn
from fitting import fitted

SAYS = {says!r}

class Model:
    def __init__(self):
        self.model = fitted()

    def predict(self, frame):
        x = frame["x"].to_numpy()
        if (x == -1000).any():
            os.abort()
        if (x == -2000).any():
            return [float(int(said(int(one)))) for one in frame["y"]]
        return self.model.predict_proba(x.reshape(-1, 1))[:, 1]

def said(number):
    if number == 0:
        return SAYS
    if number == 1:
        return sklearn.__version__.split(".")[1]
    if number == 2:
        return any("SECRET" in name or "PIP" in name for name in os.environ)
    if number == 3:
        return refused(lambda: Path(__file__).write_text("changed"))
    if number == 4:
        return refused(lambda: socket.create_connection(("127.0.0.1", int(os.environ.get("PORT", "1"))), 2))
    if number == 5:
        return refused(lambda: os.kill({pid}, 0))
    if number == 6:
        return refused(lambda: bytearray(3 * 1024**3))
    return "modelops_pipelines.store.settings" in sys.modules

def refused(act):
    try:
        act()
    except (OSError, MemoryError):
        return True
    return False

def _load_pyfunc(path):
    return Model()
"""


@dataclass
class Made:
    """A project whose endpoints serve a version in an environment of its own each, and the environments."""

    project: Project
    specs: dict[str, EndpointSpec]
    environments: dict[str, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("isolated")
    project = kinds.empty_project(folder / "project")
    specs, built = {}, {}
    for number, (name, packages) in enumerate(PACKAGES.items()):
        limit = "  limits: {memory_mib: 2048}\n" if name == "old" else ""
        spec = specs[name] = kinds.add_endpoint(project, name, ISOLATED + limit, task="regression")
        saved = _save(folder / name, packages, says=str(10 + number))
        own.record(project, spec, "1", saved, INPUTS)
        built[name] = Environments(project.stores.settings.home / "environments").path_of(requirements_of(saved, name))
    yield Made(project, specs, built)
    project.stores.database.close()


@pytest.fixture(scope="module")
def gateway(made: Made) -> Iterator[RunningGateway]:
    os.environ["A_SECRET_KEY"] = "hidden"  # the gateway's, not the version's
    try:
        deploy(made.project.stores, made.specs["old"], "1", **WHO)
        with running_gateway(made.project) as running:
            deploy(made.project.stores, made.specs["new"], "1", **WHO)
            yield running
    finally:
        del os.environ["A_SECRET_KEY"]


def test_two_releases_of_a_library_answer_side_by_side_what_each_says_itself(
    made: Made, gateway: RunningGateway
) -> None:
    client, rows = Client(str(gateway.client.base_url)), [-2.0, 0.0, 0.3, 2.5]
    answered = {name: list(client.predict(name, [{"x": x, "y": 0.0} for x in rows]).predictions) for name in PACKAGES}
    assert {name: _says_itself(made.environments[name], rows) for name in PACKAGES} == answered
    assert answered["old"] != answered["new"], "the releases fit differently, or this shows nothing"
    assert {"old": 2.0, "new": 9.0} == {name: _asked(gateway, name, 1) for name in PACKAGES}


def test_modules_of_one_name_never_meet(gateway: RunningGateway) -> None:
    assert {"old": 10.0, "new": 11.0} == {name: _asked(gateway, name, 0) for name in PACKAGES}


def test_a_version_has_no_secret_no_network_no_other_process_and_changes_no_file(
    made: Made, gateway: RunningGateway
) -> None:
    assert 0.0 == _asked(gateway, "new", 2), "variables that may hold a secret"
    applied = gateway.client.get("/endpoints/new").json()["way"]["isolation"]
    refusals = {"files": 3, "network": 4, "processes": 5}
    denied = {"files": "read_only", "network": "none", "processes": "own"}
    assert {name: float(applied[name] == denied[name]) for name in refusals} == {
        name: _asked(gateway, "new", number) for name, number in refusals.items()
    }


def test_memory_is_limited_where_the_endpoint_says_so(gateway: RunningGateway) -> None:
    assert 1.0 == _asked(gateway, "old", 6)


def test_a_crash_costs_one_request_and_is_counted(made: Made, gateway: RunningGateway) -> None:
    failed = gateway.predict([{"x": -1000.0, "y": 0.0}], "new")
    assert (500, "crash") == (failed.status_code, failed.json()["error"]["code"])
    assert 9.0 == _asked(gateway, "new", 1)
    wait_until(lambda: [one for one in made.project.stores.crashes.all() if one.endpoint == "new"], 20)
    [crash] = [one.crash for one in made.project.stores.crashes.all() if one.endpoint == "new"]
    assert "SIGABRT" == crash.cause
    assert 2.0 == _asked(gateway, "old", 1)


def test_the_gate_judges_a_version_in_its_environment(made: Made, gateway: RunningGateway) -> None:
    known = made.project.stores.deployments.version("old", "1")
    assert known is not None
    frame = pd.DataFrame({"x": [-2000.0, 0.3], "y": [1.0, 0.0]})
    assert 2.0 == evaluate._load_and_predict(made.specs["old"], known, frame.head(1)).answers[0]


def test_a_version_is_explained_in_its_environment_from_the_log_and_on_request(
    made: Made, gateway: RunningGateway, tmp_path: Path
) -> None:
    stores, client = made.project.stores, Client(str(gateway.client.base_url))
    spec = kinds.add_endpoint(made.project, "explained", ISOLATED + "  explain: {sample: 1}\n", task="regression")
    own.record(made.project, spec, "1", _save(tmp_path / "model", PACKAGES["new"], says="1"), INPUTS)
    deploy(stores, spec, "1", **WHO)
    rows = [{"x": x / 20, "y": float(x % 3)} for x in range(-60, 60)]
    [waiting] = client.predict("explained", rows[:1], explain=True).explanations
    assert "none yet" in str(waiting.reason)
    answered = client.predict("explained", rows)
    assert len(rows) <= len(log_of(made.project, spec))
    done = explain_log(stores, spec)
    assert (121, 0, None) == (done.explained, done.unexplained, done.reason)
    with stores.lake.query(spec.name, [EXPLANATIONS]) as connected:
        found = connected.sql("SELECT * FROM explanations").to_arrow_table().to_pylist()
    kept = {row["prediction_id"]: row for row in found}
    asked = client.predict("explained", rows[:2], explain=True).explanations
    for place, one in enumerate(asked):
        assert ("permutation", "prediction", None) == (one.method, one.scale, one.reason)
        assert one.contributions is not None
        assert 0.0 == one.contributions["y"] != one.contributions["x"]
        assert one.value == pytest.approx(answered.predictions[place])
        row = kept[f"{answered.request_id}-{place}"]
        assert one.contributions == pytest.approx(json.loads(row["contributions"]))


def test_an_environment_is_used_again_without_any_index(
    made: Made, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    known = made.project.stores.deployments.version("old", "1")
    assert known is not None
    environments = Environments(made.environments["old"].parent)
    wanted = requirements_of(known.folder, "Version 1")
    assert made.environments["old"] == environments.ensure(wanted, Asker("Version 1"))
    other = replace(wanted, packages=(*wanted.packages, "zipp"))
    with pytest.raises(ModelError, match=r"cannot be built.*Make the package index reachable"):
        environments.ensure(other, Asker("Version 1"))
    assert not environments.path_of(other).exists()


def test_a_version_that_nobody_trusts_gets_no_environment(made: Made, tmp_path: Path) -> None:
    spec = kinds.add_endpoint(made.project, "distrusted", "  runtime: isolated\n", task="regression")
    own.record(made.project, spec, "1", _save(tmp_path / "model", ("mlflow-skinny", "numpy"), says="1"), INPUTS)
    before = set(made.environments["old"].parent.iterdir())
    with pytest.raises(ModelError, match="is refused"):
        deploy(made.project.stores, spec, "1", **WHO)
    assert before == set(made.environments["old"].parent.iterdir())


def _save(folder: Path, packages: tuple[str, ...], says: str) -> Path:
    folder.mkdir()
    (folder / "fitting.py").write_text(FITTED)
    (folder / "model_code.py").write_text(MODEL.replace("{says!r}", repr(says)).replace("{pid}", str(os.getpid())))
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 0.0, 0.0]})
    mlflow.pyfunc.save_model(
        str(folder / "model"),
        loader_module="model_code",
        code_paths=[str(folder / "model_code.py"), str(folder / "fitting.py")],
        signature=infer_signature(frame, frame["x"].to_numpy()),
        input_example=frame,
        pip_requirements=list(packages),
    )
    return folder / "model"


def _says_itself(environment: Path, rows: list[float]) -> list[float]:
    """Return what the environment's own Python answers, without anything of ours."""
    code = f"{FITTED}\nimport json\nx = np.array({rows!r}).reshape(-1, 1)\n"
    code += "print(json.dumps(fitted().predict_proba(x)[:, 1].tolist()))"
    told = subprocess.run([str(python_of(environment)), "-I", "-c", code], capture_output=True, check=True)
    answers: list[float] = json.loads(told.stdout)
    return answers


def _asked(gateway: RunningGateway, endpoint: str, number: int) -> float:
    answer = gateway.predict([{"x": -2000.0, "y": float(number)}], endpoint)
    assert answer.status_code == 200, answer.text
    return float(answer.json()["predictions"][0])
