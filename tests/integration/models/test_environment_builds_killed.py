"""A gateway that is killed while it builds a version's environment leaves no uv; the next one builds it and serves."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.versions.environments import clean_environments, known_environments
from modelops_pipelines.store.registry.environments.environments import BUILDING, FOLDER, LEFT, READY
from tests.fakes import model_kinds as kinds
from tests.fakes import models_with_code as own
from tests.support.gateway import running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until
from tests.support.wheels import processes_with

ISOLATED = "  runtime: isolated\n  allow_pickle: true\n"
MODEL = """\
class Model:
    def predict(self, frame):
        return frame["x"].to_numpy() * 3.0

def _load_pyfunc(path):
    return Model()
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Project, EndpointSpec]]:
    project = kinds.empty_project(tmp_path / "project")
    spec = kinds.add_endpoint(project, "apart", ISOLATED, task="regression")
    (tmp_path / "model_code.py").write_text(MODEL)
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    mlflow.pyfunc.save_model(
        str(tmp_path / "model"),
        loader_module="model_code",
        code_paths=[str(tmp_path / "model_code.py")],
        signature=infer_signature(frame, frame["x"].to_numpy()),
        input_example=frame,
        pip_requirements=["mlflow-skinny", "numpy", "pandas<3"],
    )
    own.record(project, spec, "1", tmp_path / "model")
    yield project, spec
    project.stores.database.close()


def test_a_killed_gateway_leaves_no_build_and_the_next_one_serves_the_version(
    made: tuple[Project, EndpointSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = made
    folder = project.stores.settings.home / FOLDER
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.MonkeyPatch.context() as patched:
        patched.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}")  # it never answers
        patched.setenv("UV_NO_CACHE", "1")
        with running_gateway(project, ready=False) as gateway:
            deploying = threading.Thread(target=_deploy, args=(str(gateway.client.base_url),), daemon=True)
            deploying.start()
            silent.settimeout(60)
            silent.accept()
            assert [BUILDING] == [one.environment.state for one in known_environments(project.stores)]
            gateway.kill()
            wait_until(lambda: not processes_with(f"{folder}/.draft"), 30)
            deploying.join()
    wait_until(lambda: [LEFT] == [one.environment.state for one in known_environments(project.stores)], 30)
    with running_gateway(project, ready=False) as gateway:
        answer = gateway.client.post("/endpoints/apart/deployments", json={"version": "1"}, timeout=240)
        assert answer.status_code == 200, answer.text
        assert [6.0] == gateway.predict([{"x": 2.0}], "apart").json()["predictions"]
        [known] = known_environments(project.stores)
        assert (READY, True) == (known.environment.state, known.environment.in_use)
        assert [("apart", "1", "champion")] == [(one.endpoint, one.version, one.role) for one in known.endpoints]
        version = project.stores.deployments.version("apart", "1")
        assert version is not None
        version.folder.rename(project.folder / "lost")  # no version needs it, and a process runs there
        assert [] == clean_environments(project.stores, 0)
    wait_until(lambda: clean_environments(project.stores, 0) == [known.environment.hash], 20)


def _deploy(url: str) -> None:
    with suppress(httpx.HTTPError):  # the gateway is killed meanwhile
        httpx.post(f"{url}/endpoints/apart/deployments", json={"version": "1"}, timeout=120)
