"""A hit asks no model: a version that answers otherwise each time says so. Parameters make another request."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import model_kinds as kinds
from tests.support.gateway import RunningGateway, running_gateway

FRAME = pd.DataFrame({"x": [0.25, 1.5]})
RANDOM, NOTHING = 99.0, 50.0
CONFIGURATIONS = {"asked": "", "kept": "  cache: {}\n"}
pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints")


def odd() -> Any:
    """Return a model that answers x times a factor: at RANDOM any number, and at NOTHING none."""
    at_random, at_nothing = RANDOM, NOTHING

    class Odd(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            import random

            given = [random.random() if x == at_random else None if x == at_nothing else x for x in model_input["x"]]
            return pd.Series(given, dtype="float64") * (params or {}).get("factor", 1.0)

    return Odd()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    project = kinds.empty_project(tmp_path_factory.mktemp("odd"))
    folder, registry = tmp_path_factory.mktemp("models") / "odd", project.stores.registry
    signature = infer_signature(FRAME, pd.Series([0.5]), params={"factor": 1.0})
    mlflow.pyfunc.save_model(
        folder, python_model=odd(), signature=signature, input_example=FRAME, pip_requirements=["mlflow"]
    )
    registry._ensure_model("odd")
    version = str(registry._client.create_model_version("odd", folder.as_uri()).version)
    project.stores.deployments.record_version(replace(registry.describe("odd", version), trained_here=True))
    for name, more in CONFIGURATIONS.items():
        spec = kinds.add_endpoint(project, name, f"  allow_pickle: true\n{more}", task="regression", model="odd")
        deploy(project.stores, spec, version, actor="test", reason="test")
    with running_gateway(project) as running:
        yield running


def ask(gateway: RunningGateway, endpoint: str, *values: float, **more: Any) -> tuple[list[Any], bool]:
    """Return the answer to rows, and whether the log says that it was kept."""
    body = {"dataframe_records": [{"x": value} for value in values], **more}
    answer = gateway.client.post(f"/endpoints/{endpoint}/invocations", json=body).json()
    found = gateway.client.get(f"/endpoints/{endpoint}/logs", params={"request_id": answer["request_id"]}).json()
    [hit] = {row["cache_hit"] for row in found["rows"]}
    return answer["predictions"], hit


def test_a_version_that_answers_otherwise_each_time_is_asked_once_for_all_equal_requests(
    gateway: RunningGateway,
) -> None:
    asked, kept = ([ask(gateway, endpoint, RANDOM) for _ in range(4)] for endpoint in CONFIGURATIONS)
    assert 4 == len({answer[0] for answer, _ in asked})
    assert 1 == len({answer[0] for answer, _ in kept})
    assert ([False] * 4, [False, True, True, True]) == ([hit for _, hit in asked], [hit for _, hit in kept])


def test_requests_with_other_parameters_are_other_requests(gateway: RunningGateway) -> None:
    params = [None, {}, {"factor": 2.0}, {"factor": 3.0}, {"factor": 2.0}, {"factor": 2}]
    found = [ask(gateway, "kept", 1.5, **({} if one is None else {"params": one})) for one in params]
    assert [1.5, 1.5, 3.0, 4.5, 3.0, 3.0] == [answer[0] for answer, _ in found]
    assert [False, True, False, False, True, False] == [hit for _, hit in found]


def test_an_answer_with_rows_that_are_unanswered_is_not_kept(gateway: RunningGateway) -> None:
    assert [([0.25, None], False)] * 2 == [ask(gateway, "kept", 0.25, NOTHING) for _ in range(2)]
