"""Classes that are stated wrongly are refused and named; stated later, they are used without loading anything again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, EvidenceError, ModelError
from modelops_pipelines.core.models.classes import CLASSES_TAG
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.endpoints.missing import to_add
from modelops_pipelines.operations.improve.evaluation.evaluate import _load_and_predict
from modelops_pipelines.operations.models.sandbox import predict_in_sandbox
from modelops_pipelines.operations.release.commands import deploy, known_version
from modelops_pipelines.operations.testing.batch_evaluation import evaluate_file
from tests.fakes import classifiers as made
from tests.fakes.model_kinds import empty_project
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints", "ignore:X does not have valid feature names")
SEX = ("female", "male")
YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: people
  model_name: people
  task: binary_classification
  label: sex
  accept_pickles: [{hashes}]
"""
FRAME = made.frame(20)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return empty_project(tmp_path / "project")


def write(project: Project, *versions: str, more: str = "") -> EndpointSpec:
    """Write the YAML, which accepts these versions."""
    hashes = [str(project.stores.registry.describe("people", version).files_hash) for version in versions]
    path = project.folder / "endpoints" / "people.yaml"
    path.write_text(YAML.format(hashes=", ".join(hashes)) + more)
    return read_endpoint(path)


def put(project: Project, spec: EndpointSpec, version: str) -> None:
    deploy(project.stores, spec, version, actor="ann", reason="test")


def shown(gateway: RunningGateway) -> dict[str, Any]:
    [endpoint] = gateway.client.get("/endpoints").json()
    found: dict[str, Any] = endpoint
    return found


def logged(gateway: RunningGateway) -> Any:
    """Predict a row; return its logged prediction."""
    request = gateway.predict(FRAME.head(1).to_dict("records"), "people").json()["request_id"]
    answer = gateway.client.get("/endpoints/people/logs", params={"request_id": request})
    return answer.json()["rows"][0]["prediction"]


@pytest.mark.parametrize(
    ("more", "log", "message"),
    [
        ("  positive_label: child\n", {}, "positive_label 'child' is not a class of version 1"),
        (
            "  classes: [male, female]\n  positive_label: male\n",
            {},
            "[male, female] in 'classes' in the endpoint's YAML",
        ),
        ("  positive_label: male\n", {"tags": {CLASSES_TAG: '["male", "female"]'}}, "tag modelops.classes"),
        ("  positive_label: male\n", {"metadata": {"classes": ["male", "female"]}}, "the model's metadata"),
        ("  positive_label: male\n", {"tags": {CLASSES_TAG: "male, female"}}, "is not a JSON list"),
    ],
)
def test_classes_that_differ_from_the_models_own_are_refused_at_deploy(
    project: Project, more: str, log: dict[str, Any], message: str
) -> None:
    version = made.register(project, "people", made.fitted(SEX), **log)
    path = project.folder / "endpoints" / "people.yaml"
    path.write_text(YAML.format(hashes="") + more)
    with pytest.raises(ModelError) as refused:
        put(project, read_endpoint(path), version)
    assert message in refused.value.message
    if "JSON" not in message:
        assert "female, male" in refused.value.message
    assert project.stores.deployments.desired("people").champion is None


@pytest.mark.parametrize("more", ["  positive_label: child\n", "  classes: [male, female]\n  positive_label: male\n"])
def test_what_only_loading_shows_is_refused_by_the_gateway_and_the_champion_stays(project: Project, more: str) -> None:
    for _ in range(2):
        made.register(project, "people", made.fitted(SEX), pickled=True)
    spec = write(project, "1", "2", more="  positive_label: male\n")
    put(project, spec, "1")
    with running_gateway(project) as gateway:
        assert ["female", "male"] == shown(gateway)["classes"]
        wrong = write(project, "1", "2", more=more)
        wait_until(lambda: "keeps its configuration; the new one was refused" in gateway.log.read_text(), 20)
        assert logged(gateway) in SEX
        with pytest.raises((AcknowledgementError, ModelError), match="female, male"):
            deploy(project.stores, wrong, "2", actor="ann", reason="test", force=True)
        assert "1" == project.stores.deployments.desired("people").champion
    with running_gateway(project) as gateway:  # it starts with the wrong YAML, and serves by the one before
        assert logged(gateway) in SEX
        assert "female, male" in shown(gateway)["problem"]
        write(project, "1", "2", more="  positive_label: female\n")
        wait_until(lambda: shown(gateway)["problem"] is None, 20)
        assert logged(gateway) in SEX


def state_in_yaml(project: Project, spec: EndpointSpec) -> None:
    del spec
    write(project, "1", more="  classes: [female, male]\n  positive_label: male\n")


def state_by_tag(project: Project, spec: EndpointSpec) -> None:
    mlflow.MlflowClient(project.stores.settings.registry_uri).set_model_version_tag(
        "people", "1", CLASSES_TAG, '["female", "male"]'
    )
    put(project, spec, "1")


@pytest.mark.parametrize("state", [state_in_yaml, state_by_tag])
def test_classes_stated_later_name_answers_without_loading_again(
    project: Project, state: Callable[[Project, EndpointSpec], None]
) -> None:
    made.register(project, "people", made.matrix(2, (0, 1)))
    spec = write(project, "1", more="  positive_label: male\n")
    put(project, spec, "1")
    with running_gateway(project) as gateway:
        assert logged(gateway) is None
        assert "version 1" in shown(gateway)["to_add"]
        assert "version 1" in str(to_add(project.stores, spec, project.stores.deployments.desired("people")))
        state(project, spec)
        wait_until(lambda: shown(gateway)["to_add"] is None, 20)
        assert logged(gateway) in SEX
        assert 1 == gateway.log.read_text().count("Loaded version 1")


def test_a_label_may_be_a_class_of_any_recorded_version(project: Project) -> None:
    made.register(project, "people", made.fitted(SEX))
    made.register(project, "people", made.fitted((*SEX, "other")))
    path = project.folder / "endpoints" / "people.yaml"
    path.write_text(YAML.format(hashes="").replace("binary_classification", "multiclass"))
    spec = read_endpoint(path)
    put(project, spec, "1")
    with running_gateway(project) as gateway:
        answer = gateway.predict(FRAME.head(1).to_dict("records"), "people").json()

        def label(value: str) -> int:
            body = {"labels": [{"prediction_id": f"{answer['request_id']}-0", "label": value}]}
            return gateway.client.post("/endpoints/people/labels", json=body).status_code

        assert (202, 422) == (label("male"), label("other"))
        known_version(project.stores, spec, "2")
        wait_until(lambda: label("other") == 202, 20)
        assert 422 == label("third")


def test_nothing_is_judged_without_classes(project: Project) -> None:
    made.register(project, "people", made.matrix(2, (0, 1)))
    spec = write(project, "1", more="  positive_label: male\n")
    version = known_version(project.stores, spec, "1")
    with pytest.raises(EvidenceError, match="classes of version 1 are unknown") as refused:
        _load_and_predict(spec, version, FRAME)
    assert 'Add "classes: [...]"' in refused.value.remedy
    path = project.folder / "rows.csv"
    FRAME.assign(sex=[SEX[place] for place in made.places(FRAME, 2)]).to_csv(path, index=False)
    metrics = evaluate_file(project.stores, spec, "1", path).metrics
    assert metrics is not None
    assert (None, None, None) == (metrics["accuracy"], metrics["auc"], metrics["confusion"])
    assert "classes of version 1" in metrics["reason"]


def test_the_sandbox_reads_the_classes_of_the_model_that_it_loads(project: Project) -> None:
    made.register(project, "people", made.fitted(SEX), pickled=True)
    spec = write(project, "1", more="  positive_label: female\n")
    version = known_version(project.stores, spec, "1")
    assert version.classes is None
    said = predict_in_sandbox(version, spec, pa.Table.from_pandas(FRAME, preserve_index=False))
    assert set(SEX) == set(said.predictions)
    assert all((name == "female") == (score > 0.5) for name, score in zip(said.predictions, said.scores, strict=True))
