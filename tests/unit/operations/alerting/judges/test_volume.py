"""How many requests there are: no traffic is seen, and not mistaken for requests that are still on their way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule, with_defaults
from modelops_pipelines.core.release.desired_state import STOPPED, variants_of
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.alerting.judges import quiet_hours
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules, judge_table
from modelops_pipelines.operations.alerting.judges.quiet_hours import QuietHours
from modelops_pipelines.store.stores import Stores
from tests.fakes.judged_steps import captured, request
from tests.fakes.records import VERSION, write_segment
from tests.support.alert_verdicts import StoppedClock
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
FEW = AlertRule("volume", below=5, over=HOUR)
MANY = AlertRule("volume", above=5, over=HOUR)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    stores = StoppedClock(made.stores.settings)
    stores.deployments.record_version(VERSION)
    made.stores, made.spec = stores, replace(made.spec, alerts=(FEW,))
    at(stores, START + 2 * HOUR)
    yield made
    stores.database.close()


def at(stores: Stores, moment: datetime) -> None:
    stores.moment = moment  # type: ignore[attr-defined] # it is a StoppedClock


def served(project: Project, hour: datetime, requests: int) -> None:
    captured(project, project.spec, [request(project.spec, hour) for _ in range(requests)])


def judged(project: Project, rule: AlertRule, *hours: datetime) -> list[Verdict]:
    return judge_rules(project.stores, replace(project.spec, alerts=(rule,)), [rule.kind], hours)


def test_an_hour_without_a_request_fails_once_it_is_over(project: Project) -> None:
    served(project, START, 9)
    at(project.stores, START + HOUR + timedelta(minutes=30))
    [early] = judged(project, FEW, START + HOUR)
    at(project.stores, START + 2 * HOUR + timedelta(minutes=5))
    before, late = judged(project, FEW, START, START + HOUR)
    assert (None, "not judged: the hour is not over, or its requests are not all in the lake yet") == (
        early.passed,
        early.message,
    )
    assert [True, False] == [before.passed, late.passed]
    assert (0.0, 5.0, 0) == (late.value, late.threshold, late.n)
    assert "requests 0 is below 5 in the hour from 2026-03-02T09:00Z (0 requests)" == late.message


def test_too_many_requests_fail_while_the_hour_still_runs(project: Project) -> None:
    served(project, START, 6)
    at(project.stores, START + timedelta(minutes=10))
    assert [False] == [one.passed for one in judged(project, MANY, START)]
    assert [None] == [one.passed for one in judged(project, replace(MANY, above=6.0), START)]
    band = AlertRule("volume", outside=(2.0, 5.0), over=HOUR)
    assert [False] == [one.passed for one in judged(project, band, START)]
    ne = AlertRule("volume", operator="ne", threshold=7.0, over=HOUR)
    assert [None] == [one.passed for one in judged(project, ne, START)]  # a seventh request may come


def test_requests_that_wait_in_the_spool_are_waited_for(project: Project) -> None:
    served(project, START, 9)
    at(project.stores, START + 3 * HOUR)
    assert [False] == [one.passed for one in judged(project, FEW, START + HOUR)]
    write_segment(project.stores, "cancer", "predictions", "other", [request(project.spec, START + HOUR)])
    at(project.stores, datetime.now(UTC))
    assert [None] == [one.passed for one in judged(project, FEW, at_hour(project.stores.now()))]


def at_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def test_an_endpoint_that_never_had_traffic_is_not_judged(project: Project) -> None:
    [verdict] = judged(project, FEW, START)
    assert (None, "not judged: the endpoint has never had traffic") == (verdict.passed, verdict.message)


def test_a_span_that_begins_before_the_first_request_is_not_judged(project: Project) -> None:
    served(project, START, 9)
    at(project.stores, START + 9 * HOUR)
    day = replace(FEW, over=6 * HOUR)
    early, whole = judged(project, day, START + 4 * HOUR, START + 5 * HOUR)
    assert [None, True] == [early.passed, whole.passed]
    assert "begins before the endpoint's first request, in the hour of 2026-03-02T08:00Z" in early.message


def test_hours_in_which_the_endpoint_was_stopped_are_not_judged(project: Project) -> None:
    served(project, START, 9)
    deployments = project.stores.deployments
    for number, (action, hours) in enumerate([("deploy", 0), ("stop", 2), ("start", 4)]):
        before = deployments.desired("cancer")
        event = Event(0, "cancer", START + hours * HOUR, "ann", action, None, "1", number + 1, "a test")
        status = STOPPED if action == "stop" else "active"
        deployments.change(before, variants_of("1"), event, status=status)
    at(project.stores, START + 9 * HOUR)
    hours = [START + n * HOUR for n in range(1, 6)]
    verdicts = judged(project, FEW, *hours)
    assert [False, None, None, False, False] == [one.passed for one in verdicts]
    assert "not judged: the endpoint was stopped in this span" == verdicts[1].message
    assert [True] * 5 == [one.passed for one in judged(project, MANY, *hours)]  # too many are over all the same


def test_quiet_hours_open_one_alert_and_requests_resolve_it(project: Project) -> None:
    served(project, START, 9)
    judge_table(project.stores, project.spec, SERVICE_METRICS)
    quiet = QuietHours()
    changes = []
    for minutes in range(65, 60 * 4, 7):
        at(project.stores, START + timedelta(minutes=minutes))
        changes += [one.change for one in quiet.judge(project.stores, [project.spec], project.stores.now())]
    assert ["opened", "counted"] == changes
    [alert] = project.stores.alerts.find("cancer", OPEN)
    assert ("volume", 2, "2026-03-02T10:00:00Z") == (alert.rule, alert.count, alert.data_window)
    for hour in (4, 5):
        served(project, START + hour * HOUR, 9)
    at(project.stores, START + 6 * HOUR + timedelta(minutes=5))
    judge_table(project.stores, project.spec, SERVICE_METRICS)
    assert [] == project.stores.alerts.find("cancer", OPEN)
    kept = {one.window[11:13]: one.passed for one in project.stores.verdicts.find("cancer", "volume")}
    assert {"08": True, "09": False, "10": False, "12": True, "13": True} == kept


def test_two_processes_judge_a_quiet_hour_once(project: Project) -> None:
    served(project, START, 9)
    at(project.stores, START + 2 * HOUR + timedelta(minutes=5))
    counted = [
        one.change
        for quiet in (QuietHours(), QuietHours(), QuietHours())
        for one in quiet.judge(project.stores, [project.spec], project.stores.now())
    ]
    assert ["opened"] == counted


def test_a_new_rule_opens_no_alert_on_the_night_before(project: Project) -> None:
    served(project, START, 9)
    at(project.stores, START + 20 * HOUR + timedelta(minutes=5))
    QuietHours().judge(project.stores, [project.spec], project.stores.now())
    [alert] = project.stores.alerts.find("cancer", OPEN)
    assert (1, "2026-03-03T03:00:00Z") == (alert.count, alert.opened_window)


def test_hours_that_nobody_judged_for_a_night_are_judged_later(project: Project) -> None:
    served(project, START, 9)
    for hours in (2, 9):
        at(project.stores, START + hours * HOUR + timedelta(minutes=5))
        QuietHours().judge(project.stores, [project.spec], project.stores.now())
    [alert] = project.stores.alerts.find("cancer", OPEN)
    assert 8 == alert.count


def test_an_endpoint_without_a_rule_on_volume_costs_nothing(project: Project) -> None:
    plain = replace(project.spec, alerts=(with_defaults(AlertRule("error_rate", above=0.1)),))
    assert [] == QuietHours().judge(project.stores, [plain], project.stores.now())
    assert [] == project.stores.verdicts.find("cancer")


def test_a_call_judges_some_endpoints_and_the_next_one_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet_hours, "MOST_ENDPOINTS", 2)
    specs = [replace(project.spec, name=f"quiet{number}") for number in range(5)]
    for spec in specs:
        captured(project, spec, [request(spec, START)])
    at(project.stores, START + 2 * HOUR + timedelta(minutes=5))
    quiet = QuietHours()
    opened = [
        [one.alert.endpoint for one in quiet.judge(project.stores, specs, project.stores.now())] for _ in range(4)
    ]
    assert [["quiet0", "quiet1"], ["quiet2", "quiet3"], ["quiet4"], []] == opened
