"""Messages composed from a real state and lake: what they say at night, and what is left out."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.channels.rendering import render
from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent, Verdict
from modelops_pipelines.core.release.desired_state import WHOLE, variants_of
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.lake import DATA_QUALITY, DRIFT, QUALITY_METRICS
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.causes.in_time import in_time
from modelops_pipelines.operations.alerting.delivery import compose as composing
from modelops_pipelines.operations.alerting.delivery.compose import compose
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.stores import Stores
from tests.fakes.lake_rows import write
from tests.support.project import CANCER_YAML, Project, make_project

NOW = datetime.fromisoformat("2026-03-02T10:00:00+00:00")
HOUR = timedelta(hours=1)
WINDOW = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
YAML = (
    CANCER_YAML
    + """\
  segments: [site]
  alerts:
    - {kind: quality, metric: auc, below: 0.8}
    - {kind: error_rate, above: 0.1}
    - {kind: drift}
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project", YAML)
    yield made
    made.stores.database.close()


def opened(project: Project, kind: str, rule: str = "", message: str = "it is bad", source: str = "") -> Alert:
    failed = Verdict(rule or kind, kind, "error", False, 0.61, 0.8, 240, text(WINDOW), message)
    raise_alerts(project.stores, "cancer", [failed], source=source or kind)
    found = project.stores.alerts.find_open("cancer", rule or kind)
    assert found is not None
    return replace(found, opened_at=NOW, last_seen_at=NOW)


def told(alert: Alert, event: str = "opened", actor: str | None = None, note: str | None = None) -> Any:
    return alert, AlertEvent(alert.id or 0, alert.endpoint, alert.rule, NOW, event, actor, note)


def release(project: Project, version: str, at: datetime, action: str = "deploy", share: int = WHOLE) -> None:
    before = project.stores.deployments.desired("cancer")
    evidence = {"share": share, "forced": True}
    event = Event(
        0, "cancer", at, "ann", action, before.champion, version, before.generation + 1, "more trees", evidence
    )
    project.stores.deployments.change(before, variants_of(version), event)


def causes(content: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {cause["kind"]: cause for cause in content["causes"]}


def test_the_version_deployed_just_before_is_named_with_the_command_that_takes_it_back(project: Project) -> None:
    release(project, "6", NOW - 300 * HOUR)
    release(project, "7", NOW - HOUR / 3)
    content = compose(project.stores, [told(opened(project, "error_rate"))], NOW)
    expected = {
        "endpoint": "cancer",
        "kind": "version",
        "text": "version 7 came in place of version 6 20 min before the alert opened (deploy by ann): more trees",
        "command": "modelops rollback cancer --reason 'alert 1: error_rate'",
    }
    assert {"version": expected} == causes(content)


def test_a_version_that_was_rolled_back_since_needs_no_command_and_an_old_release_is_no_cause(project: Project) -> None:
    release(project, "6", NOW - 300 * HOUR)
    alert = opened(project, "error_rate")
    assert {} == causes(compose(project.stores, [told(alert)], NOW))
    release(project, "7", NOW - HOUR)
    release(project, "6", NOW + HOUR, "rollback")
    assert "" == causes(compose(project.stores, [told(alert)], NOW + 2 * HOUR))["version"]["command"]


@pytest.mark.parametrize("hours", [1, 0.5])
def test_a_rollback_is_named_but_its_undo_is_never_offered(project: Project, hours: float) -> None:
    release(project, "6", NOW - 300 * HOUR)
    release(project, "7", NOW - 2 * HOUR)
    release(project, "6", NOW - hours * HOUR, "rollback")
    found = causes(compose(project.stores, [told(opened(project, "error_rate"))], NOW))["version"]
    said = {
        1: "version 6 came in place of version 7 1 h before the alert opened (rollback by ann): more trees",
        0.5: "rolled back from version 7 to version 6 30 min before the alert opened (by ann): more trees; "
        "what was judged still holds requests of version 7",
    }
    assert (said[hours], "") == (found["text"], found["command"])


@pytest.mark.parametrize("event", ["reopened", "escalated"])
def test_a_reopened_alert_names_the_release_before_it_reopened(project: Project, event: str) -> None:
    release(project, "6", NOW - 300 * HOUR)
    opened(project, "error_rate")
    first = project.stores.alerts.find()[0]
    passed = Verdict("error_rate", "error_rate", "error", True, 0.0, 0.1, 240, text(WINDOW), "it is good")
    raise_alerts(project.stores, "cancer", [passed, passed], source="good")
    again = opened(project, "error_rate", source="again")
    alert = replace(again, opened_at=first.opened_at, opened_window=text(WINDOW - 100 * HOUR))
    reopened = project.stores.alert_events.last_openings([first.id or 0])[first.id or 0]
    release(project, "7", reopened.at - timedelta(minutes=5))
    change = reopened if event == "reopened" else told(alert, event)[1]
    found = causes(compose(project.stores, [(alert, change)], NOW))["version"]
    assert found["text"].startswith("version 7 came in place of version 6 5 min before the alert opened")
    assert "modelops rollback cancer --reason 'alert 1: error_rate'" == found["command"]


def test_drifted_columns_faulty_requests_and_the_worst_segment_are_named(project: Project) -> None:
    row = {"window_start": WINDOW, "model_version": "1"}
    drifted = {**row, "kind": "numeric", "statistic": "wasserstein", "threshold": 0.1, "n": 900, "n_reference": 9000}
    columns = [("size", 0.4, True, "high", 0.6), ("age", 0.2, True, "low", 0.1), ("site", 0.05, False, "none", 0.3)]
    names = ("column", "value", "drifted", "severity", "importance")
    rows = [{**drifted, **dict(zip(names, one, strict=True))} for one in columns]
    write(project.stores, project.spec, DRIFT, rows)
    fault = {"chunk": 0, "first_event": WINDOW, "n": 66, "passed": False, "reason": "size is 1000 times as large"}
    write(project.stores, project.spec, DATA_QUALITY, [row | fault])
    counts = {"predictions": 600, "coverage": 0.5, "feedback": 0, "complaints": 0}
    parts = [("all", "", 0.74, 300), ("site", "A", 0.8, 200), ("site", "B", 0.61, 60), ("site", "C", 0.1, 5)]
    quality = ("segment", "segment_value", "auc", "labelled")
    rows = [{**row, **counts, **dict(zip(quality, one, strict=True))} for one in parts]
    write(project.stores, project.spec, QUALITY_METRICS, rows)
    found = causes(compose(project.stores, [told(opened(project, "quality", "quality_auc"))], NOW))
    assert {
        "drift": "columns drifted on 2026-03-02T09:00Z: "
        "size (wasserstein 0.4, threshold 0.1, importance 0.60, severity high); "
        "age (wasserstein 0.2, threshold 0.1, importance 0.10, severity low)",
        "data": "requests since 2026-03-02T09:00Z: size is 1000 times as large",
        "segment": "worst segment on 2026-03-02T09:00Z: site = B: auc 0.61 on 60 rows; all rows: 0.74",
    } == {kind: cause["text"] for kind, cause in found.items()}


def test_evidence_of_last_month_is_none(project: Project) -> None:
    old = {"window_start": WINDOW - 24 * 30 * HOUR, "model_version": "1", "column": "size", "kind": "numeric"}
    counted = {"statistic": "wasserstein", "value": 1.0, "threshold": 0.1, "n": 9, "n_reference": 9, "drifted": True}
    write(project.stores, project.spec, DRIFT, [old | counted])
    assert {} == causes(compose(project.stores, [told(opened(project, "error_rate"))], NOW))


def test_the_run_that_failed_is_named_and_linked(project: Project) -> None:
    run = "0f3c9a1e-7c1b-4f8e-9a5d-3f0f0a0b0c0d"
    pipeline = opened(
        project, "pipeline", message=f"run {run[:8]} failed: open it in Dagster for the error", source=run
    )
    errors = opened(project, "error_rate")
    found = compose(project.stores, [told(errors)], NOW)
    assert pipeline.message == causes(found)["pipeline"]["text"]
    [_, link] = compose(project.stores, [told(pipeline)], NOW)["links"]
    assert (f"Run {run[:8]} in Dagster", True) == (link["label"], link["url"].endswith(f"/runs/{run}"))


def test_a_report_is_linked_once_it_is_there_under_the_public_address(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", YAML, MODELOPS_PUBLIC_URL="https://ml.example.org/")
    alert = opened(project, "drift")
    page = "https://ml.example.org/ui/alerts/1"
    assert [{"label": "Alert 1: drift", "url": page}] == compose(project.stores, [told(alert)], NOW)["links"]
    folder = project.stores.settings.reports / "cancer"
    folder.mkdir(parents=True)
    for name in ("health.html", "drift-2026-03-01T09.html", "drift-2026-03-02T09.html"):
        (folder / name).touch()
    base = "https://ml.example.org/endpoints/cancer/reports"
    links = [link["url"] for link in compose(project.stores, [told(alert)], NOW)["links"]]
    assert [page, f"{base}/health.html", f"{base}/drift-2026-03-02T09.html"] == links
    project.stores.database.close()


@pytest.mark.parametrize(("host", "leads"), [("127.0.0.1", 3), ("localhost", 3), ("0.0.0.0", 0)])
def test_pages_of_alerts_are_linked_where_people_reach_them(project: Project, host: str, leads: int) -> None:
    several = [told(replace(opened(project, "drift"), id=number)) for number in range(1, 6)]
    settings = replace(project.stores.settings, host=host)
    assert leads == len(compose(Stores(settings), several, NOW)["links"])
    assert [] == compose(project.stores, [told(replace(opened(project, "drift"), id=0))], NOW, test=True)["links"]


def test_who_acknowledged_is_told_and_is_not_asked_again(project: Project) -> None:
    alert = replace(opened(project, "error_rate"), acknowledged_at=NOW, acknowledged_by="ann", note="on it")
    content = compose(project.stores, [told(alert, "acknowledged", "ann", "on it")], NOW + HOUR)
    [item] = content["alerts"]
    assert ("acknowledged", "ann", "on it", "", "1 h") == (
        item["state"], item["actor"], item["note"], item["acknowledge"], item["lasted"]
    )  # fmt: skip
    assert "error_rate: acknowledged by ann: on it" in str(render(content, "text"))


def test_a_rule_s_owner_runbook_and_labels_are_told_also_of_its_alert_on_live_counts(project: Project) -> None:
    known = {"kind": "error_rate", "above": 0.2, "name": "errors", "owner": "ann", "labels": {"tier": "1"}}
    rule = known | {"runbook": "https://wiki.example.org/errors"}
    project.stores.runtime_rules.add("cancer", "errors", rule, NOW, "ann")
    for name in ("errors", "errors_now"):
        [item] = compose(project.stores, [told(opened(project, "error_rate", name, source=name))], NOW)["alerts"]
        assert ("ann", rule["runbook"], {"tier": "1"}) == (item["owner"], item["runbook"], item["labels"])


def test_an_objective_s_owner_and_runbook_are_told_with_its_alert(tmp_path: Path) -> None:
    runbook = "https://wiki.example.org/slo"
    slo = f"  slos:\n    - {{kind: availability, objective: 0.99, owner: ann, runbook: {runbook!r}}}\n"
    project = make_project(tmp_path / "project", YAML + slo)
    [item] = compose(project.stores, [told(opened(project, "slo", "slo_availability"))], NOW)["alerts"]
    assert ("ann", runbook) == (item["owner"], item["runbook"])


def test_causes_are_told_of_news_and_shown_of_all_that_is_not_resolved(project: Project) -> None:
    release(project, "6", NOW - HOUR)
    alert = replace(opened(project, "error_rate"), acknowledged_at=NOW, acknowledged_by="ann")
    change = told(alert, "acknowledged", "ann")
    assert [] == compose(project.stores, [change], NOW)["causes"]
    assert {"version"} == set(causes(compose(project.stores, [change], NOW, explain_all=True)))
    over = replace(alert, status="resolved", resolved_at=NOW)
    assert [] == compose(project.stores, [told(over, "resolved")], NOW, explain_all=True)["causes"]


def test_the_worst_alert_is_first_and_an_alerts_changes_keep_their_order(project: Project) -> None:
    error, warning = opened(project, "error_rate"), replace(opened(project, "drift"), severity="warning")
    content = compose(project.stores, [told(warning), told(error), told(error, "resolved")], NOW)
    assert [("error_rate", "opened"), ("error_rate", "resolved"), ("drift", "opened")] == [
        (item["rule"], item["event"]) for item in content["alerts"]
    ]


def test_what_fails_or_hangs_leaves_a_message_without_its_cause(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = opened(project, "error_rate")
    (project.stores.settings.lake / "cancer").mkdir(parents=True)
    (project.stores.settings.lake / "cancer" / "drift").write_text("no table")
    assert [] == compose(project.stores, [told(alert)], NOW)["causes"]
    monkeypatch.setattr(composing, "SECONDS", 0.0)
    assert "error_rate" == compose(project.stores, [told(alert)], NOW)["alerts"][0]["rule"]


def test_a_reading_that_hangs_is_waited_for_a_short_time_and_never_twice_at_once() -> None:
    over, begun = threading.Event(), []

    def hang() -> list[int]:
        begun.append(1)
        over.wait()
        return [1]

    assert ([], []) == (in_time(hang, 0.05), in_time(hang, 0.05))
    assert [1] == begun
    over.set()
    assert [2] == in_time(lambda: [2], 30)


def test_an_alert_on_the_home_is_told_without_an_endpoint(project: Project) -> None:
    alert = replace(opened(project, "error_rate"), endpoint="(home)", kind="storage", rule="disk_full")
    content = compose(project.stores, [told(alert)], NOW)
    assert ("[error] (home): disk_full opened", []) == (content["title"], content["causes"])
    assert ["Alert 1: disk_full"] == [link["label"] for link in content["links"]]
