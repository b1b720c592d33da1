"""The overview's order, tones and stages, over real stores."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.reports.overview import overview, tone_of_health
from modelops_pipelines.operations.reports.stages import stages_of
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.summaries import Summary
from modelops_pipelines.store.stores import Stores

FAILED = Verdict("errors", "error_rate", "error", False, 0.5, 0.1, 40, "2026-01-01T00:00:00Z", "too many errors")


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(load_settings(tmp_path, {}))


def spec(name: str, served: Any = "here") -> EndpointSpec:
    return EndpointSpec(name, f"{name}-model", "regression", "label", served=served)


def serve(stores: Stores, name: str, *variants: Variant) -> None:
    before = stores.deployments.desired(name)
    event = Event(0, name, stores.now(), "ann", "deploy", None, "1", before.generation + 1, "first")
    stores.deployments.change(before, list(variants), event)


def summarize(stores: Stores, name: str, score: float | None, requests: int = 0, errors: int = 0) -> None:
    hours = [[requests, errors], *([[0, 0]] * 23)]
    traffic = {"requests": requests, "server_errors": errors, "p95_ms": None, "hours": hours, "until": "x"}
    health = {"score": score, "reason": "because", "limited_by": None}
    content = {"health": health, "traffic": traffic, "quality": None, "estimated": None, "drift": None}
    stores.summaries.put(Summary(name, stores.now(), content))


def test_what_needs_a_person_comes_first(stores: Stores) -> None:
    names = ("well", "unmeasured", "sick", "warned", "alarmed", "broken", "looked-after")
    for name in names:
        serve(stores, name, Variant("1", "champion", 100))
    for name, score in (("well", 99.0), ("sick", 20.0), ("warned", 99.0), ("alarmed", 99.0), ("looked-after", 98.0)):
        summarize(stores, name, score)
    raise_alerts(stores, "alarmed", [FAILED], source="run 1")
    raise_alerts(stores, "warned", [replace(FAILED, severity="warning")], source="run 1")
    raise_alerts(stores, "looked-after", [FAILED], source="run 1")
    [alert] = stores.alerts.find("looked-after")
    acknowledge(stores, alert.id or 0, "ann", None)
    rows = overview(stores, [spec(name) for name in names], {"broken": "no memory"})
    assert ["broken", "alarmed", "warned", "sick", "looked-after", "well", "unmeasured"] == [
        row["name"] for row in rows
    ]
    assert ("failed", "no memory") == (rows[0]["status"], rows[0]["problem"])
    assert "too many errors" == rows[1]["worst_alert"]["message"]
    assert (0, 1, None) == tuple(rows[4][name] for name in ("open_alerts", "acknowledged_alerts", "worst_alert"))


def test_each_row_says_what_is_live(stores: Stores) -> None:
    serve(stores, "tried", Variant("1", "champion", 90), Variant("2", "challenger", 10))
    rows = {row["name"]: row for row in overview(stores, [spec("tried"), spec("new"), spec("away", "elsewhere")])}
    assert ("active", "1") == (rows["tried"]["status"], rows["tried"]["champion"])
    assert [{"version": "2", "role": "challenger", "share": 10}] == rows["tried"]["trials"]
    assert ("new", None, None) == (rows["new"]["status"], rows["new"]["champion"], rows["new"]["measured_at"])
    assert "elsewhere" == rows["away"]["status"]


def test_the_stages_are_sums_over_the_endpoints(stores: Stores) -> None:
    serve(stores, "a", Variant("1", "champion", 90), Variant("2", "challenger", 10))
    serve(stores, "b", Variant("1", "champion", 100), Variant("3", "shadow", 100))
    summarize(stores, "a", 90.0, requests=1000, errors=3)
    summarize(stores, "b", 90.0, requests=500)
    raise_alerts(stores, "b", [FAILED], source="run 1")
    found = {stage.name: stage for stage in stages_of(overview(stores, [spec("a"), spec("b"), spec("c")]))}
    assert ["serve", "log", "measure", "alert", "improve", "release"] == list(found)
    assert ("2 of 3 serve", "good") == (found["serve"].value, found["serve"].tone)
    assert ("1,500 requests", "in 24 h, 3 failed", "warn") == (found["log"].value, found["log"].note, found["log"].tone)
    assert "2 of 3 measured" == found["measure"].value
    assert ("1 open", "bad") == (found["alert"].value, found["alert"].tone)
    assert ("1 on trial", "1 in shadow") == (found["release"].value, found["release"].note)


def test_no_endpoint_is_no_alarm(stores: Stores) -> None:
    assert [] == overview(stores, [])
    assert {""} == {stage.tone for stage in stages_of([])}


@pytest.mark.parametrize(("score", "tone"), [(None, ""), (0.0, "bad"), (49.9, "bad"), (50.0, "warn"), (80.0, "good")])
def test_tones(score: float | None, tone: str) -> None:
    assert tone == tone_of_health(score)


def test_a_summary_is_replaced_and_forgotten(stores: Stores) -> None:
    summarize(stores, "a", 10.0)
    summarize(stores, "a", 20.0)
    assert 20.0 == stores.summaries.all()["a"].content["health"]["score"]
    assert stores.now() - stores.summaries.all()["a"].at < timedelta(minutes=1)
    stores.summaries.forget("a")
    assert {} == stores.summaries.all()
