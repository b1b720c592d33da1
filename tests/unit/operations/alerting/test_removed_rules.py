"""Alerts of rules that are in force nowhere are resolved; those of the product, and of faulty files, are not."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED, Verdict
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.operations.alerting.life.change_rules import add_rule, remove_rule
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from tests.support.alert_verdicts import StoppedClock
from tests.support.project import CANCER_YAML, Project, make_project

MINUTE = timedelta(minutes=1)
RULES = (
    CANCER_YAML
    + """\
  alerts: [{kind: error_rate, above: 0.5}, {kind: volume, below: 5}]
  slos: [{kind: availability, objective: 0.99}]
"""
)
NEITHER = CANCER_YAML + "  alerts: [{kind: volume, below: 5}]\n"
PRODUCT = ("pipeline", "capture", "configuration", "crashes", "registry", "canary")
RAISED = {"error_rate": "error_rate", "error_rate_now": "error_rate", "volume": "volume", "slo_availability": "slo"} | {
    name: name for name in PRODUCT
}


def verdict(rule: str, kind: str, *, passed: bool = False) -> Verdict:
    return Verdict(rule, kind, "warning", passed, 1.0, 0.5, 100, "2026-03-01T11:00:00Z", f"{rule} fails")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project", RULES)
    made.stores = StoppedClock(made.stores.settings)
    raise_alerts(made.stores, "cancer", [verdict(rule, kind) for rule, kind in RAISED.items()])
    return made


def rewrite(project: Project, yaml: str | None) -> None:
    file = project.folder / "endpoints" / "endpoint.yaml"
    file.unlink() if yaml is None else file.write_text(yaml)


def look(project: Project, *minutes: float) -> set[str]:
    """Look after alerts at once and after each of the spans; return the rules of the alerts that were resolved."""
    assert isinstance(project.stores, StoppedClock)
    for span in (0.0, *minutes):
        project.stores.moment += span * MINUTE
        look_after_alerts(project.stores, project.stores.now())
    return {alert.rule for alert in project.stores.alerts.find(None, RESOLVED)}


def test_the_alerts_of_rules_that_the_yaml_has_no_more_are_resolved_and_no_others(project: Project) -> None:
    assert set() == look(project, 1, 1)
    rewrite(project, NEITHER)
    assert {"error_rate", "error_rate_now", "slo_availability"} == look(project, 1, 1)
    [ended] = [one for one in project.stores.alerts.find() if one.rule == "error_rate"]
    assert ("modelops", "its rule was removed") == (ended.resolved_by, ended.resolution)


def test_a_file_that_is_missing_for_a_moment_ends_no_alert(project: Project) -> None:
    look(project, 1)
    rewrite(project, None)
    look(project, 0.6)
    rewrite(project, RULES)
    assert set() == look(project, 1, 1, 1)


def test_the_alerts_of_rules_of_an_endpoint_that_is_gone_are_resolved(project: Project) -> None:
    rewrite(project, None)
    assert {"error_rate", "error_rate_now", "slo_availability", "volume"} == look(project, 1, 1)


@pytest.mark.parametrize("yaml", [NEITHER + "  window: never\n", "type: ["])
def test_an_endpoint_whose_file_has_a_fault_keeps_its_alerts(project: Project, yaml: str) -> None:
    rewrite(project, yaml)
    assert set() == look(project, 1, 1, 60)


def test_a_pending_alert_of_a_removed_rule_is_dropped(project: Project) -> None:
    rewrite(project, RULES.replace("below: 5", "below: 5, for: 2h").replace("volume", "throughput"))
    raise_alerts(project.stores, "cancer", [verdict("throughput", "throughput")])
    assert "throughput" not in {alert.rule for alert in project.stores.alerts.find("cancer", OPEN)}
    rewrite(project, RULES)
    look(project, 1, 1)
    assert "throughput" not in {alert.rule for alert in project.stores.alerts.find()}


def test_a_judge_that_read_a_rule_before_it_was_removed_opens_no_alert(project: Project) -> None:
    add_rule(project.stores, project.spec, {"kind": "error_rate", "name": "late", "above": 0.1}, "ann")
    assert ["opened"] == [one.change for one in raise_alerts(project.stores, "cancer", [verdict("late", "error_rate")])]
    remove_rule(project.stores, project.spec, "late", "ann")
    for rule in ("late", "late_now"):
        assert [] == raise_alerts(project.stores, "cancer", [verdict(rule, "error_rate")])
    with pytest.raises(UnknownError):
        remove_rule(project.stores, project.spec, "late", "ann")
    add_rule(project.stores, project.spec, {"kind": "error_rate", "name": "late", "above": 0.1}, "ann")
    assert ["opened"] == [one.change for one in raise_alerts(project.stores, "cancer", [verdict("late", "error_rate")])]
