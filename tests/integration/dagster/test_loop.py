"""The loop through Dagster, on a real instance: checks, alerts, retraining, gate, promotion; jobs; recomputing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.definitions.sensor_definition import SensorExecutionData

from modelops_pipelines.assets.metadata import markdown_table
from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.core.windows import text, window_of
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.sensors.common import RETRAINING_ASSETS
from modelops_pipelines.store.state.improve.gates import Gate
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, cancer_frame, rows_of, train_first
from tests.worlds.dagster_project import MONITORING, START, World, checks_of, failure_of, send, wait_for_segments, world

LOOP_YAML = f"""{CANCER_YAML}\
  alerts:
    - {{kind: error_rate, above: 0.10}}
    - {{kind: quality, metric: brier_skill, below: 0, minimum: 50}}
  retraining: {{min_new_labels: 4500, cooldown: 7d}}
  promotion: {{strategy: direct, automatic: true}}
"""
MIXED_YAML = CANCER_YAML.replace("tests.fakes.trainers:logistic", "tests.fakes.trainers:mixed")
DAYS = 52
ROWS_A_DAY = 100


@dataclass
class Story:
    """What happened to an endpoint whose champion was trained on wrong labels, in the order of the fields."""

    world: World
    too_early: SensorExecutionData
    first: dg.ExecuteInProcessResult
    alerted: SensorExecutionData
    opened: list[Alert]
    again: list[Alert]
    not_yet: SensorExecutionData
    due: SensorExecutionData
    retrained: dg.ExecuteInProcessResult
    gate: Gate
    cooling: SensorExecutionData
    passed: SensorExecutionData
    promoted: dg.ExecuteInProcessResult
    done: SensorExecutionData


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with world(tmp_path_factory.mktemp("story"), yaml=LOOP_YAML) as made:
        stores, spec = made.project.stores, made.project.spec
        frame = cancer_frame()
        wrong = frame.assign(benign=1 - frame["benign"]).head(60)
        deploy(stores, spec, train_first(made.project, wrong).version, actor="ann", reason="first")
        too_early = made.tick("retraining")
        with running_gateway(made.project) as gateway:
            days(gateway, frame, range(40))
            wait_for_segments(made.project)
            first = made.materialise(by_hand=True)
            alerted = made.tick("alerts")
            opened = stores.alerts.find("cancer")
            made.tick("alerts")
            again = stores.alerts.find("cancer")
            not_yet = made.tick("retraining")
            days(gateway, frame, range(40, DAYS))
            wait_for_segments(made.project)
            made.materialise()
            due = made.tick("retraining")
            retrained = made.materialise(RETRAINING_ASSETS)
            gate = stores.gates.of("cancer")[-1]
            cooling = made.tick("retraining")
            passed = made.tick("promotion")
            request = passed.run_requests[0]
            promoted = made.run("promote", **request.run_config["ops"]["promote_version"]["config"])
            done = made.tick("promotion")
        yield Story(
            made,
            too_early,
            first,
            alerted,
            opened,
            again,
            not_yet,
            due,
            retrained,
            gate,
            cooling,
            passed,
            promoted,
            done,
        )


def days(gateway: RunningGateway, frame: Any, which: range) -> None:
    """Send a request and its labels for each of the days."""
    for day in which:
        rows = frame.sample(ROWS_A_DAY, random_state=day)
        send(gateway, rows_of(rows), rows["benign"].tolist(), START + timedelta(days=day))


def test_nothing_is_retrained_before_there_is_data(story: Story) -> None:
    assert story.too_early.skip_message == "cancer: the log has no predictions yet"


def test_a_failing_check_shows_its_numbers_and_does_not_fail_the_run(story: Story) -> None:
    check = checks_of(story.first)["quality_brier_skill"]
    assert (story.first.success, check.passed, check.severity) == (True, False, dg.AssetCheckSeverity.ERROR)
    assert check.metadata["value"].value < check.metadata["threshold"].value == 0
    assert "windows failed, 1 not judged]" in check.description


def test_failing_windows_of_a_run_by_hand_become_one_open_alert_that_counts_them(story: Story) -> None:
    (alert,) = story.opened
    failed = [
        v for v in checks_of(story.first)["quality_brier_skill"].metadata["verdicts"].value if v["passed"] is False
    ]
    assert (alert.rule, alert.status, alert.count) == ("quality_brier_skill", "open", len(failed))
    assert alert.opened_window == failed[0]["window"]


def test_the_same_run_again_changes_no_alert(story: Story) -> None:
    assert story.again == story.opened


def test_an_alerts_cursor_passes_the_run_and_then_skips_with_a_reason(story: Story) -> None:
    assert story.alerted.cursor
    shown = story.world.tick("alerts", "2100-01-01T00:00:00+00:00")  # it reports what has happened to alerts
    later = story.world.tick("alerts", shown.cursor)
    assert later.skip_message == "0 runs finished since 2100-01-01T00:00:00Z, 0 new drift alerts"


def test_too_few_new_labels_are_told_in_numbers(story: Story) -> None:
    expected = "cancer: signal quality_brier_skill, but only 4000 of 4500 required new labels"
    assert story.not_yet.skip_message == expected


def test_a_retraining_starts_when_it_is_due_and_says_why(story: Story) -> None:
    (request,) = story.due.run_requests
    assert [key.path for key in request.asset_selection] == [["cancer", name] for name in RETRAINING_ASSETS]
    assert request.tags["modelops/reason"] == "quality_brier_skill; 5200 new labels (at least 4500)"
    assert (request.tags["endpoint"], request.tags["modelops/kind"]) == ("cancer", "retraining")


def test_a_better_candidate_passes_the_gate(story: Story) -> None:
    check = checks_of(story.retrained)["gate"]
    assert (story.retrained.success, check.passed, story.gate.verdict) == (True, True, "pass")
    assert story.gate.numbers["lower_bound"] > 0
    assert check.metadata["data_hash"].value == story.gate.data_hash


def test_after_a_retraining_the_next_one_waits(story: Story) -> None:
    assert "only 0 of 4500 required new labels" in str(story.cooling.skip_message)


def test_a_passed_gate_asks_once_for_the_promotion(story: Story) -> None:
    (request,) = story.passed.run_requests
    assert (request.partition_key, request.tags["endpoint"]) == ("cancer", "cancer")
    assert story.world.definitions.resolve_sensor_def("promotion").job_name == "promote"
    assert story.promoted.success
    assert story.done.skip_message == "cancer: 0 candidates to promote"
    events = story.world.project.stores.deployments.events("cancer")
    assert [(e.action, e.from_version, e.to_version, e.actor) for e in events] == [
        ("deploy", None, "1", "ann"),
        ("promote", "1", "2", "promotion sensor"),
    ]
    champion = story.world.project.stores.registry.describe("tumours", "2")
    assert champion.version == "2"


def test_a_refused_gate_fails_the_retraining_run_and_raises_no_pipeline_alert(story: Story) -> None:
    made = story.world
    before = made.project.stores.alerts.find("cancer", "open")
    run = made.materialise(RETRAINING_ASSETS)
    assert (run.success, checks_of(run)["gate"].passed) == (False, False)
    made.tick("alerts", story.alerted.cursor)
    rules = {alert.rule for alert in made.project.stores.alerts.find("cancer", "open")}
    assert rules <= {alert.rule for alert in before} | {"quality_brier_skill"}


def test_the_retraining_job_shows_of_each_step_what_its_asset_shows(story: Story) -> None:
    by_assets, by_job = (shown_by_step(run) for run in (story.retrained, story.world.run("retrain")))
    assert list(RETRAINING_ASSETS) == list(by_job)
    assert by_assets == by_job


def shown_by_step(run: dg.ExecuteInProcessResult) -> dict[str, list[tuple[str, str]]]:
    """Return the names and kinds of the metadata that each step's materialisation shows."""
    made = [event.materialization for event in run.get_asset_materialization_events()]
    return {one.asset_key.path[-1]: [(n, type(v).__name__) for n, v in one.metadata.items()] for one in made}


@pytest.fixture
def made(tmp_path: Any) -> Iterator[World]:
    """Return a project with versions 1 and 2, nothing deployed, no gateway."""
    with world(tmp_path) as project:
        for rows in (569, 300):
            train_first(project.project, cancer_frame().head(rows))
        yield project


def test_jobs_deploy_promote_and_roll_back_the_endpoint_of_their_partition(made: World) -> None:
    assert made.run("deploy", version="1").success
    assert made.run("deploy", version="2", share=20, reason="a canary").success
    assert made.run("promote", version="2", force=True, reason="we know better").success
    rolled = made.run("rollback", reason="it is worse")
    assert rolled.success
    events = made.project.stores.deployments.events("cancer")
    assert [(e.action, e.to_version) for e in events] == [
        ("deploy", "1"),
        ("deploy", "2"),
        ("promote", "2"),
        ("rollback", "1"),
    ]
    assert [e.reason for e in events[1::2]] == ["a canary", "it is worse"]


def test_what_a_job_cannot_do_it_says_in_our_words(made: World) -> None:
    unknown = made.run("deploy", version="9")
    assert "9" in failure_of(unknown)
    assert "tumours" in failure_of(unknown)
    assert failure_of(made.run("rollback")).startswith("Endpoint 'cancer'")
    assert made.run("deploy", version="1").success
    assert failure_of(made.run("promote", version="2")).startswith("The gate refuses version 2 of 'cancer'")
    assert "no prediction" in failure_of(made.run("retrain")).lower()


def test_a_run_that_fails_becomes_an_alert_of_the_pipeline(made: World) -> None:
    made.materialise(["training_set"])
    made.tick("alerts")
    (alert,) = made.project.stores.alerts.find("cancer")
    assert (alert.rule, alert.severity) == ("pipeline", "error")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, RunningGateway, Any]]:
    """Return a served endpoint with numbers and words, with three hours of traffic worked off."""
    frame = mixed_frame()
    with world(tmp_path_factory.mktemp("mixed"), yaml=MIXED_YAML) as made:
        deploy(
            made.project.stores,
            made.project.spec,
            train_first(made.project, frame).version,
            actor="ann",
            reason="first",
        )
        with running_gateway(made.project) as gateway:
            for hour in range(3):
                send(gateway, rows_of(frame.head(50)), frame["benign"].head(50).tolist(), START + timedelta(hours=hour))
            wait_for_segments(made.project)
            assert made.materialise().success
            yield made, gateway, frame


def mixed_frame() -> Any:
    frame = cancer_frame()
    return frame.assign(site=["left" if n % 3 else "right" for n in range(len(frame))])


def test_a_range_is_computed_again_and_nothing_else(mixed: tuple[World, RunningGateway, Any]) -> None:
    made, _, _ = mixed
    asked = {"start": text(START), "end": text(START + timedelta(hours=2))}
    run = made.materialise(["service_metrics"], config=asked)
    (event,) = run.get_asset_materialization_events()
    shown = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (shown["windows"], shown["rows_written"]) == (2, 2)
    assert (shown["from"], shown["to"]) == (text(START), text(START + timedelta(hours=1)))


def test_a_late_row_recomputes_only_its_window(mixed: tuple[World, RunningGateway, Any]) -> None:
    made, gateway, frame = mixed
    late = START + timedelta(hours=1, minutes=59)
    send(gateway, rows_of(frame.head(1)), [1], late)
    wait_for_segments(made.project)
    run = made.materialise()
    assert run.success
    spans = {
        event.asset_key.path[-1]: (
            event.materialization.metadata["from"].value,
            event.materialization.metadata["windows"].value,
        )
        for event in run.get_asset_materialization_events()
        if "windows" in event.materialization.metadata
    }
    own = dict.fromkeys(MONITORING[3:], (text(window_of(late, "hour")), 1))
    # what the newest requests are like also hangs on the last ones of the window before
    assert spans == own | {"data_quality": (text(window_of(late, "hour")), 2)}


def test_a_new_drift_alert_asks_for_a_report_that_bears_odd_columns_and_is_served(
    mixed: tuple[World, RunningGateway, Any],
) -> None:
    made, gateway, frame = mixed
    odd = frame.sample(600, replace=True, random_state=1)
    odd = odd.assign(mean_radius=None, mean_texture=7.0, mean_smoothness=odd["mean_smoothness"] * 9, site="nowhere")
    at = START + timedelta(hours=9)
    send(gateway, rows_of(odd.astype(object).where(odd.notna(), None)), odd["benign"].tolist(), at)
    wait_for_segments(made.project)
    run = made.materialise()
    assert not checks_of(run)["drift"].passed
    (request,) = made.tick("alerts").run_requests
    assert [key.path for key in request.asset_selection] == [["cancer", "drift_report"]]
    (event,) = made.materialise(["drift_report"]).get_asset_materialization_events()
    shown = event.materialization.metadata
    assert shown["left_out"].value["mean_radius"] == "every value of the window is null"
    assert (shown["rows"].value, shown["reference_rows"].value) == (600, 569)
    served = gateway.client.get(shown["report"].url)
    assert (served.status_code, served.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert 10_000 < len(served.content) < 5_000_000
    for name, made_by in (("health.html", "modelops report cancer"), ("drift-2020-01-01T00.html", "'drift_report'")):
        missing = gateway.client.get(f"/endpoints/cancer/reports/{name}")
        assert (404, True) == (missing.status_code, made_by in missing.json()["error"]["remedy"])


def test_new_data_asks_for_one_run_and_for_none_while_one_waits_to_start(tmp_path: Any) -> None:
    with world(tmp_path) as made:
        frame = cancer_frame().head(20)
        deploy(made.project.stores, made.project.spec, train_first(made.project).version, actor="ann", reason="first")
        assert made.tick("new_data").skip_message == "cancer: 0 sealed segment(s), 0 pending window(s)"
        with running_gateway(made.project) as gateway:
            send(gateway, rows_of(frame), frame["benign"].tolist(), START)
            wait_for_segments(made.project)
        (request,) = made.tick("new_data").run_requests
        assert [key.path for key in request.asset_selection] == [["cancer", name] for name in MONITORING]
        assert made.tick("new_data").run_requests[0].run_key == request.run_key
        job = made.definitions.resolve_implicit_global_asset_job_def()
        waiting_run = made.instance.create_run_for_job(job, tags=request.tags, status=DagsterRunStatus.NOT_STARTED)
        assert str(made.tick("new_data").skip_message).endswith("pending window(s); a run is in progress")
        made.instance.delete_run(waiting_run.run_id)
        assert made.materialise().success
        assert made.tick("new_data").skip_message == "cancer: 0 sealed segment(s), 0 pending window(s)"


def test_windows_that_a_dead_run_left_over_are_asked_for_each_time_anew(tmp_path: Any) -> None:
    with world(tmp_path) as made:
        keys = []
        for _ in range(2):
            made.project.stores.touched_windows.mark("cancer", ["service_metrics"], [START])
            (request,) = made.tick("new_data").run_requests
            keys.append(request.run_key)
            assert made.materialise(["service_metrics"]).success
        assert len(set(keys)) == 2


def test_the_newest_windows_come_first_and_what_is_left_out_is_told() -> None:
    rows = [{"window_start": START + timedelta(hours=hour), "n": hour} for hour in range(40)]
    lines = markdown_table(rows[::-1]).value.splitlines()
    assert lines[2].endswith("| 39 |")
    assert lines[-1] == "10 more rows are in the table"
