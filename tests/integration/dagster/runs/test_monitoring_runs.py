"""One run monitors several endpoints: a failure is that endpoint's alone, and so is asking for its work again."""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import JobFailureData, RunFailureReason

from modelops_pipelines.core.capture.joint_runs import MOST_ENDPOINTS
from modelops_pipelines.resources.run_scope import ENDPOINT_PREFIX, KIND_TAG
from modelops_pipelines.sensors import monitoring_runs
from modelops_pipelines.sensors.monitoring_runs import monitored_by
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import CANCER_YAML
from tests.worlds.dagster_project import World, world

OTHERS = [CANCER_YAML.replace("name: cancer", f"name: {name}") for name in ("lungs", "skin")]
ENDLESS = OTHERS[0] + "  metrics: [{name: m, function: tests.fakes.endless:measure}]\n"


@dataclass
class Endpoints:
    """A world with three endpoints of one model, without a gateway."""

    world: World
    sent: int = 0

    def capture(self, *endpoints: str) -> None:
        """Seal a segment with a request for each of the endpoints."""
        for endpoint in endpoints:
            self.sent += 1
            record = request_record(endpoint, self.sent, START + timedelta(minutes=self.sent), 2)
            write_segment(self.world.project.stores, endpoint, "predictions", f"w{self.sent}", [record])

    def asked(self) -> list[dg.RunRequest]:
        return list(self.world.tick("new_data").run_requests or [])

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Run what was asked for, as the launcher does."""
        job = self.world.definitions.resolve_implicit_global_asset_job_def()
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        return job.execute_in_process(
            instance=self.world.instance, asset_selection=request.asset_selection, tags=tags, raise_on_error=False
        )

    def begin(self, request: dg.RunRequest) -> str:
        """Have what was asked for be under way."""
        job = self.world.definitions.resolve_implicit_global_asset_job_def()
        run = self.world.instance.create_run_for_job(job, tags=request.tags, status=DagsterRunStatus.STARTED)
        return str(run.run_id)

    def lose(self, run_id: str) -> None:
        """End a run as one whose process was killed."""
        run = self.world.instance.get_run_by_id(run_id)
        assert run is not None
        fault = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
        self.world.instance.report_run_failed(run, "killed", fault)

    def rows(self, endpoint: str) -> int:
        return self.world.project.stores.lake.rows(endpoint, "inference_log")

    def break_log(self, endpoint: str) -> Path:
        """Put a file in the place of the endpoint's tables."""
        folder = self.world.project.stores.settings.lake / endpoint
        shutil.rmtree(folder, ignore_errors=True)
        folder.touch()
        return folder


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Endpoints]:
    with world(tmp_path, *OTHERS) as one:
        one.project.stores.deployments.record_version(VERSION)
        yield Endpoints(one)


def of(request: dg.RunRequest) -> list[str]:
    return sorted({key.path[0] for key in request.asset_selection or ()})


def test_all_that_have_something_to_do_are_in_one_run_and_the_others_in_none(made: Endpoints) -> None:
    made.capture("cancer", "skin")
    [request] = made.asked()
    assert ["cancer", "skin"] == of(request)
    assert {f"{ENDPOINT_PREFIX}cancer", f"{ENDPOINT_PREFIX}skin"} <= request.tags.keys()
    assert made.asked()[0].run_key == request.run_key, "Dagster starts one run for a key"
    assert made.run(request).success
    assert (1, 0, 1) == tuple(made.rows(name) // 2 for name in ("cancer", "lungs", "skin"))
    said = made.world.tick("new_data").skip_message
    assert "cancer, lungs, skin: 0 sealed segment(s), 0 pending window(s)" == said


def test_a_run_has_so_many_endpoints_at_most(made: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ENDPOINTS == 50
    monkeypatch.setattr(
        monitoring_runs, "joined", lambda names, alone: [(name,) for name in names if name not in alone]
    )
    made.capture("cancer", "skin")
    assert [["cancer"], ["skin"]] == [of(request) for request in made.asked()]


def test_an_endpoint_with_a_run_under_way_is_left_to_a_later_tick_and_no_other_is_held(made: Endpoints) -> None:
    made.capture("cancer")
    [request] = made.asked()
    run = made.begin(request)
    made.capture("cancer", "lungs")
    assert [["lungs"]] == [of(one) for one in made.asked()]
    made.lose(run)
    assert [["cancer", "lungs"]] == [of(one) for one in made.asked()]


def test_a_failing_endpoint_stops_no_other_and_is_told_and_asked_for_again_by_itself_later(made: Endpoints) -> None:
    broken = made.break_log("cancer")
    made.capture("cancer", "lungs")
    [request] = made.asked()
    done = made.run(request)
    assert (False, 2) == (done.success, made.rows("lungs"))
    made.world.tick("alerts")
    alerts = made.world.project.stores.alerts.find(None, "open")
    [alert] = [one for one in alerts if one.rule == "pipeline"]
    assert "cancer" == alert.endpoint
    assert re.fullmatch(
        r"run \w{8} failed in cancer__\w+ \(\w+Error\): open it in Dagster for the error", alert.message
    )
    said = str(made.world.tick("new_data").skip_message)
    assert "cancer: 1 sealed segment(s), 0 pending window(s); the newest run failed, the next one is due in" in said
    made.capture("lungs")
    [request] = made.asked()
    assert ["lungs"] == of(request), "the fault of one does not have the others' runs fail"
    assert made.run(request).success
    broken.unlink()
    made.capture("cancer")
    [request] = made.asked()
    assert ["cancer"] == of(request), "new rows are asked for at once"
    assert made.run(request).success
    assert 4 == made.rows("cancer")


def test_work_whose_process_was_lost_again_and_again_gets_a_run_of_its_own(
    made: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.capture("cancer", "lungs")
    for _ in range(2):
        [request] = made.asked()
        assert ["cancer", "lungs"] == of(request)
        made.lose(made.begin(request))
    later = time.time() + 60
    monkeypatch.setattr(monitoring_runs.time, "time", lambda: later)
    alone = made.asked()
    assert [["cancer"], ["lungs"]] == [of(one) for one in alone]
    assert made.run(alone[1]).success
    assert [["cancer"]] == [of(one) for one in made.asked()]


def test_an_endpoint_that_takes_too_long_fails_alone_and_gets_runs_of_its_own_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(tmp_path, ENDLESS, OTHERS[1]) as one:
        one.project.stores.deployments.record_version(VERSION)
        made = Endpoints(one)
        made.capture("cancer", "lungs", "skin")
        [request] = made.asked()
        done = made.run(request)
        [failed] = [event for event in done.all_events if event.is_step_failure]
        assert "lungs__monitoring" == failed.step_key
        said = failed.step_failure_data.user_failure_data
        assert said is not None
        assert (
            "it took over 900 s, and was stopped in custom_metrics: what was written before stays" == said.description
        )
        assert [2, 2, 2] == [made.rows(name) for name in ("cancer", "lungs", "skin")]
        made.capture("cancer", "lungs", "skin")
        assert [["cancer", "skin"], ["lungs"]] == [of(each) for each in made.asked()]
        later = time.time() + 2 * 86_400
        monkeypatch.setattr(monitoring_runs.time, "time", lambda: later)
        assert [["cancer", "lungs", "skin"]] == [of(each) for each in made.asked()]


def test_what_a_lost_run_had_done_already_is_not_asked_for_again(made: Endpoints) -> None:
    made.capture("cancer", "lungs")
    [request] = made.asked()
    done = made.run(request)
    assert {"cancer", "lungs"} == monitored_by(done.dagster_run)
    assert made.asked() == []


def test_rows_wait_for_others_to_join_their_commit(made: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELOPS_INGEST_LAG_SECONDS", "3600")
    made.capture("cancer")
    said = str(made.world.tick("new_data").skip_message)
    assert "cancer: 1 sealed segment(s), 0 pending window(s); more may join them for 3600 s" in said
    monkeypatch.setenv("MODELOPS_INGEST_LAG_SECONDS", "0")
    assert [["cancer"]] == [of(one) for one in made.asked()]


def test_what_several_workers_captured_is_one_commit_and_once(made: Endpoints) -> None:
    stores = made.world.project.stores
    for number, worker in enumerate(("w1", "w2", "w3")):
        write_segment(stores, "cancer", "predictions", worker, [request_record("cancer", number, START, 2)])
    assert made.run(made.asked()[0]).success
    table = stores.lake.table("cancer", "inference_log")
    assert table is not None
    assert (6, 1) == (made.rows("cancer"), table.version()), "version 0 made the table"
    assert {"w1": 1, "w2": 1, "w3": 1} == stores.lake.all_committed("cancer", "inference_log", ("w1", "w2", "w3"))


def test_the_hourly_schedule_asks_for_those_that_have_something_to_do(made: Endpoints) -> None:
    schedule = made.world.definitions.resolve_schedule_def("cadence")

    def evaluated() -> list[dg.RunRequest]:
        resources = made.world.definitions.resources
        context = dg.build_schedule_context(
            made.world.instance,
            scheduled_execution_time=START,
            resources=resources,
            repository_def=made.world.definitions.get_repository_def(),
        )
        return list(schedule.evaluate_tick(context).run_requests or [])

    assert [] == evaluated()
    made.capture("cancer", "skin")
    [request] = evaluated()
    assert (["cancer", "skin"], "monitoring") == (of(request), request.tags[KIND_TAG])
    assert START.isoformat() in str(request.run_key)
    made.begin(request)
    assert [] == evaluated()
