"""What changes the live model, on a real project without a gateway: gates, canaries, many at once, silent workers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import AcknowledgementError, ConflictError, GateError
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, GateConfig
from modelops_pipelines.core.release.desired_state import DesiredState, variants_of
from modelops_pipelines.core.release.event_log import Event, broken_link
from modelops_pipelines.operations.release import apply as changes
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.release.commands import deploy, promote, roll_back
from modelops_pipelines.store.state.capture.ingest_progress import Progress
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.state.release.worker_liveness import ALIVE
from modelops_pipelines.store.stores import Stores
from tests.support.project import CANCER_YAML, Project, make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CANARY_YAML = f"{CANCER_YAML}  promotion: {{strategy: canary, steps: [5, 25, 50, 100]}}\n"
VERSIONS = tuple(str(number) for number in range(1, 9))
PASSED = Gate("cancer", "2", "1", "data", GateConfig().hash, PASS, {"reason": "better", "lower_bound": 0.01}, NOW)
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
FORCED: dict[str, Any] = {**WHO, "force": True}


class Clocked(Stores):
    """Real stores whose clock stands still."""

    moment = NOW + SECOND

    def now(self) -> datetime:
        """Return the time."""
        return self.moment


class TickingClock(Stores):
    """Real stores whose clock goes on by a second each time that it is read."""

    moment = NOW

    def now(self) -> datetime:
        """Return the time, a second after the last."""
        self.moment += SECOND
        return self.moment


class Forestalled(Stores):
    """Real stores whose owner is forestalled: whenever it has decided, another's change comes first."""

    def now(self) -> datetime:
        """Return the time, after another has changed what is live."""
        state = self.deployments.desired("cancer")
        version = "4" if state.champion == "3" else "3"
        change = Event(0, "cancer", NOW, "another", "rollback", state.champion, version, state.generation + 1, "")
        self.deployments.change(state, variants_of(version), change)
        return NOW


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with eight recorded versions, of which nothing is live."""
    project = make_project(tmp_path, CANARY_YAML)
    project.stores = Clocked(project.stores.settings)
    for version in VERSIONS:
        known = ModelVersion("tumours", version, "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
        project.stores.deployments.record_version(known)
    return project


@pytest.fixture
def live(project: Project) -> Project:
    """Return the project with version 1 live."""
    deploy(project.stores, project.spec, "1", **WHO)
    return project


def test_a_deploy_is_live_and_in_the_history_with_all_that_it_was(project: Project) -> None:
    project.stores.ingest_progress.record(Progress("cancer", NOW, 5, 2), NOW)
    change = deploy(project.stores, project.spec, "1", actor="ann", reason="first")
    assert replace(change, seconds=0.0) == Change("cancer", "deploy", None, "1", 100, 1, 0, 0.0, changed=True)
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants
    [event] = project.stores.deployments.events("cancer")
    told = (
        event.number,
        event.actor,
        event.action,
        event.from_version,
        event.to_version,
        event.generation,
        event.reason,
    )
    assert (1, "ann", "deploy", None, "1", 1, "first") == told
    served = {"status": "active", "variants": [["1", "champion", 100]]}
    assert {"share": 100, "watermark": "2026-03-01T12:00:00Z", "live": served} == dict(event.evidence)


def test_a_change_says_who_serves_it() -> None:
    change = Change("cancer", "deploy", None, "1", 100, 1, 0, 0.25)
    shared = "cancer: deploy nothing -> 1 (100 % of the traffic, generation 1)"
    assert f"{shared}; no gateway is running; it will serve this when it starts, 0.25 s" == change.sentence
    assert f"{shared}; 2 worker(s) serve it, 0.25 s" == replace(change, workers=2).sentence
    assert replace(change, changed=False).sentence == "cancer: version 1 is already live; nothing changed"
    stopped = Change("cancer", "stop", "1", "1", 100, 1, 0, 0.0, changed=False, note="it is stopped already")
    assert "cancer: it is stopped already; nothing changed" == stopped.sentence


def test_an_identical_deploy_changes_nothing(live: Project) -> None:
    again = deploy(live.stores, live.spec, "1", **WHO)
    assert Change("cancer", "none", "1", "1", 100, 1, 0, 0.0, changed=False) == again
    assert len(live.stores.deployments.events("cancer")) == 1


def test_a_promotion_needs_a_gate_at_all(live: Project) -> None:
    with pytest.raises(
        GateError, match=r"The gate refuses version 2 of 'cancer' against champion 1: it was never evaluated"
    ):
        promote(live.stores, live.spec, "2", **WHO)
    assert variants_of("1") == live.stores.deployments.desired("cancer").variants


@pytest.mark.parametrize(
    "gate",
    [
        replace(PASSED, verdict=FAIL),
        replace(PASSED, verdict=NOT_ENOUGH),
        replace(PASSED, champion="3"),
        replace(PASSED, champion=None),
        replace(PASSED, gate_hash=GateConfig(min_rows=1).hash),
    ],
    ids=["failed", "not enough evidence", "another champion", "no champion", "other settings"],
)
def test_only_a_passed_gate_against_the_present_champion_under_the_present_settings_counts(
    live: Project, gate: Gate
) -> None:
    live.stores.gates.record(gate)
    with pytest.raises(GateError, match=rf"its newest verdict, of .*, is '{gate.verdict}' \(better\)"):
        promote(live.stores, live.spec, "2", **WHO)
    live.stores.gates.record(replace(PASSED, data_hash="new", at=NOW + SECOND))
    assert promote(live.stores, live.spec, "2", **WHO).share == 5


def test_the_gate_of_another_version_or_endpoint_does_not_count(live: Project) -> None:
    live.stores.gates.record(replace(PASSED, version="3"))
    live.stores.gates.record(replace(PASSED, endpoint="other"))
    with pytest.raises(GateError, match="it was never evaluated"):
        promote(live.stores, live.spec, "2", **WHO)


def test_a_gate_does_not_outlive_the_champion_that_it_was_passed_against(live: Project) -> None:
    live.stores.gates.record(PASSED)
    deploy(live.stores, live.spec, "3", **FORCED)
    with pytest.raises(GateError, match="it was judged against champion 1, and the champion is 3"):
        promote(live.stores, live.spec, "2", **WHO)


def test_a_canary_goes_one_step_a_call_and_ends_as_champion(live: Project) -> None:
    live.stores.gates.record(PASSED)
    assert [5, 25, 50, 100] == [promote(live.stores, live.spec, "2", **WHO).share for _ in range(4)]
    assert not promote(live.stores, live.spec, "2", **WHO).changed
    assert variants_of("2") == live.stores.deployments.desired("cancer").variants
    assert [100, 5, 25, 50, 100] == [event.evidence["share"] for event in live.stores.deployments.events("cancer")]
    assert ["1", "1", "1", "1"] == [event.from_version for event in live.stores.deployments.events("cancer")[1:]]


def test_the_history_keeps_the_gates_newest_numbers(live: Project) -> None:
    live.stores.gates.record(PASSED)
    live.stores.gates.record(replace(PASSED, data_hash="new", numbers={"reason": "newer"}, at=NOW + SECOND))
    promote(live.stores, live.spec, "2", **WHO)
    event = live.stores.deployments.events("cancer")[-1]
    assert ("promote", False, {"reason": "newer"}) == (event.action, event.evidence["forced"], event.evidence["gate"])


def test_force_goes_without_a_gate_and_the_history_says_so(live: Project) -> None:
    assert promote(live.stores, live.spec, "2", **FORCED).share == 5
    event = live.stores.deployments.events("cancer")[-1]
    told = tuple(event.evidence[name] for name in ("share", "forced", "refused", "verdict", "watermark"))
    assert (5, True, "it was never evaluated", None, None) == told


def test_force_with_a_passed_gate_was_not_needed_and_the_history_says_so(live: Project) -> None:
    live.stores.gates.record(PASSED)
    promote(live.stores, live.spec, "2", **FORCED)
    assert live.stores.deployments.events("cancer")[-1].evidence["forced"] is False


def test_a_rollback_withdraws_the_canary_then_returns_to_the_champion_before(live: Project) -> None:
    deploy(live.stores, live.spec, "2", **FORCED)
    promote(live.stores, live.spec, "3", **FORCED)
    changes = [roll_back(live.stores, live.spec, **WHO) for _ in range(2)]
    assert [("2", "2", 4), ("2", "1", 5)] == [(one.from_version, one.to_version, one.generation) for one in changes]
    assert ["3", "2"] == [event.evidence["withdrawn"] for event in live.stores.deployments.events("cancer")[-2:]]
    with pytest.raises(ConflictError, match="no earlier champion"):
        roll_back(live.stores, live.spec, **WHO)


def test_deploys_at_once_make_one_generation_each_and_the_chain_holds(live: Project) -> None:
    changes = at_once(live, lambda stores, number: deploy(stores, live.spec, "2", share=number + 1, **WHO))
    events = live.stores.deployments.events("cancer")
    assert list(range(2, 10)) == sorted(change.generation for change in changes)
    assert list(range(1, 10)) == [event.generation for event in events]
    assert {change.generation: change.share for change in changes} == {
        e.generation: e.evidence["share"] for e in events[1:]
    }
    assert broken_link(live.stores.deployments.sealed_events()) is None
    assert (
        variants_of("1", "2", int(str(events[-1].evidence["share"])))
        == live.stores.deployments.desired("cancer").variants
    )


def test_a_silent_worker_is_waited_for_only_while_it_lives(live: Project) -> None:
    stores = TickingClock(live.stores.settings)
    stores.deployments.heartbeat("silent", "http://s", NOW)
    change = deploy(stores, live.spec, "2", **FORCED)
    assert (True, 0) == (change.changed, change.workers)
    assert stores.moment > NOW + ALIVE


def test_every_live_worker_is_waited_for(live: Project) -> None:
    stores = TickingClock(live.stores.settings)
    for worker in ("quick", "silent"):
        stores.deployments.heartbeat(worker, "http://w", NOW)
    stores.deployments.heartbeat("quick", "http://w", NOW + 60 * SECOND)
    stores.deployments.acknowledge("quick", "cancer", 2, None, NOW)
    assert deploy(stores, live.spec, "2", **FORCED).workers == 1
    assert stores.moment > NOW + ALIVE


def test_a_version_that_a_worker_cannot_load_is_taken_back_and_the_history_says_why(live: Project) -> None:
    fail_at_generation(live, 2)
    with pytest.raises(AcknowledgementError, match=r"version 2 of 'cancer': no such file; version 1 was restored"):
        deploy(live.stores, live.spec, "2", **FORCED)
    assert variants_of("1") == live.stores.deployments.desired("cancer").variants
    last = live.stores.deployments.events("cancer")[-1]
    assert ("modelops", "rollback", "2", "1", 3) == (
        last.actor,
        last.action,
        last.from_version,
        last.to_version,
        last.generation,
    )
    assert last.reason == "reverted: no such file"
    assert ("2", True) == (last.evidence["withdrawn"], last.evidence["automatic"])
    [failed] = live.stores.deployments.attempts(["cancer"], "failed")
    assert ("2", 2, "no such file") == (failed.version, failed.generation, failed.error)


def test_a_first_version_that_a_worker_cannot_load_leaves_the_endpoint_serving_nothing(project: Project) -> None:
    fail_at_generation(project, 1)
    with pytest.raises(AcknowledgementError, match="no version is served, as before"):
        deploy(project.stores, project.spec, "1", **WHO)
    assert DesiredState("cancer", 2) == project.stores.deployments.desired("cancer")
    assert ["deploy", "withdraw"] == [event.action for event in project.stores.deployments.events("cancer")]


def test_a_rollback_stays_pending_though_a_worker_cannot_load_it(live: Project) -> None:
    deploy(live.stores, live.spec, "2", **FORCED)
    fail_at_generation(live, 3)
    with pytest.raises(AcknowledgementError, match="the rollback is still pending: workers keep retrying"):
        roll_back(live.stores, live.spec, **WHO)
    assert variants_of("1") == live.stores.deployments.desired("cancer").variants
    assert len(live.stores.deployments.events("cancer")) == 3


def test_an_old_error_of_a_worker_is_no_reason_to_refuse_a_new_version(live: Project) -> None:
    stores = TickingClock(live.stores.settings)
    stores.deployments.heartbeat("worker", "http://w", NOW)
    stores.deployments.acknowledge("worker", "cancer", 1, "no such file", NOW)
    assert deploy(stores, live.spec, "2", **FORCED).changed


def test_a_worker_that_lives_but_never_answers_is_given_up_in_the_end(
    live: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "DEPLOY_SECONDS", 0.0)
    live.stores.deployments.heartbeat("stuck", "http://w", live.stores.now() + timedelta(hours=1))
    with pytest.raises(AcknowledgementError, match="no acknowledgement within 0 s; version 1 was restored"):
        deploy(live.stores, live.spec, "2", **FORCED)


def test_a_refused_promotion_tells_the_last_verdict(live: Project) -> None:
    for number, verdict in enumerate((PASS, NOT_ENOUGH, FAIL)):
        judged = replace(PASSED, champion="9", verdict=verdict, data_hash=str(number), at=NOW + number * SECOND)
        live.stores.gates.record(replace(judged, numbers={"reason": f"reason {number}"}))
    with pytest.raises(GateError, match=r"its newest verdict, of .*, is 'fail' \(reason 2\)"):
        promote(live.stores, live.spec, "2", **WHO)


def test_a_promotion_that_a_worker_cannot_load_is_taken_back(live: Project) -> None:
    fail_at_generation(live, 2)
    with pytest.raises(AcknowledgementError, match="version 1 was restored"):
        promote(live.stores, live.spec, "2", **FORCED)
    assert variants_of("1") == live.stores.deployments.desired("cancer").variants


def test_a_caller_whom_others_always_forestall_gives_up_after_ten_attempts_without_a_trace(live: Project) -> None:
    stores = Forestalled(live.stores.settings)
    with pytest.raises(ConflictError, match="was changed by others during each of"):
        deploy(stores, live.spec, "2", **FORCED)
    events = live.stores.deployments.events("cancer")[1:]
    assert {"another"} == {event.actor for event in events}
    assert live.stores.deployments.unsettled() == []


def fail_at_generation(project: Project, generation: int) -> None:
    """Let a live worker say that it cannot load what the generation asks for."""
    project.stores.deployments.heartbeat("worker", "http://w", project.stores.now() + timedelta(hours=1))
    project.stores.deployments.acknowledge("worker", "cancer", generation, "no such file", NOW)


def at_once(project: Project, work: Callable[[Stores, int], Change]) -> list[Change]:
    """Let eight callers work at once, each with stores of its own as processes have; return what each did."""
    callers = [Stores(project.stores.settings) for _ in VERSIONS]
    start = threading.Barrier(len(callers))

    def call(number: int) -> Change:
        callers[number].deployments.desired("cancer")
        start.wait(60)
        return work(callers[number], number)

    with ThreadPoolExecutor(len(callers)) as pool:
        return list(pool.map(call, range(len(callers))))
