"""Judging a derived table: verdicts are kept with their kind, alerts raised, marks cleared, all or nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.tables.derivations import derivation_of
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.alerting.judges.judge_rules import JUDGES, judge_table
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.store.state.alerting.alerts import Alerts
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

MARK = derivation_of("service_metrics").verdict_mark
HOUR = timedelta(hours=1)
FAILED = {"status": 500, "p": None, "s": None, "error": "model"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.spec = replace(made.spec, alerts=(AlertRule("error_rate", above=0.1, over=HOUR, minimum=1),))
    made.stores.deployments.record_version(VERSION)
    return made


def served(project: Project, worker: str, statuses: Sequence[bool]) -> None:
    """Capture an hour for each status, answered or failed, and bring service_metrics up to date."""
    for hour, answered in enumerate(statuses):
        record = request_record("cancer", hour, START + hour * HOUR, 1, **({} if answered else FAILED))
        write_segment(project.stores, "cancer", "predictions", f"{worker}{hour}", [record])
    ingest(project.stores, project.spec, "predictions")
    measure_service(project.stores, project.spec)


def judged(project: Project) -> list[tuple[bool | None, str]]:
    return [(one.passed, one.window[11:13]) for one in project.stores.verdicts.find("cancer", "error_rate")]


def test_verdicts_are_kept_by_rule_and_window_and_raise_one_alert(project: Project) -> None:
    served(project, "w", [True, False, False])
    made = judge_table(project.stores, project.spec, SERVICE_METRICS)
    assert [(True, "22"), (False, "23"), (False, "00")] == [(one.passed, one.window[11:13]) for one in made.verdicts]
    assert {(True, "22"), (False, "23"), (False, "00")} == set(judged(project))
    [alert] = project.stores.alerts.find("cancer", OPEN)
    assert ("error_rate", "error_rate", 2) == (alert.rule, alert.kind, alert.count)
    assert () == project.stores.touched_windows.pending("cancer", MARK).windows
    assert 0 == len(judge_table(project.stores, project.spec, SERVICE_METRICS).changes)


def test_a_window_that_is_judged_again_has_its_newest_verdict(project: Project) -> None:
    served(project, "w", [False])
    judge_table(project.stores, project.spec, SERVICE_METRICS)
    late = [request_record("cancer", 100 + number, START, 1) for number in range(20)]
    write_segment(project.stores, "cancer", "predictions", "late", late)
    ingest(project.stores, project.spec, "predictions")
    measure_service(project.stores, project.spec)
    judge_table(project.stores, project.spec, SERVICE_METRICS)
    assert [(True, "22")] == judged(project)


def test_the_unchanged_hours_of_a_day_open_no_alert_again(project: Project) -> None:
    project.spec = replace(project.spec, window="day")
    day = START.replace(hour=0)
    for number, answered in enumerate([False, True, True, True, True]):
        record = request_record("cancer", number, day + number * HOUR, 1, **({} if answered else FAILED))
        write_segment(project.stores, "cancer", "predictions", f"w{number}", [record])
        ingest(project.stores, project.spec, "predictions")
        measure_service(project.stores, project.spec)
        judge_table(project.stores, project.spec, SERVICE_METRICS)
    [alert] = project.stores.alerts.find("cancer")
    assert ("resolved", 1) == (alert.status, alert.count)


def test_a_run_killed_before_its_verdicts_are_written_leaves_the_windows_to_be_judged(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    served(project, "w", [False])
    with monkeypatch.context() as patched:
        patched.setattr(Alerts, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            judge_table(project.stores, project.spec, SERVICE_METRICS)
    assert ([], []) == (judged(project), project.stores.alerts.find("cancer"))
    assert 0 == len(measure_service(project.stores, project.spec).windows)  # nothing is left to compute, only to judge
    assert 1 == project.stores.touched_windows.count("cancer") - len(unjudged_others(project))
    judge_table(project.stores, project.spec, SERVICE_METRICS)
    assert [(False, "22")] == judged(project)
    assert 1 == len(project.stores.alerts.find("cancer", OPEN))


def unjudged_others(project: Project) -> list[str]:
    """Return the consumers, other than this table's verdicts, that have a window to compute."""
    names = [one.name for one in project.spec.derivations]
    return [name for name in names if project.stores.touched_windows.pending("cancer", name).windows]


def test_a_table_that_no_rule_judges_is_not_marked_to_be_judged(project: Project) -> None:
    project.spec = replace(project.spec, alerts=())
    served(project, "w", [False])
    assert () == project.stores.touched_windows.pending("cancer", MARK).windows
    assert ((), ()) == (tuple(judge_table(project.stores, project.spec, SERVICE_METRICS).verdicts), ())


def test_marks_of_rules_that_are_gone_are_cleared(project: Project) -> None:
    served(project, "w", [False])
    judge_table(project.stores, replace(project.spec, alerts=()), SERVICE_METRICS)
    assert () == project.stores.touched_windows.pending("cancer", MARK).windows


def test_of_what_no_window_is_judged_on_only_verdicts_that_change_an_alert_are_kept(project: Project) -> None:
    def run(window: str, *, passed: bool) -> Verdict:
        return Verdict("pipeline", "pipeline", "error", passed, None, None, 1, window, "a run")

    for number, passed in enumerate([True, False, True, True, True]):
        raise_alerts(project.stores, "cancer", [run(f"t{number}", passed=passed)], source=f"run {number}")
    assert ["t1", "t2", "t3"] == [one.window for one in project.stores.verdicts.find("cancer")]


def test_two_rules_of_one_kind_have_verdicts_and_alerts_of_their_own(project: Project) -> None:
    both = [
        Verdict(f"quality_{metric}", "quality", "error", False, 0.5, 0.9, 500, "w", f"{metric} is low")
        for metric in ("auc", "accuracy")
    ]
    raise_alerts(project.stores, "cancer", both)
    assert both[::-1] == project.stores.verdicts.find("cancer", "quality")
    assert {"quality"} == {alert.kind for alert in project.stores.alerts.find("cancer", OPEN)}


def test_a_rule_that_cannot_be_judged_stops_no_other_and_says_why(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(*_: object) -> list[Verdict]:
        raise OverflowError("too large")

    monkeypatch.chdir(project.folder)
    Path("rule.sql").write_text("SELECT 1, sum(2::HUGEINT**70)")
    monkeypatch.setitem(JUDGES, "availability", stumbles)
    huge = AlertRule("sql", given_name="own", sql="rule.sql", over=HOUR, above=0.5)
    odd = AlertRule("availability", below=0.5, over=HOUR)
    project.spec = replace(project.spec, alerts=(huge, odd, *project.spec.alerts))
    served(project, "w", [False])
    judge_table(project.stores, project.spec, SERVICE_METRICS)
    assert ["error_rate"] == [alert.rule for alert in project.stores.alerts.find("cancer", OPEN)]
    assert () == project.stores.touched_windows.pending("cancer", MARK).windows
    newest = project.stores.verdicts.newest("cancer")
    assert [None, None] == [newest[name].passed for name in ("own", "availability")]
    assert newest["own"].message.startswith("not judged: the query failed: it returned the count 1.181e+21")
    assert newest["availability"].message.startswith("not judged: judging it failed: OverflowError")


def test_what_may_work_later_ends_the_run_and_leaves_the_windows_to_be_judged(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> list[Verdict]:
        raise PermissionError("the lake")

    served(project, "w", [False])
    with monkeypatch.context() as patched:
        patched.setitem(JUDGES, "error_rate", unreadable)
        with pytest.raises(PermissionError):
            judge_table(project.stores, project.spec, SERVICE_METRICS)
    assert 1 == len(judge_table(project.stores, project.spec, SERVICE_METRICS).changes)
