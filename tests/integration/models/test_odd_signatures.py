"""A gateway serves a version of odd columns: names of ours, optional ones, nested values; the log has what was sent."""

from collections.abc import Iterator
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array

from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.registry.file_hashes import hash_files
from tests.fakes import model_kinds as kinds
from tests.fakes.telling_models import saved
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

SCHEMA = Schema([ColSpec("double", "x"), ColSpec("string", "date", required=False), ColSpec(Array("double"), "status")])
ROWS: list[dict[str, Any]] = [{"x": 1.0, "date": "monday", "status": [1, 2.5]}, {"x": 2.0, "status": []}]
pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Any, RunningGateway, Any]]:
    project = kinds.empty_project(tmp_path_factory.mktemp("odd") / "project")
    folder = saved(tmp_path_factory.mktemp("model") / "model", SCHEMA)
    spec = kinds.add_endpoint(project, "odd", f"  accept_pickles: [{hash_files(folder)}]\n", task="multiclass")
    registry = project.stores.registry
    registry._ensure_model("odd")
    registry._client.create_model_version("odd", folder.as_uri())
    with running_gateway(project, ready=False) as gateway:
        deploy(project.stores, spec, "1", actor="test", reason="test")
        yield project, spec, gateway, mlflow.pyfunc.load_model(str(folder))


def test_requests_have_the_features_own_names_and_the_log_has_what_was_sent(
    served: tuple[Project, Any, RunningGateway, Any],
) -> None:
    project, spec, gateway, model = served
    response = gateway.predict(ROWS, "odd")
    assert 200 == response.status_code, response.text
    frame = pd.DataFrame({"x": [1.0, 2.0], "date": ["monday", None], "status": [[1.0, 2.5], []]})
    assert model.predict(frame) == response.json()["predictions"]
    left_out = gateway.predict([{"x": 3.0, "status": [3.0]}], "odd")
    assert model.predict(pd.DataFrame({"x": [3.0], "status": [[3.0]]})) == left_out.json()["predictions"]
    refused = gateway.predict([{"x": 3.0, "status": ["text"]}], "odd")
    assert (422, "'status' in row 0 is") == (refused.status_code, refused.json()["error"]["message"][8:28])
    described = gateway.client.get("/endpoints/odd").json()["inputs"]
    assert {"x": "float", "date": "text", "status": "json"} == described
    logged = [row for row in log_of(project, spec) if row["status"] == 200 and row["source"] == "live"]
    kept = sorted((row["x"], row["feature:date"], row["feature:status"]) for row in logged)
    assert [(1.0, "monday", "[1,2.5]"), (2.0, None, "[]"), (3.0, None, "[3.0]")] == kept
