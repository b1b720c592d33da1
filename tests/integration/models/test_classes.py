"""Classes in every order, type and form, from real MLflow through the gateway to the quality: right, or absent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.models.classes import CLASSES_TAG
from modelops_pipelines.core.tables.lake import ESTIMATED_QUALITY, QUALITY_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes import classifiers as made
from tests.fakes.model_kinds import empty_project
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints", "ignore:X does not have valid feature names")
METRICS = ("accuracy", "precision", "recall", "f1", "confusion", "auc", "log_loss", "brier", "calibration_error")
YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: {name}
  task: {task}
  label: outcome
  window: day
  accept_pickles: [{hash}]
"""


@dataclass(frozen=True)
class Case:
    """A model, what its YAML states, its true classes in the order of x, and the labels that callers send for them."""

    model: Any
    names: Sequence[str]
    yaml: str = ""
    labels: Sequence[Any] = ()
    scored: bool = True
    named: bool = True
    log: dict[str, Any] = field(default_factory=dict)

    @property
    def positive(self) -> str | None:
        """The positive class of two."""
        given = [line.split(": ")[1].strip("'") for line in self.yaml.splitlines() if "positive_label" in line]
        return (given[0] if given else "1") if len(self.names) == 2 else None


def positive(name: str) -> str:
    return f"  positive_label: '{name}'\n"


def classes(*names: Any) -> str:
    return f"  classes: [{', '.join(map(str, names))}]\n"


SEX = ("female", "male")
THREE = ("low", "mid", "tall")
CASES = {
    "two_first": Case(made.fitted(SEX), SEX, positive("female")),
    "two_last": Case(made.fitted(SEX), SEX, positive("male")),
    "two_backwards": Case(made.fitted(("yes", "no")), ("yes", "no"), positive("yes")),
    "two_pickled": Case(made.fitted(SEX), SEX, positive("female"), log={"pickled": True}),
    "three": Case(made.fitted(("tall", "low", "mid")), ("tall", "low", "mid")),
    "three_pickled": Case(made.fitted(("tall", "low", "mid")), ("tall", "low", "mid"), log={"pickled": True}),
    "truths": Case(made.fitted((False, True)), ("0", "1"), labels=(False, "True")),
    "truths_backwards": Case(made.fitted((True, False)), ("1", "0"), positive("0"), labels=("true", 0.0)),
    "numbers": Case(made.fitted((7, 3)), ("7", "3"), positive("3"), labels=(7.0, "3")),
    "codes": Case(made.fitted((0, 1)), ("no", "yes"), classes('"no"', '"yes"') + positive("no")),
    "float_classes": Case(
        made.fitted((0.0, 1.0)), ("0", "1"), positive("0"), (0, 1), scored=False, log={"function": "predict"}
    ),
    "matrix_tag": Case(made.matrix(3, (2, 0, 1)), THREE, log={"tags": {CLASSES_TAG: '["tall", "low", "mid"]'}}),
    "matrix_yaml": Case(made.matrix(2, (1, 0)), SEX, classes("male", "female") + positive("female")),
    "matrix_metadata": Case(
        made.matrix(2, (1, 0)), SEX, positive("male"), log={"metadata": {"classes": ["male", "female"]}}
    ),
    "score_last": Case(made.score(), SEX, classes("female", "male") + positive("female")),
    "score_first": Case(made.score(of_last=False), SEX, classes("male", "female") + positive("female")),
    "words": Case(made.words(THREE), THREE, scored=False),
    "matrix_unknown": Case(made.matrix(2, (0, 1)), SEX, positive("male"), named=False),
    "three_unknown": Case(made.matrix(3, (0, 1, 2)), ("0", "1", "2"), named=False),
    "score_unknown": Case(made.score(), ("0", "1"), named=False),
}
KNOWN = [name for name, case in CASES.items() if case.named]
UNKNOWN = [name for name, case in CASES.items() if not case.named]


@dataclass(frozen=True)
class World:
    project: Project
    gateway: RunningGateway
    specs: dict[str, EndpointSpec]
    truths: dict[str, list[int]]
    outputs: dict[str, list[Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve every case to the same rows, and send what turned out to be true."""
    project = empty_project(tmp_path_factory.mktemp("classes") / "project")
    specs = {name: put_live(project, name, case) for name, case in CASES.items()}
    features = made.frame()
    truths = {name: made.places(features, len(case.names)) for name, case in CASES.items()}
    outputs = {}
    with running_gateway(project) as gateway:
        wait_until(lambda: all(one["variants"] for one in listed(gateway).values()), 60)
        for name, case in CASES.items():
            answer = gateway.predict(features.to_dict("records"), name)
            assert answer.status_code == 200, (name, answer.text, gateway.log.read_text()[-3000:])
            outputs[name] = answer.json()["predictions"]
            sent = case.labels or case.names
            given = [
                {"prediction_id": f"{answer.json()['request_id']}-{row}", "label": sent[place]}
                for row, place in enumerate(truths[name])
            ]
            accepted = gateway.client.post(f"/endpoints/{name}/labels", json={"labels": given})
            assert accepted.status_code == 202, (name, accepted.text)
        for spec in specs.values():
            for stream in ("predictions", "labels"):
                wait_until(lambda spec=spec, stream=stream: ingest(project.stores, spec, stream) or True, 20)
            wait_until(lambda spec=spec: rows_in(project, spec) == made.ROWS, 20)
            measure_quality(project.stores, spec)
            estimate_quality(project.stores, spec)
        yield World(project, gateway, specs, truths, outputs)


def put_live(project: Project, name: str, case: Case) -> EndpointSpec:
    version = made.register(project, name, case.model, **case.log)
    accepted = project.stores.registry.describe(name, version).files_hash
    path = project.folder / "endpoints" / f"{name}.yaml"
    task = "binary_classification" if len(case.names) == 2 else "multiclass"
    path.write_text(YAML.format(name=name, task=task, hash=accepted) + case.yaml)
    spec = read_endpoint(path)
    deploy(project.stores, spec, version, actor="test", reason="test")
    return spec


def rows_in(project: Project, spec: EndpointSpec) -> int:
    for stream in ("predictions", "labels"):
        ingest(project.stores, spec, stream)
    return project.stores.lake.rows(spec.name, "labels")


def listed(gateway: RunningGateway) -> dict[str, Any]:
    return {one["name"]: one for one in gateway.client.get("/endpoints").json()}


def quality(world: World, name: str) -> dict[str, Any]:
    [row] = newest(world.project.stores, world.specs[name], QUALITY_METRICS)
    return row


@pytest.mark.parametrize("name", KNOWN)
def test_quality_is_what_the_true_classes_give_whatever_their_order_and_type(world: World, name: str) -> None:
    case, found, output = CASES[name], quality(world, name), world.outputs[name]
    truth = [case.names[place] for place in world.truths[name]]
    assert made.ROWS == found["labelled"]
    assert found["accuracy"] > 0.7
    if not case.scored:
        return
    # The columns' classes as the case's author knows them, not as the product read them.
    order = column_order(name, case)
    rows = [row if isinstance(row, list) else [1 - row, row] for row in output]
    answers = [order[row.index(max(row))] for row in rows]
    assert accuracy_score(truth, answers) == pytest.approx(found["accuracy"])
    if case.positive is None:
        return
    scores = [row[order.index(case.positive)] for row in rows]
    labels = [one == case.positive for one in truth]
    assert roc_auc_score(labels, scores) == pytest.approx(found["auc"])
    assert found["auc"] > 0.9  # the wrong column would give under 0.1
    assert log_loss(labels, scores) == pytest.approx(found["log_loss"])


def column_order(name: str, case: Case) -> list[str]:
    stated = {
        "matrix_tag": ["tall", "low", "mid"],
        "matrix_yaml": ["male", "female"],
        "matrix_metadata": ["male", "female"],
        "score_first": ["male", "female"],
    }
    return stated.get(name) or (list(case.names) if name == "codes" else sorted(case.names))


@pytest.mark.parametrize("name", UNKNOWN)
def test_without_classes_every_number_of_classes_is_absent_and_the_reason_says_what_to_add(
    world: World, name: str
) -> None:
    found = quality(world, name)
    assert made.ROWS == found["labelled"]
    assert dict.fromkeys(METRICS) == {metric: found[metric] for metric in METRICS}
    assert "classes of version 1 were unknown for 240 of 240 predictions" in found["reason"]
    assert 'add "classes: [...]" to the YAML, or the tag modelops.classes' in found["reason"]
    if len(CASES[name].names) == 2:
        [estimated] = newest(world.project.stores, world.specs[name], ESTIMATED_QUALITY)
        assert (None, None) == (estimated["auc"], estimated["accuracy"])
        assert "classes of version 1 are unknown" in estimated["reason"]


@pytest.mark.parametrize("name", CASES)
def test_the_listing_says_what_to_add_where_something_is_missing(world: World, name: str) -> None:
    shown = listed(world.gateway)[name]
    if CASES[name].named:
        assert shown["to_add"] is None
    else:
        assert shown["classes"] is None
        assert 'Add "classes: [...]"' in shown["to_add"]


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "words"])
def test_a_label_that_is_no_class_is_refused_and_the_classes_are_named(world: World, name: str) -> None:
    answer = world.gateway.predict(made.frame(1).to_dict("records"), name).json()
    for label in ("nobody", 17, ""):
        body = {"labels": [{"prediction_id": f"{answer['request_id']}-0", "label": label}]}
        refused = world.gateway.client.post(f"/endpoints/{name}/labels", json=body)
        assert refused.status_code == 422
        assert all(one in refused.text for one in CASES[name].names)
        feedback = {"prediction_id": f"{answer['request_id']}-0", "corrected_label": label}
        assert 422 == world.gateway.client.post(f"/endpoints/{name}/feedback", json=feedback).status_code


def test_what_the_gateway_reads_of_a_pickled_model_is_recorded(world: World) -> None:
    found = {name: world.project.stores.deployments.version(name, "1") for name in ("two_pickled", "three", "words")}
    assert ["female", "male"] == found["two_pickled"].classes
    assert "model" == found["two_pickled"].classes_from
    assert (["low", "mid", "tall"], "files") == (found["three"].classes, found["three"].classes_from)
    assert found["words"].classes is None
