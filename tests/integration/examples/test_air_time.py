"""A second endpoint on the same flights, a regression, goes the whole way with one YAML and one trainer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from examples.flights.data import AIR_TIME, FEATURES, flights_frame, labelled, months
from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.operations.improve.training.sets import read_training_set
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.sensors.common import RETRAINING_ASSETS
from modelops_pipelines.store.state.improve.gates import Gate
from tests.support.command_line import modelops
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.paths import ROOT
from tests.support.project import train_first
from tests.worlds.dagster_project import World, checks_of, shown_of, wait_for_segments, world

YAML = (ROOT / "examples" / "flights" / "air_time" / "air_time.yaml").read_text()
NAME = "air_time"
ROWS_A_DAY = 110
FIRST_DAYS, DAYS = 26, 54
WRONG = 900.0
"""Minutes that no flight within the country is in the air: what a caller says, and a reviewer corrects."""
OFF = 15.0
"""Minutes; a prediction that is further off is corrected by the reviewer, others are confirmed."""


@dataclass
class Story:
    """What happened to the endpoint, in the order of the fields."""

    world: World
    gateway: RunningGateway
    sent: pd.DataFrame
    first: dg.ExecuteInProcessResult
    queue: dg.ExecuteInProcessResult
    reviewed: dict[str, Any]
    accepted: dict[str, Any]
    alerts: list[Alert]
    due: Any
    retrained: dg.ExecuteInProcessResult
    gate: Gate
    promoted: dg.ExecuteInProcessResult
    rolled_back: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    flights = labelled(flights_frame(), AIR_TIME)
    january = months(flights, 1, 1).rename(columns={"departs_at": "event_time"}).head(200)
    with world(tmp_path_factory.mktemp("story"), yaml=YAML) as made:
        stores, spec = made.project.stores, made.project.spec
        version = train_first(made.project, january[["event_time", *FEATURES, AIR_TIME]])
        deploy(stores, spec, version.version, actor="ann", reason="first")
        with running_gateway(made.project) as gateway:
            days = [day.head(ROWS_A_DAY) for day in each_day(months(flights, 2, 3).sample(frac=1, random_state=1))]
            sent = [send(gateway, day) for day in days[:FIRST_DAYS]]
            corrected = give_feedback(gateway, sent[0])
            wait_for_segments(made.project, NAME)
            first = made.materialise(endpoint=NAME, by_hand=True)
            made.tick("alerts")
            alerts = stores.alerts.find(NAME)
            accepted = post(gateway, f"feedback/{corrected}/to-training")
            post(gateway, f"feedback/{corrected}/flag", note="900 minutes?")
            queue = made.materialise(["review_queue"], endpoint=NAME)
            reviewed = review(gateway, pd.concat(sent))
            sent += [send(gateway, day) for day in days[FIRST_DAYS:DAYS]]
            wait_for_segments(made.project, NAME)
            made.materialise(endpoint=NAME)
            due = made.tick("retraining")
            retrained = made.materialise(RETRAINING_ASSETS, endpoint=NAME)
            gate = stores.gates.of(NAME)[-1]
            request = made.tick("promotion").run_requests[0]
            promoted = made.run("promote", NAME, **request.run_config["ops"]["promote_version"]["config"])
            rolled_back = made.run("rollback", NAME, reason="practice")
            runs = (first, queue, reviewed, accepted)
            yield Story(made, gateway, pd.concat(sent), *runs, alerts, due, retrained, gate, promoted, rolled_back)


def each_day(flights: pd.DataFrame) -> list[pd.DataFrame]:
    return [of_day for _, of_day in flights.groupby(flights["departs_at"].dt.floor("D"))]


def send(gateway: RunningGateway, flights: pd.DataFrame) -> pd.DataFrame:
    """Ask for a day's predictions, and tell their labels as of the landings; return the flights with their ids."""
    at = {"X-Event-Time": flights["departs_at"].min().isoformat()}
    rows = json.loads(flights[list(FEATURES)].to_json(orient="records"))
    answer = gateway.predict(rows, NAME, **at)
    assert answer.status_code == 200, answer.text
    ids = [f"{answer.json()['request_id']}-{row}" for row in range(len(rows))]
    landed = [moment.isoformat() for moment in flights["landed_at"]]
    triples = zip(ids, flights[AIR_TIME].tolist(), landed, strict=True)
    labels = [{"prediction_id": i, "label": label, "labelled_at": at} for i, label, at in triples]
    said = gateway.client.post(f"/endpoints/{NAME}/labels", json={"labels": labels})
    assert said.status_code == 202, said.text
    return flights.assign(prediction_id=ids, answered=answer.json()["predictions"])


def give_feedback(gateway: RunningGateway, sent: pd.DataFrame) -> str:
    """Correct the number of one prediction, and complain about another; return the id of the correction."""
    first, second = sent["prediction_id"].head(2)
    body = {"corrected_label": WRONG, "thumbs": "down", "comment": "we circled for hours"}
    post(gateway, "feedback", 202, prediction_id=second, rating=2)
    return str(post(gateway, "feedback", 202, prediction_id=first, **body)["feedback_id"])


def review(gateway: RunningGateway, sent: pd.DataFrame) -> dict[str, Any]:
    """Judge every item of the queue: what was 15 minutes off is corrected; return what the reviews say."""
    truth = dict(zip(sent["prediction_id"], sent[AIR_TIME], strict=True))
    for item in gateway.client.get(f"/endpoints/{NAME}/review", params={"limit": 1000}).json()["items"]:
        minutes = float(truth[item["prediction_id"]])
        off = abs(item["detail"]["prediction"] - minutes) > OFF
        verdict: dict[str, Any] = {"verdict": "correct", "label": minutes} if off else {"verdict": "confirm"}
        if gateway.client.get(f"/endpoints/{NAME}/review/{item['id']}").json()["status"] == "open":
            post(gateway, f"review/{item['id']}", **verdict)
    return dict(gateway.client.get(f"/endpoints/{NAME}/review/agreement").json())


def post(gateway: RunningGateway, route: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = gateway.client.post(f"/endpoints/{NAME}/{route}", json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def test_every_row_is_answered_with_minutes_and_every_label_and_feedback_is_joined(story: Story) -> None:
    rows = queried(story, "SELECT count(*)::INT AS n, count(prediction)::INT AS answered FROM inference_log")
    assert [{"n": len(story.sent), "answered": len(story.sent)}] == rows
    joined = "SELECT count(*)::INT AS n FROM labels JOIN inference_log USING (prediction_id) WHERE label = "
    assert sum(story.sent[AIR_TIME] == 150) == queried(story, f"{joined} 150")[0]["n"]
    said = "SELECT rating, thumbs, corrected_label, comment FROM feedback ORDER BY rating NULLS FIRST"
    corrected = {"rating": None, "thumbs": "down", "corrected_label": WRONG, "comment": "we circled for hours"}
    assert [corrected, {"rating": 2, "thumbs": None, "corrected_label": None, "comment": None}] == queried(story, said)


def test_feedback_refuses_a_corrected_label_that_is_no_number(story: Story) -> None:
    body = {"prediction_id": story.sent["prediction_id"].iloc[2], "corrected_label": "long"}
    refused = story.gateway.client.post(f"/endpoints/{NAME}/feedback", json=body)
    assert (422, True) == (refused.status_code, "'long' is not a number" in refused.json()["error"]["message"])


def test_monitoring_measures_the_error_in_minutes_and_raises_an_alert_on_it(story: Story) -> None:
    assert story.first.success
    check = checks_of(story.first)["quality_mae"]
    day = story.sent[story.sent["departs_at"].dt.date == story.sent["departs_at"].dt.date.iloc[0]]
    measured = queried(
        story,
        "SELECT mae, feedback::INT AS feedback, complaints::INT AS complaints FROM quality_metrics "
        "WHERE segment = 'all' ORDER BY window_start LIMIT 1",
    )[0]
    assert (day["answered"] - day[AIR_TIME]).abs().mean() == pytest.approx(measured["mae"])
    assert (2, 2) == (measured["feedback"], measured["complaints"])
    assert (False, ["quality_mae"]) == (check.passed, [alert.rule for alert in story.alerts])
    drift = queried(story, 'SELECT count(DISTINCT "column")::INT AS n FROM drift WHERE value IS NOT NULL')
    assert drift[0]["n"] > 5


def test_flagged_disagreeing_costly_and_random_predictions_are_reviewed_and_become_labels(story: Story) -> None:
    assert story.queue.success
    shown = {name: value.value for name, value in shown_of(story.queue, "review_queue").metadata.items()}
    added, first = shown["added"], story.sent["prediction_id"].iloc[0]
    assert 1 == added["flagged"]
    assert {"flagged", "costly", "random"} <= set(added) <= {"flagged", "disagreeing", "costly", "random"}
    assert (0, "mae") == (story.reviewed["open"], story.reviewed["quality"]["metric"])
    quality = story.reviewed["quality"]
    assert quality["judged"] == quality["drawn"] == added["random"]
    assert quality["low"] < quality["value"] < quality["high"]
    labels = queried(story, "SELECT prediction_id, label FROM labels WHERE source = 'review'")
    told = dict(zip(story.sent["prediction_id"], story.sent[AIR_TIME], strict=True))
    assert float(told[first]) == {row["prediction_id"]: row["label"] for row in labels}[first]


def test_a_correction_is_accepted_for_training_as_a_number(story: Story) -> None:
    accepted = {name: story.accepted[name] for name in ("status", "label", "training_rows")}
    assert {"status": "accepted", "label": str(WRONG), "training_rows": 1} == accepted


def test_a_better_candidate_is_trained_on_the_log_passes_the_gate_and_is_promoted_and_rolled_back(
    story: Story,
) -> None:
    stores = story.world.project.stores
    (request,) = story.due.run_requests
    assert "quality_mae" in request.tags["modelops/reason"]
    frozen = read_training_set(stores, stores.training_sets.of(NAME)[-1])
    told = dict(zip(story.sent["prediction_id"], story.sent[AIR_TIME], strict=True))
    logged = {
        one: minutes
        for one, minutes in zip(*(frozen.column(name).to_pylist() for name in ("row_id", AIR_TIME)), strict=True)
        if not one.startswith("base-")
    }
    assert len(logged) > 4000
    right = {one: minutes for one, minutes in logged.items() if abs(minutes - told[one]) <= OFF}
    assert logged == right  # a label, or what the reviewer confirmed as near enough
    assert (True, "pass") == (story.retrained.success, story.gate.verdict)
    assert story.promoted.success
    assert story.rolled_back.success
    events = stores.deployments.events(NAME)
    assert [("deploy", "1"), ("promote", "2"), ("rollback", "1")] == [(one.action, one.to_version) for one in events]


@pytest.mark.parametrize(
    "command",
    [
        ("metrics", NAME),
        ("drift", NAME),
        ("report", NAME),
        ("history", NAME),
        ("evaluate", NAME, "2"),
        ("review", "list", NAME, "--all"),
        ("review", "agreement", NAME),
        ("feedback", "list", NAME),
        ("try", NAME),
        ("endpoint", "show", NAME),
    ],
    ids=" ".join,
)
def test_every_view_knows_a_regression(story: Story, command: tuple[str, ...]) -> None:
    done = modelops(story.world.project, *command)
    assert (0, True) == (done.code, bool(done.out)), done.err


def queried(story: Story, query: str) -> list[dict[str, Any]]:
    """Ask the lake as a user does."""
    return list(modelops(story.world.project, "sql", query, "--endpoint", NAME, "--json").json)
