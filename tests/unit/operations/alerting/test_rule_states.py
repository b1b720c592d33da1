"""The newest verdict of each rule, in the order of the YAML; a rule that was never judged says so."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.operations.alerting.judges.rule_states import newest_verdicts
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from tests.support.project import Project, make_project

RULES = (AlertRule("error_rate", above=0.1), AlertRule("latency_p95_ms", above=100.0))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    made.spec = replace(made.spec, alerts=RULES)
    yield made
    made.stores.database.close()


def verdict(hour: int, passed: bool | None, rule: str = "error_rate") -> Verdict:  # noqa: FBT001 - the verdict itself
    return Verdict(rule, rule, "error", passed, None, None, 5, f"2026-03-01T{hour:02}:00:00Z", "a message")


def test_the_newest_window_counts_also_when_it_was_not_judged(project: Project) -> None:
    raise_alerts(project.stores, "cancer", [verdict(1, False), verdict(3, None), verdict(2, True)])
    raise_alerts(project.stores, "other", [verdict(9, False)])
    first, second = newest_verdicts(project.stores, project.spec)
    assert verdict(3, None) == first
    assert ("latency_p95_ms", None, "") == (second.rule, second.passed, second.window)
    assert "not judged: no window of it has been judged yet" == second.message


def test_a_rule_that_the_yaml_has_dropped_is_not_listed(project: Project) -> None:
    raise_alerts(project.stores, "cancer", [verdict(1, True, "gone")])
    assert ["error_rate", "latency_p95_ms"] == [one.rule for one in newest_verdicts(project.stores, project.spec)]
