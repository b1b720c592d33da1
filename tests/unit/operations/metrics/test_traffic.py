"""Traffic of any window is the sum of its hours; the queries that come with the project say the same."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.queries import query_lake, query_text
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.metrics.traffic import newest_traffic
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)
ERRORS = {"status": 500, "version": "1", "variant": "champion", "error": "model_failed", "f": {}, "p": None, "s": None}
REFUSED = {"status": 400, "version": None, "variant": None, "error": "bad_input", "f": {}, "p": None, "s": None}
NOON = START - timedelta(hours=10)


def known_log(endpoint: str) -> list[dict[str, Any]]:
    """Return 40 answered requests of 2 rows over four hours of the newest day, 4 failures, 2 refusals; and an old day."""
    answered = [
        request_record(endpoint, n, NOON + (n % 4) * HOUR, 2, ms=float(n + 1), user=f"u{n % 3}", s=[0.2, 0.6])
        for n in range(40)
    ]
    failed = [request_record(endpoint, 100 + n, NOON, 1, ms=200.0, **ERRORS) for n in range(4)]
    refused = [request_record(endpoint, 200 + n, NOON, 1, ms=1.0, **REFUSED) for n in range(2)]
    tests = [request_record(endpoint, 300, NOON, 1, source="test")]
    old = [request_record(endpoint, 400 + n, NOON - days * 24 * HOUR, 1) for n, days in enumerate((6, 8, 29, 31))]
    return answered + failed + refused + tests + old


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    records = known_log("cancer")
    write_segment(made.stores, "cancer", "predictions", "w", records)
    labels = [{"rows": [label_row(record, 0, str(n % 2), START)]} for n, record in enumerate(records[:10])]
    write_segment(made.stores, "cancer", "labels", "w", labels)
    spec = replace(made.spec, window="day")
    for stream in ("predictions", "labels"):
        ingest(made.stores, spec, stream)
    measure_service(made.stores, spec)
    yield made
    made.stores.database.close()


def test_a_day_is_the_sum_of_its_hours(project: Project) -> None:
    with project.stores.lake.query("cancer", [SERVICE_METRICS]) as connected:
        hours = connected.execute("SELECT DISTINCT hour(window_start) FROM service_metrics ORDER BY 1").fetchall()
    assert [(12,), (13,), (14,), (15,)] == hours
    by_hour = newest_traffic(project.stores, project.spec, windows=24)
    by_day = newest_traffic(project.stores, replace(project.spec, window="day"), windows=1)
    champion, none = sorted(by_day, key=lambda row: str(row["model_version"]))
    assert (44, 80, 4) == (champion["requests"], champion["predictions"], champion["server_errors"])
    assert (2, 2, {"bad_input": 2}) == (none["requests"], none["client_errors"], none["errors"])
    assert {"model_failed": 4} == champion["errors"]
    assert pytest.approx((4 / 44, 40 / 44)) == (champion["error_rate"], champion["availability"])
    assert pytest.approx(44 / 86_400) == champion["throughput"]
    assert sum(row["requests"] for row in by_day) == sum(row["requests"] for row in by_hour)


def test_percentiles_of_a_day_are_within_one_percent(project: Project) -> None:
    [day, _] = newest_traffic(project.stores, replace(project.spec, window="day"), windows=1)
    exact = sorted([*(float(n + 1) for n in range(40)), *[200.0] * 4])
    for share in (50, 95, 99):
        rank = -(-len(exact) * share // 100)
        assert exact[rank - 1] == pytest.approx(day[f"latency_p{share}_ms"], rel=0.0101)
    assert pytest.approx(mean(exact)) == day["latency_mean_ms"]


def test_the_hourly_query_says_what_a_recount_says(project: Project) -> None:
    rows = query_lake(project.stores, query_text("health_hourly"), "cancer")
    noon = next(row for row in rows if row["hour"] == NOON and row["model_version"] == "1")
    mine = [record for record in known_log("cancer")[:44] if record["t"] == known_log("cancer")[0]["t"]]
    assert len(mine) == noon["requests"] == 14
    assert (20, 0, 4) == (noon["predictions"], noon["client_errors"], noon["server_errors"])
    assert pytest.approx(4 / 14) == noon["error_rate"]
    assert pytest.approx(mean(record["ms"] for record in mine)) == noon["latency_mean_ms"]
    assert 200.0 == noon["latency_p95_ms"] == noon["latency_p99_ms"]
    assert 3 == noon["users"]
    assert pytest.approx(0.4) == noon["mean_score"]
    days = {(NOON.date() - row["hour"].date()).days for row in rows}
    assert {0, 6} == days


def test_the_daily_query_holds_thirty_days_and_the_labels(project: Project) -> None:
    rows = query_lake(project.stores, query_text("health_daily.sql"), "cancer")
    assert {0, 6, 8, 29} == {(NOON.date() - row["day"]).days for row in rows}
    today = next(row for row in rows if row["day"] == NOON.date() and row["model_version"] == "1")
    assert (44, 80, 10) == (today["requests"], today["predictions"], today["labelled"])
    assert pytest.approx(0.5) == today["accuracy"]


def test_an_empty_log_has_no_health(tmp_path: Path) -> None:
    made = make_project(tmp_path / "empty")
    for name in ("health_hourly", "health_daily"):
        assert query_lake(made.stores, query_text(name), "cancer") == []
