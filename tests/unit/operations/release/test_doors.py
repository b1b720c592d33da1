"""Every way by which a version becomes champion goes through one door: the newest verdict, force, or a way back."""

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ConflictError, GateError, InputError
from modelops_pipelines.core.evaluation.gate import FAIL, PASS, GateConfig
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.operations.release.commands import delete, deploy, promote, roll_back
from modelops_pipelines.operations.release.rollbacks import undo_rollback
from modelops_pipelines.operations.release.trials.ab_tests import apply_decision, start_experiment
from modelops_pipelines.operations.release.trials.canary import promote_next_step
from modelops_pipelines.operations.release.trials.withdraw import withdraw_version
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CANARY_YAML = f"{CANCER_YAML}  promotion: {{strategy: canary, steps: [50, 100]}}\n"
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
FORCED: dict[str, Any] = {**WHO, "force": True}
PASSED = Gate("cancer", "2", "1", "rows", GateConfig().hash, PASS, {"reason": "better"}, NOW)
FAILED = replace(PASSED, verdict=FAIL, data_hash="newer rows", numbers={"reason": "worse"}, at=NOW + HOUR)
GUARD_FAILED = Verdict("fail", "errors", "2 % more errors", {"excess": 0.02})
GUARD_PASSED = Verdict("pass", "all", "no guard failed", {})


class Clocked(Stores):
    """Real stores whose clock a test sets."""

    moment = NOW

    def now(self) -> datetime:
        """Return the time."""
        return self.moment


@pytest.fixture
def live(tmp_path: Path) -> Project:
    """Return a project with a canary's steps, four versions, and version 1 live."""
    project = make_project(tmp_path, CANARY_YAML)
    project.stores = Clocked(project.stores.settings)
    for version in ("1", "2", "3", "4"):
        known = ModelVersion("tumours", version, "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
        project.stores.deployments.record_version(known)
    deploy(project.stores, project.spec, "1", **WHO)
    return project


def champion_of(project: Project) -> str | None:
    return project.stores.deployments.desired("cancer").champion


def judge(project: Project, *gates: Gate) -> None:
    for gate in gates:
        project.stores.gates.record(gate)


def wait(project: Project, time: timedelta) -> None:
    stores: Any = project.stores
    stores.moment += time


def on_trial(project: Project) -> None:
    """Put version 2 on trial at 50 %, through the gate."""
    judge(project, PASSED)
    promote(project.stores, project.spec, "2", **WHO)
    wait(project, HOUR)


def next_step(project: Project, **_: Any) -> object:
    state = project.stores.deployments.desired("cancer")
    return promote_next_step(project.stores, project.spec, state, GUARD_PASSED)


def end_of_an_ab_test(project: Project, force: bool = False, **given: Any) -> object:  # noqa: FBT001, FBT002 - a row
    stores, spec = project.stores, project.spec
    if stores.trials.running("cancer") is None:
        start_experiment(stores, spec, "2", name="bolder", **WHO)
    experiment = stores.trials.experiments("cancer")[-1]
    return apply_decision(stores, spec, experiment, "promote", force=force, **given)


def deploy_whole(project: Project, **given: Any) -> object:
    return deploy(project.stores, project.spec, "2", **given)


def promote_to_the_end(project: Project, **given: Any) -> object:
    promote(project.stores, project.spec, "2", **given)
    return promote(project.stores, project.spec, "2", **given)


def write(project: Project, **given: Any) -> object:
    """Write a desired state past all operations, as a new command would that forgets the gate."""
    state, reason = project.stores.deployments.desired("cancer"), given.get("reason", "")
    event = Event(0, "cancer", NOW, "me", "deploy", state.champion, "2", state.generation + 1, reason)
    if "force" in given:
        event = replace(event, evidence={"forced": True})
    return project.stores.deployments.change(state, variants_of("2"), event)


DOORS: dict[str, Callable[..., object]] = {
    "deploy": deploy_whole,
    "promote": promote_to_the_end,
    "the end of an A/B test": end_of_an_ab_test,
    "a write past the operations": write,
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize(
    "verdicts",
    [
        [],
        [FAILED],
        [PASSED, FAILED],
        [replace(PASSED, champion="3")],
        [PASSED, replace(PASSED, champion="3", data_hash="other", at=NOW + HOUR)],
        [replace(PASSED, gate_hash="other settings")],
        [PASSED, replace(PASSED, gate_hash="other settings", at=NOW + HOUR)],
        [replace(PASSED, at=NOW - 15 * DAY)],
        [replace(PASSED, numbers={"reason": "better", "held": ["it is too good"]})],
        [replace(PASSED, version="3")],
        [replace(PASSED, endpoint="other")],
    ],
    ids=[
        "none",
        "a fail",
        "a pass, then a fail",
        "another champion",
        "a pass, then one against another champion",
        "other settings",
        "a pass, then one under other settings",
        "too old",
        "held for a person",
        "another version",
        "another endpoint",
    ],
)
def test_no_door_lets_a_version_in_whose_newest_verdict_does_not(
    live: Project, door: Callable[..., object], verdicts: list[Gate]
) -> None:
    judge(live, *verdicts)
    wait(live, 2 * HOUR)
    with pytest.raises(GateError, match="without a passed gate" if door is write else "The gate refuses"):
        door(live, **WHO)
    assert "1" == champion_of(live)


@pytest.mark.parametrize("door", [door for door in DOORS.values() if door is not write])
def test_a_pass_that_counts_or_force_with_a_reason_opens_every_door(live: Project, door: Callable[..., object]) -> None:
    with pytest.raises(InputError, match="Force requires a reason"):
        door(live, actor="ann", reason=" ", force=True)
    assert "1" == champion_of(live)
    door(live, **FORCED)
    event = live.stores.deployments.events("cancer")[-1]
    assert (True, "it was never evaluated", "a test") == (
        event.evidence["forced"],
        event.evidence["refused"],
        event.reason,
    )
    roll_back(live.stores, live.spec, **WHO)
    live.stores.trials.forget("bolder")
    judge(live, FAILED, replace(PASSED, at=NOW + 2 * HOUR))
    wait(live, 3 * HOUR)
    door(live, **WHO)
    event = live.stores.deployments.events("cancer")[-1]
    assert ("2", False, {"reason": "better"}) == (champion_of(live), event.evidence["forced"], event.evidence["gate"])


@pytest.mark.parametrize("newest", [FAILED, replace(FAILED, verdict=PASS, champion="3")], ids=["a fail", "outdated"])
def test_a_canary_that_began_on_a_pass_does_not_advance_on_a_newer_verdict(live: Project, newest: Gate) -> None:
    on_trial(live)
    judge(live, newest)
    for step in (next_step, lambda project: promote(project.stores, project.spec, "2", **WHO), deploy_whole):
        with pytest.raises(GateError, match="The gate refuses"):
            step(live, **WHO) if step is deploy_whole else step(live)  # type: ignore[operator]
    assert variants_of("1", "2", 50) == live.stores.deployments.desired("cancer").variants


def test_a_canary_on_a_pass_advances_to_its_end(live: Project) -> None:
    on_trial(live)
    assert next_step(live)
    assert "2" == champion_of(live)


def test_a_canary_started_by_force_advances_by_it_until_there_is_a_newer_verdict(live: Project) -> None:
    judge(live, replace(FAILED, at=NOW - HOUR))
    promote(live.stores, live.spec, "2", actor="ann", reason="the old scanner is gone", force=True)
    wait(live, HOUR)
    judge(live, FAILED)
    with pytest.raises(GateError, match="is 'fail'"):
        next_step(live)
    roll_back(live.stores, live.spec, **WHO)
    promote(live.stores, live.spec, "2", actor="ann", reason="the old scanner is gone", force=True)
    wait(live, HOUR)
    assert next_step(live)
    event = live.stores.deployments.events("cancer")[-1]
    assert ("2", True) == (champion_of(live), event.evidence["forced"])
    assert "started by force: the old scanner is gone" in event.reason


def test_an_idempotent_request_repeated_after_a_rollback_lets_nothing_in(live: Project) -> None:
    deploy(live.stores, live.spec, "2", key="k", **FORCED)
    roll_back(live.stores, live.spec, **WHO)
    assert not deploy(live.stores, live.spec, "2", key="k", **WHO).changed
    with pytest.raises(ConflictError, match="was used to deploy version 2"):
        deploy(live.stores, live.spec, "3", key="k", **WHO)
    assert "1" == champion_of(live)


def test_an_earlier_champion_returns_by_a_rollback_and_a_deploy_says_so(live: Project) -> None:
    deploy(live.stores, live.spec, "2", **FORCED)
    with pytest.raises(GateError) as refused:
        deploy(live.stores, live.spec, "1", **WHO)
    assert "modelops rollback cancer --to 1" in refused.value.remedy
    roll_back(live.stores, live.spec, to="1", **WHO)
    assert "1" == champion_of(live)
    with pytest.raises(ConflictError, match="not an earlier champion"):
        roll_back(live.stores, live.spec, to="3", **WHO)


def test_what_a_guard_rolled_back_needs_a_newer_verdict_or_force(live: Project) -> None:
    judge(live, PASSED)
    deploy(live.stores, live.spec, "2", **WHO)
    wait(live, HOUR)
    state = live.stores.deployments.desired("cancer")
    assert withdraw_version(live.stores, live.spec, state, "2", GUARD_FAILED, actor="watchdog")
    for door in (deploy_whole, promote_to_the_end):
        with pytest.raises(GateError, match="the guard 'errors' rolled it back since"):
            door(live, **WHO)
    judge(live, replace(PASSED, data_hash="newer rows", at=NOW + 2 * HOUR))
    wait(live, HOUR)
    promote_to_the_end(live, **WHO)
    assert "2" == champion_of(live)


def test_first_deploys_trials_and_redeploys_of_the_champion_ask_no_gate(live: Project) -> None:
    deploy(live.stores, live.spec, "2", share=99, **WHO)
    deploy(live.stores, live.spec, "1", **WHO)
    assert variants_of("1") == live.stores.deployments.desired("cancer").variants
    delete(live.stores, live.spec, **WHO)
    deploy(live.stores, live.spec, "3", **WHO)
    assert "3" == champion_of(live)
    assert all("forced" not in event.evidence for event in live.stores.deployments.events("cancer"))


def test_an_undo_returns_only_to_what_was_let_in_before(live: Project) -> None:
    with pytest.raises(ConflictError, match="is no rollback"):
        undo_rollback(live.stores, live.spec, **WHO)
    deploy(live.stores, live.spec, "2", share=50, **WHO)
    roll_back(live.stores, live.spec, **WHO)
    undo_rollback(live.stores, live.spec, **WHO)
    assert variants_of("1", "2", 50) == live.stores.deployments.desired("cancer").variants


def test_only_two_modules_write_what_is_live() -> None:
    package = ROOT / "modelops_pipelines"
    writers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("deployments.change")
    }
    assert {"operations/release/apply.py", "operations/release/settle.py"} == writers
