"""What the log and its labels say of a version on trial, and what follows."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.operations.release.commands import archive, deploy, promote, roll_back, start, stop
from modelops_pipelines.operations.release.trials import canary as trials
from modelops_pipelines.operations.release.trials.ab_tests import (
    end_experiment,
    start_experiment,
)
from modelops_pipelines.operations.release.trials.canary import advance_trial, evidence, spans_of
from modelops_pipelines.store.state.improve.gates import Gate
from tests.support.project import Project
from tests.worlds.trials import MINUTE, NOW, RIGHT, WHO, WRONG, on_trial, traffic

pytestmark = pytest.mark.usefixtures("untried_versions")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with on_trial(tmp_path / "project") as made:
        yield made


def test_wrong_answers_with_labels_take_a_canary_back(project: Project) -> None:
    promote(project.stores, project.spec, "2", **WHO, force=True)
    traffic(project, 20, WRONG)
    driven = advance_trial(project.stores, project.spec)
    assert driven is not None
    assert ("2", "fail", "quality") == (driven.version, driven.verdict.verdict, driven.verdict.guard)
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants
    last = project.stores.deployments.events("cancer")[-1]
    assert ("canary driver", "rollback", "quality") == (last.actor, last.action, last.evidence["guard"])
    assert advance_trial(project.stores, project.spec) is None


def test_a_good_canary_goes_through_its_steps_by_itself_each_after_its_soak(project: Project) -> None:
    stores: Any = project.stores
    spec = replace(project.spec, promotion=replace(project.spec.promotion, soak=3 * MINUTE))
    promote(stores, spec, "2", **WHO, force=True)
    shares = []
    for _ in range(12):
        state = stores.deployments.desired("cancer")
        if state.challenger is None:
            break
        traffic(project, state.share_of("2"), RIGHT, 300)
        driven = advance_trial(stores, spec)
        assert driven is not None
        shares.append(state.share_of("2"))
        assert driven.verdict.verdict != "fail", driven.verdict.reason
    assert variants_of("2") == stores.deployments.desired("cancer").variants
    assert [20, 50] == sorted(set(shares))
    assert min(shares.count(20), shares.count(50)) >= 3
    assert ["force", "pass"] == [
        "force" if event.evidence["forced"] else "gate" for event in stores.deployments.events("cancer")[-1:]
    ] + [stores.trials.of("cancer")[-1].verdict]


def holding(project: Project, **guard: float) -> EndpointSpec:
    """Return the endpoint's default: a canary holds while its quality is undecided."""
    promotion = replace(project.spec.promotion, undecided="hold")
    return replace(project.spec, promotion=promotion, guard=replace(project.spec.guard, **guard))


def open_questions(project: Project) -> list[str]:
    return [alert.message for alert in project.stores.alerts.find("cancer", OPEN) if alert.rule == "canary"]


@pytest.mark.parametrize("labels", [0.0, 0.05])
def test_a_canary_whose_quality_is_undecided_holds_and_a_person_is_asked_after_a_day(
    project: Project, labels: float
) -> None:
    stores: Any = project.stores
    spec = holding(project)
    promote(stores, spec, "2", **WHO, force=True)
    for _ in range(3):
        traffic(project, 20, RIGHT, 300, labels=labels)
        stores.moment += 4 * MINUTE
        driven = advance_trial(stores, spec)
        assert driven is not None
        assert ("inconclusive", "quality", None) == (driven.verdict.verdict, driven.verdict.guard, driven.change)
        assert "held at its share: quality" in driven.verdict.reason
    assert 20 == stores.deployments.desired("cancer").share_of("2")
    assert [] == open_questions(project)
    stores.moment += timedelta(days=1)
    for _ in range(2):
        advance_trial(stores, spec)
    [asked] = open_questions(project)
    assert "Version 2 of 'cancer' has been at 20 % for 24 h: held at its share: quality" in asked
    assert "modelops promote cancer 2" in asked
    promote(stores, spec, "2", **WHO, force=True)
    assert 50 == stores.deployments.desired("cancer").share_of("2")
    advance_trial(stores, spec)
    assert [] == open_questions(project)


def test_a_question_is_withdrawn_when_the_canary_is(project: Project) -> None:
    stores: Any = project.stores
    spec = holding(project)
    promote(stores, spec, "2", **WHO, force=True)
    traffic(project, 20, RIGHT, 300, labels=0.0)
    stores.moment += timedelta(days=1)
    advance_trial(stores, spec)
    assert 1 == len(open_questions(project))
    roll_back(stores, spec, **WHO)
    assert advance_trial(stores, spec) is None
    assert [] == open_questions(project)


def test_a_canary_whose_labels_show_that_it_is_as_good_advances_by_itself(project: Project) -> None:
    stores: Any = project.stores
    spec = holding(project, loss=0.5)
    promote(stores, spec, "2", **WHO, force=True)
    traffic(project, 20, RIGHT, 3000)
    stores.moment += 10 * MINUTE
    driven = advance_trial(stores, spec)
    assert driven is not None
    assert ("pass", 50) == (driven.verdict.verdict, stores.deployments.desired("cancer").share_of("2"))


def test_a_canary_advances_undecided_where_the_endpoint_says_so(project: Project) -> None:
    stores: Any = project.stores
    spec = project.spec
    promote(stores, spec, "2", **WHO, force=True)
    traffic(project, 20, RIGHT, 300, labels=0.0)
    stores.moment += 10 * MINUTE
    driven = advance_trial(stores, spec)
    assert driven is not None
    assert driven.change is not None
    assert 50 == stores.deployments.desired("cancer").share_of("2")


def test_a_canary_whose_newest_verdict_fails_is_held_at_its_share_and_the_trial_says_why(project: Project) -> None:
    stores: Any = project.stores
    passed = Gate("cancer", "2", "1", "rows", project.spec.gate.hash, "pass", {"reason": "better"}, stores.now())
    stores.gates.record(passed)
    promote(stores, project.spec, "2", **WHO)
    traffic(project, 20, RIGHT, 400)
    stores.moment += 20 * MINUTE
    stores.gates.record(replace(passed, verdict="fail", data_hash="more rows", numbers={"reason": "worse"}))
    held = advance_trial(stores, project.spec)
    assert held is not None
    assert ("pass", None) == (held.verdict.verdict, held.change)
    assert "is 'fail' (worse)" in str(held.held)
    assert "held at its share by the gate" in str(stores.trials.of("cancer")[-1].numbers["reason"])
    assert variants_of("1", "2", 20) == stores.deployments.desired("cancer").variants
    stores.gates.record(replace(passed, data_hash="most rows", at=stores.now()))
    driven = advance_trial(stores, project.spec)
    assert driven is not None
    assert driven.change is not None
    assert 50 == driven.change.share


def test_too_few_requests_hold_the_canary_where_it_is(project: Project) -> None:
    stores: Any = project.stores
    promote(stores, project.spec, "2", **WHO, force=True)
    traffic(project, 20, RIGHT, 100)
    stores.moment += 60 * MINUTE
    driven = advance_trial(stores, project.spec)
    assert driven is not None
    assert ("inconclusive", "minimum", None) == (driven.verdict.verdict, driven.verdict.guard, driven.change)
    assert stores.deployments.desired("cancer").share_of("2") == 20


def test_errors_in_the_log_take_a_challenger_back_that_was_deployed_by_hand_and_one_that_passes_stays(
    project: Project,
) -> None:
    stores: Any = project.stores
    deploy(stores, project.spec, "2", share=50, **WHO)
    traffic(project, 50, RIGHT, 400)
    stores.moment += 60 * MINUTE
    held = advance_trial(stores, project.spec)
    assert held is not None
    assert ("pass", None) == (held.verdict.verdict, held.change)
    traffic(project, 50, RIGHT, 401, errors=0.2)
    failed = advance_trial(stores, project.spec)
    assert failed is not None
    assert ("fail", "errors") == (failed.verdict.verdict, failed.verdict.guard)


def test_a_guard_that_a_person_keeps_for_himself_says_so_and_does_nothing(project: Project) -> None:
    spec = replace(project.spec, guard=replace(project.spec.guard, automatic=False))
    promote(project.stores, spec, "2", **WHO, force=True)
    traffic(project, 20, WRONG)
    driven = advance_trial(project.stores, spec)
    assert driven is not None
    assert ("fail", None) == (driven.verdict.verdict, driven.change)
    assert project.stores.deployments.desired("cancer").challenger == "2"
    assert ["fail"] == [said.verdict for said in project.stores.trials.of("cancer")]


def test_a_version_that_fails_every_request_of_few_callers_who_ask_often_is_taken_back(project: Project) -> None:
    deploy(project.stores, project.spec, "2", share=50, **WHO)
    callers = [f"u{number}" for number in range(80)]
    traffic(project, 50, RIGHT, 4000, errors=1.0, user=lambda number: callers[number % 80])
    driven = advance_trial(project.stores, project.spec)
    assert driven is not None
    assert ("fail", "errors") == (driven.verdict.verdict, driven.verdict.guard)


def test_a_driver_that_judged_what_is_no_more_live_does_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores: Any = project.stores
    spec = replace(project.spec, promotion=replace(project.spec.promotion, soak=timedelta(seconds=1)))
    promote(stores, spec, "2", **WHO, force=True)
    traffic(project, 20, RIGHT, 400)
    found = trials.evidence

    def overtaken(*given: Any) -> Any:
        roll_back(stores, spec, actor="watchdog", reason="quicker")
        return found(*given)

    monkeypatch.setattr(trials, "evidence", overtaken)
    advance_trial(stores, spec)
    assert variants_of("1") == stores.deployments.desired("cancer").variants
    assert "watchdog" == stores.deployments.events("cancer")[-1].actor


def test_a_canary_goes_on_whatever_was_noted_since_it_began(project: Project) -> None:
    stores: Any = project.stores
    promote(stores, project.spec, "2", **WHO, force=True)
    archive(stores, project.spec, "3", **WHO)
    stop(stores, project.spec, **WHO)
    start(stores, project.spec, **WHO)
    stores.moment += 20 * MINUTE
    traffic(project, 20, RIGHT, 400)
    driven = advance_trial(stores, project.spec)
    assert driven is not None
    assert driven.change is not None
    assert 50 == driven.change.share


def test_an_ab_test_whose_versions_were_parted_by_hand_is_over_and_its_end_changes_nothing(project: Project) -> None:
    stores: Any = project.stores
    start_experiment(stores, project.spec, "2", name="parted", **WHO)
    stores.moment += MINUTE
    roll_back(stores, project.spec, **WHO)
    deploy(stores, project.spec, "3", **WHO, force=True)
    with pytest.raises(ConflictError, match="has already ended: overtaken"):
        end_experiment(stores, project.spec, "keep", **WHO)
    assert variants_of("3") == stores.deployments.desired("cancer").variants
    start_experiment(stores, project.spec, "2", name="another", **WHO)
    assert variants_of("3", "2", 50) == stores.deployments.desired("cancer").variants


def test_the_legs_of_a_trial_are_its_shares_and_what_came_before_an_interruption_is_another_trial(
    project: Project,
) -> None:
    stores: Any = project.stores
    for share in (10, 20):
        stores.moment += MINUTE
        deploy(stores, project.spec, "2", share=share, **WHO)
    stores.moment += MINUTE
    roll_back(stores, project.spec, **WHO)
    stores.moment += MINUTE
    deploy(stores, project.spec, "2", share=50, **WHO)
    stores.moment += MINUTE
    spans = spans_of(stores.deployments.events("cancer"), ("1", "2"), stores.now())
    assert [(10, 1, 2), (20, 2, 3), (50, 4, 5)] == [
        (span.share, (span.since - NOW) // MINUTE, (span.until - NOW) // MINUTE) for span in spans
    ]
    assert [50] == [leg.share for leg in evidence(stores, project.spec, stores.deployments.desired("cancer")).legs]
