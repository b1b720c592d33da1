"""What the log and its labels say of a version on trial, and what follows; A/B tests on the same evidence."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, EvidenceError, GateError, InputError, UnknownError
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import archive, deploy, promote, roll_back, start, stop
from modelops_pipelines.operations.release.trials import canary as trials
from modelops_pipelines.operations.release.trials.ab_tests import (
    BETTER,
    UNDECIDED,
    Terms,
    end_experiment,
    experiment_named,
    result_of,
    start_experiment,
)
from modelops_pipelines.operations.release.trials.canary import advance_trial, evidence, spans_of
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import VERSION, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, make_project

pytestmark = pytest.mark.usefixtures("untried_versions")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
YAML = f"{CANCER_YAML}  promotion: {{strategy: canary, steps: [20, 50, 100], soak: 10m, minimum: 50, undecided: advance}}\n"
WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
RIGHT, WRONG = 0.9, 0.2


class Clocked(Stores):
    """Real stores whose clock a test sets."""

    moment = NOW
    segments = 0

    def now(self) -> datetime:
        """Return the time."""
        return self.moment


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with version 1 live, whose clock stands still."""
    made = make_project(tmp_path / "project", YAML)
    made.stores = Clocked(made.stores.settings)
    for number in ("1", "2", "3"):
        made.stores.deployments.record_version(replace(VERSION, version=number))
    deploy(made.stores, made.spec, "1", **WHO, force=True)
    yield made
    made.stores.database.close()


def traffic(
    project: Project,
    share: int,
    quality: float,
    requests: int = 1000,
    errors: float = 0.0,
    user: Callable[[int], str | None] = lambda _: None,
    labels: float = 1.0,
) -> None:
    """Write the requests of the next minute, a share of them answered by version 2 with that score for the truth."""
    stores: Any = project.stores
    chance = random.Random(requests + share)
    records, known_labels = [], []
    for number in range(requests):
        version = "2" if chance.random() * 100 < share else "1"
        at = stores.moment + MINUTE * (number + 0.5) / requests
        truth = str(chance.randrange(2))
        score = quality if version == "2" else RIGHT
        score = score + chance.uniform(-0.08, 0.08)
        known = {"version": version, "variant": "champion" if version == "1" else "challenger", "user": user(number)}
        if version == "2" and chance.random() < errors:
            failed = {"status": 500, "error": "prediction", "f": {}, "p": None, "s": None}
            records.append(request_record("cancer", number, at, 1, **known, **failed))
            continue
        answer = {"p": ["1"], "s": [score if truth == "1" else 1 - score]}
        record = request_record("cancer", number, at, 1, **known, **answer)
        records.append(record)
        if labels == 1 or number < labels * requests:
            known_labels.append({"rows": [label_row(record, 0, truth, at)]})
    stores.segments += 1
    write_segment(stores, "cancer", "predictions", "w", records, stores.segments)
    write_segment(stores, "cancer", "labels", "w", known_labels, stores.segments)
    for stream in ("predictions", "labels"):
        ingest(stores, project.spec, stream)
    stores.moment += MINUTE


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


def test_an_ab_test_tells_the_better_version_and_ends_by_decision(project: Project) -> None:
    stores: Any = project.stores
    start_experiment(stores, project.spec, "2", name="bolder", terms=Terms(planned=500), **WHO)
    assert variants_of("1", "2", 50) == stores.deployments.desired("cancer").variants
    experiment = experiment_named(stores, project.spec)
    early = result_of(stores, project.spec, experiment)
    assert (UNDECIDED, None) == (early.verdict, early.describe()["loss"]["challenger"])
    with pytest.raises(EvidenceError, match="does not show that version 2 is better: undecided"):
        end_experiment(stores, project.spec, "promote", **WHO)
    traffic(project, 50, 0.99 - 0.08)
    result = result_of(stores, project.spec, experiment)
    told = result.describe()
    assert told["upper"] < told["difference"] or result.interval is not None
    assert 1000 == sum(told["requests"].values())
    assert BETTER == result.verdict
    with pytest.raises(GateError, match="it was never evaluated"):
        end_experiment(stores, project.spec, "promote", actor="ann", reason="it pays")
    passed = Gate("cancer", "2", "1", "rows", project.spec.gate.hash, "pass", {"reason": "better"}, stores.now())
    stores.gates.record(passed)
    made = end_experiment(stores, project.spec, "promote", actor="ann", reason="it pays")
    assert stores.deployments.events("cancer")[-1].evidence["forced"] is False
    assert (made.to_version, variants_of("2")) == ("2", stores.deployments.desired("cancer").variants)
    ended = experiment_named(stores, project.spec, "bolder")
    assert ("promote", stores.now()) == (ended.decision, ended.ended_at)
    with pytest.raises(ConflictError, match="has already ended: promote"):
        end_experiment(stores, project.spec, "keep", name="bolder", **WHO)


def test_an_ab_test_of_a_much_worse_version_says_so_and_keeping_takes_it_back(project: Project) -> None:
    spec = replace(project.spec, guard=replace(project.spec.guard, automatic=False))
    start_experiment(project.stores, spec, "2", name="worse", **WHO)
    traffic(project, 50, WRONG)
    experiment = experiment_named(project.stores, spec)
    assert "challenger worse" == result_of(project.stores, spec, experiment).verdict
    end_experiment(project.stores, spec, "keep", **WHO)
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants


def test_a_guard_ends_an_ab_test_that_harms(project: Project) -> None:
    start_experiment(project.stores, project.spec, "2", name="harm", **WHO)
    traffic(project, 50, WRONG)
    advance_trial(project.stores, project.spec)
    assert "rolled back" == experiment_named(project.stores, project.spec).decision
    assert variants_of("1") == project.stores.deployments.desired("cancer").variants


def test_an_ab_test_is_never_taken_a_step_further_by_the_driver(project: Project) -> None:
    stores: Any = project.stores
    start_experiment(stores, project.spec, "2", name="still", **WHO)
    traffic(project, 50, RIGHT)
    stores.moment += 60 * MINUTE
    driven = advance_trial(stores, project.spec)
    assert driven is not None
    assert ("pass", None) == (driven.verdict.verdict, driven.change)


def test_what_cannot_be_an_ab_test_is_refused_and_the_same_again_is_the_same(project: Project) -> None:
    stores, spec = project.stores, project.spec
    with pytest.raises(UnknownError, match="has no A/B test"):
        experiment_named(stores, spec)
    with pytest.raises(InputError, match="error rate of 2"):
        start_experiment(stores, spec, "2", name="x", terms=Terms(error_rate=2), **WHO)
    with pytest.raises(ConflictError, match="no champion other than version 1 to compare it with"):
        start_experiment(stores, spec, "1", name="x", **WHO)
    start_experiment(stores, spec, "2", name="x", **WHO)
    assert not start_experiment(stores, spec, "2", name="x", **WHO).changed
    with pytest.raises(ConflictError, match="A/B test 'x' is already running on endpoint 'cancer'"):
        start_experiment(stores, spec, "3", name="y", **WHO)
    with pytest.raises(ConflictError, match="is already running with version 2"):
        start_experiment(stores, spec, "3", name="x", **WHO)
    end_experiment(stores, spec, "keep", **WHO)
    with pytest.raises(ConflictError, match="An A/B test named 'x' exists already"):
        start_experiment(stores, spec, "2", name="x", **WHO)
