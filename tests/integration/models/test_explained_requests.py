"""``?explain=true``: what each feature contributed, beside the predictions, in whatever process the version answers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.explanations.references import reference_of
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.registry.references.reference_rows import ReferenceRows
from tests.fakes import model_kinds as kinds
from tests.fakes.data_formats import KINDS, TRAINING
from tests.support.captured_log import log_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project
from tests.support.request_forms import rows_of

EXPLAIN = "  explain: {sample: 0}\n"
ROWS = rows_of(kinds.numbers(6, seed=9))
TREE_ROWS = rows_of(TRAINING.head(3))


@dataclass
class Running:
    """A gateway with endpoints whose versions answer here, in a process of their own, and without explanations."""

    gateway: RunningGateway
    project: Project
    specs: dict[str, EndpointSpec]

    def ask(self, endpoint: str, rows: Any, query: str = "?explain=true", **more: Any) -> httpx.Response:
        body = {"dataframe_records": rows, **more}
        return self.gateway.client.post(f"/endpoints/{endpoint}/invocations{query}", json=body)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    project = kinds.empty_project(tmp_path_factory.mktemp("explained"))
    frame, specs = kinds.training(kinds.numbers(300, seed=1)), {}
    for name, more in (("linear", EXPLAIN), ("asked", "  explain: {method: permutation, sample: 0}\n"), ("mute", "")):
        specs[name] = kinds.add_endpoint(project, name, more)
        version = trainers.train_first(project.stores, specs[name], frame, kinds.logistic)
        deploy(project.stores, specs[name], version.version, actor="test", reason="test", force=True)
        if name != "mute":
            assert isinstance(reference_of(project.stores, specs[name], version), ReferenceRows)
    own = "  allow_pickle: true\n  explain: {sample: 0}\n"
    specs["own"] = kinds.add_endpoint(project, "own", own, task="regression")
    version = trainers.train_first(project.stores, specs["own"], frame, kinds.own)
    deploy(project.stores, specs["own"], version.version, actor="test", reason="test", force=True)
    narrow = own + "  limits: {concurrent: 4}\n"
    named = own + "  output: high\n"
    for name, more, model in (
        ("narrow", narrow, kinds.own),
        ("several", named, kinds.two_numbers),
        ("undecided", own, kinds.two_numbers),
    ):
        specs[name] = kinds.add_endpoint(project, name, more, task="regression")
        version = trainers.train_first(project.stores, specs[name], frame, model)
        deploy(project.stores, specs[name], version.version, actor="test", reason="test", force=True)
        assert isinstance(reference_of(project.stores, specs[name], version), ReferenceRows)
    folder = tmp_path_factory.mktemp("models") / "trees"
    KINDS["xgboost_regressor"].save(folder)
    specs["trees"] = kinds.add_endpoint(project, "trees", EXPLAIN, task="regression")
    registered(project, "trees", folder)
    deploy(project.stores, specs["trees"], "1", actor="test", reason="test", force=True)
    with running_gateway(project) as gateway:
        yield Running(gateway, project, specs)


def registered(project: Project, name: str, folder: Path) -> None:
    registry = project.stores.registry
    registry._ensure_model(name)
    registry._client.create_model_version(name, folder.as_uri(), None)


def test_a_linear_version_in_the_worker_is_explained_on_the_scale_of_its_log_odds(running: Running) -> None:
    answer = running.ask("linear", ROWS).json()
    plain = running.ask("linear", ROWS, "").json()
    assert answer["predictions"] == plain["predictions"]
    assert "explanations" not in plain
    assert 6 == len(answer["explanations"])
    for one, predicted in zip(answer["explanations"], answer["predictions"], strict=True):
        assert ("linear", "log-odds", "1", None, None) == tuple(
            one[name] for name in ("method", "scale", "class_name", "standard_errors", "reason")
        )
        assert {*ROWS[0]} == {*one["contributions"]}
        total = one["base_value"] + sum(one["contributions"].values())
        assert np.isclose(total, one["value"])
        assert np.isclose(1 / (1 + np.exp(-total)), predicted[1])


def test_trees_in_a_process_of_their_own_have_the_contributions_of_their_library(running: Running) -> None:
    answer = running.ask("trees", TREE_ROWS).json()
    for one, predicted in zip(answer["explanations"], answer["predictions"], strict=True):
        assert ("tree", "prediction") == (one["method"], one["scale"])
        assert np.isclose(one["base_value"] + sum(one["contributions"].values()), predicted, atol=1e-4)


def test_permutations_add_up_to_the_score_with_their_errors_and_are_the_same_when_asked_again(running: Running) -> None:
    answer, again = (running.ask("asked", ROWS[:2]).json()["explanations"] for _ in range(2))
    assert answer == again
    assert {"permutation"} == {one["method"] for one in answer}
    assert {"probability"} == {one["scale"] for one in answer}
    assert all(value >= 0 for one in answer for value in one["standard_errors"].values())
    scores = [row[1] for row in running.ask("asked", ROWS[:2], "").json()["predictions"]]
    assert np.allclose([one["value"] for one in answer], scores)


def test_a_version_that_runs_code_is_asked_in_its_process_and_without_reference_rows_it_says_so(
    running: Running,
) -> None:
    answer = running.ask("own", ROWS[:1])
    assert answer.status_code == 200
    [one] = answer.json()["explanations"]
    assert one["contributions"] is None
    assert "none yet: they are taken from its training set, or once 100 rows" in one["reason"]
    assert one["reason"].endswith("modelops explain run own")
    version = running.project.stores.deployments.version("own", "1")
    assert version is not None
    taken = reference_of(running.project.stores, running.specs["own"], version)
    assert isinstance(taken, ReferenceRows)  # its file is read again
    [one] = running.ask("own", ROWS[:1]).json()["explanations"]
    used = {name for name, value in one["contributions"].items() if value}
    assert {"age", "points"} == used
    assert ("permutation", "prediction") == (one["method"], one["scale"])


@pytest.mark.parametrize(
    ("endpoint", "query", "more", "problem"),
    [
        ("mute", "?explain=true", {}, "Endpoint 'mute' explains no predictions"),
        ("linear", "?explain=maybe", {}, "The parameter explain is 'maybe'"),
        ("linear", "?explain=true", {"params": {"depth": 1}}, "takes no param"),
    ],
)
def test_what_is_not_explained_is_refused_before_the_model_is_asked(
    running: Running, endpoint: str, query: str, more: Any, problem: str
) -> None:
    answer = running.ask(endpoint, ROWS, query, **more)
    assert answer.status_code == 422
    assert problem in answer.json()["error"]["message"]
    assert answer.json()["error"]["remedy"]


def test_too_many_rows_and_the_open_inference_protocol_are_refused(running: Running) -> None:
    many = running.ask("linear", ROWS * 4)
    assert (422, "The body has 24 rows, and at most 20 are explained at once") == (
        many.status_code,
        many.json()["error"]["message"],
    )
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]} for name in ROWS[0]]
    other = running.gateway.client.post("/v2/models/linear/infer?explain=true", json={"inputs": tensors})
    assert other.status_code == 422
    assert "has no explanations" in other.json()["error"]["message"]


def test_explain_false_and_other_parameters_ask_for_nothing(running: Running) -> None:
    for query in ("?explain=false", "?explain=0", "?trace=1"):
        answer = running.ask("mute", ROWS[:1], query)
        assert answer.status_code == 200
        assert "explanations" not in answer.json()


def test_other_requests_are_answered_between_the_questions_of_an_explanation(running: Running) -> None:
    """While explanations of 20 rows are under way, single predictions of the same version go on."""
    slow = threading.Thread(target=running.ask, args=("own", [ROWS[0]] * 20))
    running.ask("own", ROWS[:1], "")
    slow.start()
    answered = 0
    while slow.is_alive():
        assert running.ask("own", ROWS[:1], "").status_code == 200
        answered += 1
    assert answered >= 1


def test_explanations_take_a_quarter_of_the_requests_in_progress_and_predictions_the_rest(running: Running) -> None:
    """Six callers ask to explain 20 rows each of an endpoint that answers four requests at once: it explains one."""
    body = {"dataframe_records": [ROWS[0]] * 20}
    url = f"{running.gateway.client.base_url}/endpoints/narrow/invocations"
    with ThreadPoolExecutor(6) as callers:
        asked = [callers.submit(httpx.post, f"{url}?explain=true", json=body, timeout=60) for _ in range(6)]
        plain = []
        while not all(one.done() for one in asked):
            plain.append(running.ask("narrow", ROWS[:1], "").status_code)
    answers = [one.result() for one in asked]
    refused = [one.json()["error"] for one in answers if one.status_code != 200]
    assert 200 in {one.status_code for one in answers}
    assert refused
    assert {"Endpoint 'narrow' explains 1 requests already, this worker's limit"} == {one["message"] for one in refused}
    assert {200} == set(plain)


def test_of_several_outputs_the_one_that_the_yaml_names_is_explained(running: Running) -> None:
    answer = running.ask("several", ROWS[:2]).json()
    for one, predicted in zip(answer["explanations"], answer["predictions"], strict=True):
        assert one["value"] == pytest.approx(predicted["high"])
        assert {"points"} == {name for name, value in one["contributions"].items() if value}
    [one] = running.ask("undecided", ROWS[:1]).json()["explanations"]
    assert one["contributions"] is None
    assert "'output' in the endpoint's YAML does not say which is the prediction" in one["reason"]


def test_the_log_has_an_explained_request_like_any_other(running: Running) -> None:
    number = running.ask("linear", ROWS[:2]).json()["request_id"]
    rows = [row for row in log_of(running.project, running.specs["linear"]) if row["request_id"] == number]
    assert [200, 200] == [row["status"] for row in rows]
    assert [one["age"] for one in ROWS[:2]] == [row["age"] for row in rows]
