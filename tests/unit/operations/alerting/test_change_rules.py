"""Rules made at run time: added, edited, removed, exported; in force beside those of the YAML."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import Slo
from modelops_pipelines.core.errors import ConflictError, InputError, UnknownError
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_table
from modelops_pipelines.operations.alerting.judges.rule_states import newest_verdicts
from modelops_pipelines.operations.alerting.life import change_rules
from modelops_pipelines.operations.alerting.life.change_rules import add_rule, export_rules, remove_rule
from modelops_pipelines.operations.alerting.rules.effective_rules import rule_named, rules_by_name, with_runtime_rules
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.metrics.service import measure_service
from tests.fakes.judged_steps import FAILED, FIRST, HOUR, captured, request
from tests.fakes.records import VERSION
from tests.support.project import CANCER_YAML, Project, make_project

ERRORS = AlertRule("error_rate", above=0.5, over=HOUR, minimum=1)
STRICT = {"kind": "error_rate", "name": "any_error", "operator": "gt", "threshold": 0, "minimum": 1}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    made.spec = replace(made.spec, alerts=(ERRORS,))
    yield made
    made.stores.database.close()


def served(project: Project, hour: int, failed: int) -> None:
    """Capture ten requests of an hour, and judge what has changed by the rules in force."""
    at, spec = FIRST + hour * HOUR, with_runtime_rules(project.stores, project.spec)
    captured(project, spec, [request(spec, at, **(FAILED if n < failed else {})) for n in range(10)])
    judge_table(project.stores, spec, SERVICE_METRICS)


def verdicts(project: Project) -> dict[str, list[bool | None]]:
    found: dict[str, list[bool | None]] = {}
    for one in project.stores.verdicts.find("cancer"):
        found.setdefault(one.rule, []).append(one.passed)
    return found


def test_a_rule_is_in_force_from_the_next_window_on(project: Project) -> None:
    served(project, 0, failed=1)
    made = add_rule(project.stores, project.spec, STRICT, "ann")
    assert ("any_error", 1, "ann") == (made.name, made.version, made.actor)
    served(project, 1, failed=1)
    assert {"error_rate": [True, True], "any_error": [False]} == verdicts(project)
    [alert] = project.stores.alerts.find("cancer", OPEN)
    assert ("any_error", "error_rate", 1) == (alert.rule, alert.kind, alert.count)
    assert [True, False] == [one.passed for one in newest_verdicts(project.stores, project.spec)]


def test_two_rules_of_one_kind_have_verdicts_and_alerts_of_their_own(project: Project) -> None:
    add_rule(project.stores, project.spec, STRICT, "ann")
    served(project, 0, failed=8)
    served(project, 1, failed=0)
    served(project, 2, failed=2)
    assert {"error_rate": [False, True, True], "any_error": [False, True, False]} == verdicts(project)
    assert {"error_rate": RESOLVED, "any_error": OPEN} == {
        one.rule: one.status for one in project.stores.alerts.find("cancer")
    }


def test_an_edit_between_windows_counts_from_the_next_one(project: Project) -> None:
    served(project, 0, failed=3)
    project.spec = replace(project.spec, alerts=(replace(ERRORS, above=0.2, severity="warning"),))
    served(project, 1, failed=3)
    stored = project.stores.verdicts.find("cancer", "error_rate")
    assert [(True, 0.5, "error"), (False, 0.2, "warning")] == [(o.passed, o.threshold, o.severity) for o in stored]
    [alert] = project.stores.alerts.find("cancer", OPEN)
    assert (0.2, "warning") == (alert.threshold, alert.severity)


def test_every_change_is_a_version_and_the_newest_is_in_force(project: Project) -> None:
    stores, spec = project.stores, project.spec
    add_rule(stores, spec, STRICT, "ann")
    add_rule(stores, spec, {**STRICT, "threshold": 0.3, "for": "10m", "labels": {"team": "ops"}}, "bob")
    rule = rules_by_name(stores, spec)["any_error"]
    assert (0.3, timedelta(minutes=10), (("team", "ops"),), HOUR) == (
        rule.threshold,
        rule.for_,
        rule.labels,
        rule.over,
    )
    remove_rule(stores, spec, "any_error", "ann")
    add_rule(stores, spec, STRICT, "cy")
    history = stores.runtime_rules.history("cancer", "any_error")
    assert [(1, "ann", True), (2, "bob", True), (3, "ann", False), (4, "cy", True)] == [
        (one.version, one.actor, one.rule is not None) for one in history
    ]
    assert ["error_rate", "any_error"] == [one.name for one in with_runtime_rules(stores, spec).alerts]
    assert {} == stores.runtime_rules.by_endpoint(["other"])


def test_an_endpoint_whose_yaml_has_no_rule_is_judged_by_one_made_at_run_time(project: Project) -> None:
    project.spec = replace(project.spec, alerts=())
    add_rule(project.stores, project.spec, STRICT, "ann")
    served(project, 0, failed=1)
    assert {"any_error": [False]} == verdicts(project)


def test_the_open_alert_of_a_removed_rule_is_resolved_with_who_removed_it(project: Project) -> None:
    add_rule(project.stores, project.spec, STRICT, "ann")
    served(project, 0, failed=1)
    remove_rule(project.stores, project.spec, "any_error", "bob")
    [alert] = project.stores.alerts.find("cancer")
    assert (RESOLVED, "bob", "its rule was removed") == (alert.status, alert.resolved_by, alert.resolution)
    served(project, 1, failed=1)
    assert 1 == len(project.stores.alerts.find("cancer"))


def test_the_pending_alert_of_a_removed_rule_is_dropped(project: Project) -> None:
    add_rule(project.stores, project.spec, {**STRICT, "for": "9h"}, "ann")
    (project.folder / "endpoints" / "endpoint.yaml").write_text(CANCER_YAML)
    served(project, 0, failed=1)
    assert ["pending"] == [one.state for one in project.stores.alerts.unresolved("cancer")]
    remove_rule(project.stores, project.spec, "any_error", "bob")
    assert [] == project.stores.alerts.unresolved("cancer")


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({}, "kind: is missing"),
        ({"kind": "drfit"}, "kind: 'drfit' is not a valid value"),
        ({"kind": "error_rate"}, "above: is missing"),
        (
            {"kind": "error_rate", "above": 2, "runbook": "x"},
            "above: 2 is not a valid threshold for error_rate; runbook",
        ),
        ({"kind": "error_rate", "above": 0.1, "over": "1 h"}, "over: must be a duration"),
        ({"kind": "error_rate", "above": 0.1, "abov": 1}, "abov: is not a known key"),
        ({"kind": "error_rate", "above": float("nan")}, "above: must be a finite number"),
        ({"kind": "sql", "name": "a", "sql": "/etc/passwd"}, "sql: leads out of the project"),
        ({"kind": "sql", "name": "a", "sql": "gone.sql"}, "sql: gone.sql cannot be read"),
        ({"kind": "metric", "metric": "own", "above": 1}, "metric: 'own' is not listed under 'metrics'"),
        ({"kind": "error_rate", "above": 0.1, "name": "\x1b[31m"}, "name: '\\x1b[31m' is not a valid name"),
        ({"kind": "error_rate", "above": 0.1, "name": object()}, "values that YAML cannot hold"),
    ],
)
def test_a_rule_is_checked_as_the_yamls_rules_are(project: Project, attributes: object, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        add_rule(project.stores, project.spec, attributes, "ann")  # type: ignore[arg-type] # some are no attributes
    assert problem in caught.value.message
    assert caught.value.message.isprintable()
    assert [] == project.stores.runtime_rules.of("cancer")


def test_rules_of_the_yaml_are_changed_there(project: Project) -> None:
    stores, spec = project.stores, project.spec
    with pytest.raises(ConflictError, match="is in the YAML"):
        add_rule(stores, spec, {"kind": "error_rate", "above": 0.9}, "ann")
    with pytest.raises(ConflictError, match="is in the YAML"):
        remove_rule(stores, spec, "error_rate", "ann")
    with pytest.raises(UnknownError, match="no rule 'gone'"):
        remove_rule(stores, spec, "gone", "ann")


@pytest.mark.parametrize("name", ["heartbeat", "channel", "alerting", "delivery"])
def test_a_rule_with_the_name_of_an_alert_of_the_product_is_refused(project: Project, name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' is the name of an alert of the product"):
        add_rule(project.stores, project.spec, {**STRICT, "name": name}, "ann")


@pytest.mark.parametrize("kind", ["volume", "throughput", "latency"])
def test_a_threshold_that_no_amount_reaches_is_refused(project: Project, kind: str) -> None:
    with pytest.raises(InputError, match=r"1e\+308 is not a valid threshold"):
        add_rule(project.stores, project.spec, {"kind": kind, "name": "never", "above": 1e308}, "ann")


def test_a_rule_with_the_name_of_an_objective_is_refused(project: Project) -> None:
    name = Slo("availability", 0.99).name
    with pytest.raises(InputError, match=f"'{name}' is the name of an alert of the product"):
        add_rule(project.stores, project.spec, {**STRICT, "name": name}, "ann")


def test_a_rule_that_the_yaml_takes_over_replaces_the_one_made_at_run_time(project: Project) -> None:
    add_rule(project.stores, project.spec, STRICT, "ann")
    own = AlertRule("error_rate", given_name="any_error", above=0.9, over=HOUR)
    spec = replace(project.spec, alerts=(own,))
    assert (own,) == with_runtime_rules(project.stores, spec).alerts
    assert 2 == remove_rule(project.stores, spec, "any_error", "ann").version


def test_there_is_an_end_to_rules(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_rules, "MOST_RULES", 1)
    add_rule(project.stores, project.spec, STRICT, "ann")
    add_rule(project.stores, project.spec, {**STRICT, "threshold": 0.4}, "ann")
    with pytest.raises(ConflictError, match="has 1 rules that were made at run time"):
        add_rule(project.stores, project.spec, {**STRICT, "name": "more"}, "ann")


def test_rules_are_exported_as_the_yaml_has_them(project: Project) -> None:
    added = {**STRICT, "for": "5m", "labels": {"team": "ops"}, "runbook": "https://wiki.example.com/x: y#z"}
    added["runbook"] = "https://wiki.example.com/x?y=1#z"
    add_rule(project.stores, project.spec, added, "ann\n  - {kind: evil}")
    written = export_rules(project.stores, project.spec)
    assert [
        {"kind": "error_rate", "above": 0.5, "over": "1h", "minimum": 1},
        {**added, "over": "1h"},
    ] == yaml.safe_load(written)["alerts"]
    assert "# made at run time by ann\\x0a  - {kind: evil}, " in written
    path = project.folder / "endpoints" / "endpoint.yaml"
    path.write_text(CANCER_YAML + written)  # under attributes, as it is printed
    assert with_runtime_rules(project.stores, project.spec).alerts == read_endpoint(path).alerts
    assert "  alerts: []\n" == export_rules(project.stores, replace(project.spec, name="other", alerts=()))


def test_who_has_an_alert_finds_its_rule_by_name(project: Project) -> None:
    add_rule(project.stores, project.spec, {**STRICT, "owner": "team:ops"}, "ann")
    found = rule_named(project.stores, "cancer", "any_error")
    assert found is not None
    assert "team:ops" == found.owner
    assert [None, None] == [rule_named(project.stores, *named) for named in (("cancer", "pipeline"), ("gone", "drift"))]


def test_a_rule_that_this_release_cannot_read_is_left_out(project: Project) -> None:
    project.stores.runtime_rules.add("cancer", "new", {"kind": "error_rate", "quantum": 1}, project.stores.now(), "ann")
    assert (ERRORS,) == with_runtime_rules(project.stores, project.spec).alerts
    assert [1] == [one.version for one in project.stores.runtime_rules.of("cancer")]


def test_windows_are_marked_for_rules_made_at_run_time(project: Project) -> None:
    spec = replace(project.spec, alerts=())
    add_rule(project.stores, spec, STRICT, "ann")
    effective = with_runtime_rules(project.stores, spec)
    captured(project, effective, [request(spec, FIRST)])
    assert (FIRST,) == project.stores.touched_windows.pending("cancer", "service_metrics.verdicts").windows
    assert 0 == len(measure_service(project.stores, effective).windows)


def test_a_rule_that_is_nested_too_deep_is_refused(project: Project) -> None:
    deep: object = 1
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(InputError, match="values that YAML cannot hold"):
        add_rule(project.stores, project.spec, {**STRICT, "labels": deep}, "ann")
