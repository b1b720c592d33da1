"""Who deploys over HTTP reads why a version is refused, as on the command line, in the first answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

from modelops_pipelines import Client
from modelops_pipelines.client.connection.errors import RefusedChangeError
from tests.fakes.model_kinds import add_endpoint, empty_project
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
SIGNATURE = infer_signature(FRAME, pd.Series([0, 0, 1, 1]))
MODEL = "churn"
SKOPS: dict[str, Any] = {"serialization_format": "skops", "signature": SIGNATURE}
NAMED_LIKE_THE_LABEL = FRAME.rename(columns={"x": "Bought"})
REFUSALS = {
    "no signature": (FRAME, ["0", "1"], {"serialization_format": "skops"}, "has no signature", "signature=infer_"),
    "code": (
        FRAME,
        ["0", "1"],
        {**SKOPS, "serialization_format": "pickle"},
        "can execute code",
        "Correct what it says",
    ),
    "the label among the inputs": (
        NAMED_LIKE_THE_LABEL,
        ["0", "1"],
        {**SKOPS, "signature": infer_signature(NAMED_LIKE_THE_LABEL, pd.Series([0, 1]))},
        "Bought of model 'churn' are named like the label",
        "Rename them",
    ),
    "classes of other names": (FRAME, ["left", "stayed"], SKOPS, "'1' is not a class of version", "positive_label"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, RunningGateway]]:
    """Return a project with a gateway and an endpoint that serves nothing."""
    project = empty_project(tmp_path_factory.mktemp("refusals") / "project")
    add_endpoint(project, MODEL)
    project.stores.registry._ensure_model(MODEL)
    with running_gateway(project, ready=False) as gateway:
        yield project, gateway


def registered(project: Project, folder: Path, frame: pd.DataFrame, classes: list[str], **how: Any) -> str:
    """Register a model of these classes, logged so; return its version."""
    model = LogisticRegression().fit(frame, [classes[0]] * 2 + [classes[1]] * 2)
    mlflow.sklearn.save_model(model, folder, pip_requirements=["scikit-learn"], **how)
    return str(project.stores.registry._client.create_model_version(MODEL, folder.as_uri()).version)


@pytest.mark.parametrize("name", REFUSALS)
def test_the_first_answer_says_why_and_what_to_do(
    served: tuple[Project, RunningGateway], name: str, tmp_path: Path
) -> None:
    project, gateway = served
    frame, classes, how, why, remedy = REFUSALS[name]
    version = registered(project, tmp_path / "model", frame, classes, **how)
    answer = gateway.client.post(f"/endpoints/{MODEL}/deployments", json={"version": version}, timeout=120)
    error = answer.json()["error"]
    assert (409, "refused_version") == (answer.status_code, error["code"])
    assert why in error["message"]
    assert remedy in error["remedy"]
    with Client(str(gateway.client.base_url)) as client:
        for _ in range(2):  # the second finds the same attempt, where one was recorded
            with pytest.raises(RefusedChangeError) as refused:
                client.deploy(MODEL, version, idempotency_key=f"v{version}")
            assert why in refused.value.message
    assert [] == [row["prediction"] for row in gateway.client.get(f"/endpoints/{MODEL}/logs").json()["rows"]]


def test_a_hash_to_accept_is_in_the_answer_and_loads_the_version(
    served: tuple[Project, RunningGateway], tmp_path: Path
) -> None:
    project, gateway = served
    how = {**SKOPS, "serialization_format": "pickle"}
    version = registered(project, tmp_path / "model", FRAME, ["0", "1"], **how)
    with Client(str(gateway.client.base_url)) as client:
        with pytest.raises(RefusedChangeError, match="accept_pickles: ") as refused:
            client.deploy(MODEL, version)
        line = refused.value.message.partition("'accept_pickles: ")[2].partition("'")[0]
        add_endpoint(project, MODEL, f"  accept_pickles: {line}\n")
        assert version == client.deploy(MODEL, version).to_version


def test_a_version_that_cannot_be_judged_says_so(served: tuple[Project, RunningGateway], tmp_path: Path) -> None:
    project, gateway = served
    good = registered(project, tmp_path / "good", FRAME, ["0", "1"], **SKOPS)
    bad = registered(project, tmp_path / "bad", FRAME, ["0", "1"], serialization_format="skops")
    path = f"/endpoints/{MODEL}"
    live = gateway.client.post(
        f"{path}/deployments", json={"version": good, "force": True, "reason": "a test"}, timeout=120
    )
    assert 200 == live.status_code, live.text
    answer = gateway.client.post(f"{path}/evaluations", json={"version": bad}, timeout=120)
    assert (409, "refused_version") == (answer.status_code, answer.json()["error"]["code"])
    assert "has no signature" in answer.json()["error"]["message"]
