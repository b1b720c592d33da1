"""The health page's newer sections: drift over time and its reference, the user's own metrics, data quality."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import DriftPolicy, EndpointSpec, Metric
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DATA_QUALITY, DRIFT, PROFILES
from modelops_pipelines.operations.reports.health.sections import LINES, RECENT_CHUNKS
from modelops_pipelines.operations.reports.health_page import write_health_page
from modelops_pipelines.store.lake.rows.profiles import hour_of
from modelops_pipelines.store.registry.references.drift_references import Reference
from tests.fakes.hourly_profiles import HourlyProfile, to_rows
from tests.fakes.lake_rows import write
from tests.fakes.records import START, VERSION
from tests.support.project import Project, make_project

DAYS = [START.replace(hour=0) + timedelta(days=n) for n in range(16)]
EVIL = "<script>alert('evil')</script>"
NAMES = ["c", *(f"n{n}" for n in range(8))]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(tmp_path_factory.mktemp("sections") / "project")
    made.stores.deployments.record_version(VERSION)
    yield made
    made.stores.database.close()


@pytest.fixture(scope="module")
def spec(project: Project) -> EndpointSpec:
    """Return an endpoint of days whose traffic has long been unlike its training set."""
    limits = (AlertRule("metric", metric="late_share", above=0.45),)
    own = (Metric("late_share", sql="late.sql"), Metric("empty", sql="empty.sql"))
    made = replace(project.spec, window="day", drift=DriftPolicy(), metrics=own, alerts=limits)
    bins = fit_bins("c", ["old"] * 999 + ["usual"], "categorical")
    trained = {"c": profile(["old"] * 999 + ["usual"], bins)}
    project.stores.references.write("tumours", "1", Reference("its training set", trained))
    hours = [day + timedelta(hours=n) for day in DAYS for n in range(0, 24, 4)]
    rows = [HourlyProfile(hour_of(hour), "1", profile(["usual"] * 500, bins)) for hour in hours]
    project.stores.writer.replace_windows("cancer", PROFILES, to_rows(rows), hours)
    write(project.stores, made, DRIFT, [verdict(day, place, name) for day in DAYS for place, name in enumerate(NAMES)])
    own_row = {"model_version": "1", "metric": "late_share", "n": 100}
    write(project.stores, made, CUSTOM_METRICS, [own_row | {"window_start": day, "value": 0.4} for day in DAYS])
    write(project.stores, made, DATA_QUALITY, [row for day in DAYS for row in chunks(day)])
    return made


@pytest.fixture(scope="module")
def page(project: Project, spec: EndpointSpec) -> str:
    return write_health_page(project.stores, spec).read_text()


def verdict(day: Any, place: int, name: str) -> dict[str, Any]:
    value = None if name == "n7" else 0.5 / (1 + place)
    drifted = None if value is None else value > 0.1
    measured = {"column": name, "kind": "categorical", "statistic": "jensen_shannon", "value": value, "threshold": 0.1}
    why = {"method": "calibrated", "reference": "the same season of the 28 days before", "drifted": drifted}
    return {"window_start": day, "model_version": "1", "n": 3000, "n_reference": 9000, **measured, **why}


def chunks(day: Any) -> list[dict[str, Any]]:
    """Return a day's two chunks; the second fails from the fourth day on."""
    failed = day >= DAYS[3]
    fine = {"window_start": day, "model_version": "1", "chunk": 0, "first_event": day, "n": 100, "passed": True}
    found = {"column": "c", "channel": "category", "value": 0.25, "reason": f"c: 25% are of categories such as {EVIL}"}
    bad = {"chunk": 1, "first_event": day + timedelta(hours=3), "passed": not failed} | (found if failed else {})
    return [fine, fine | bad]


def section(page: str, name: str) -> str:
    return page.partition(f"<h2>{name}</h2>")[2].partition("</section>")[0]


def test_grey_is_what_the_verdict_is_against_and_not_the_training_set(page: str) -> None:
    drift = section(page, "Drift")
    assert "judged against the same season of the 28 days before" in drift
    assert "usual: 100 %, reference 100 %" in drift
    assert "old: " not in drift


def test_the_most_drifted_columns_are_drawn_over_time_with_the_band_of_the_ordinary(page: str) -> None:
    drift = section(page, "Drift")
    assert [f"{name}: jensen shannon" for name in NAMES[:LINES]] == re.findall(r"<title>(\w+: [a-z ]+), latest", drift)
    assert LINES == drift.count('fill-opacity="0.3"')
    assert f"{DAYS[0]:%Y-%m-%d} 00:00: 0.5</title>" in drift


def test_ones_own_metrics_have_a_picture_each_with_the_limits_of_their_rules(page: str) -> None:
    own = section(page, "Your own metrics")
    assert ["late share, latest 0.4", "empty, no values yet"] == [
        title.replace("_", " ") for title in re.findall(r"<title>((?:late_share|empty)[^<]*)</title>", own)
    ]
    assert 1 == own.count("stroke-dasharray")


def test_data_quality_tells_what_was_odd_the_newest_first(page: str) -> None:
    data = section(page, "Data quality")
    assert "Unusual chunks of requests, latest 50 %" in data
    since = re.findall(r'<td class="at">([^<]+)</td>', data)
    assert [f"{day:%Y-%m-%d} 03:00" for day in reversed(DAYS)][:RECENT_CHUNKS] == since
    assert f"{13 - RECENT_CHUNKS} earlier chunks failed too." in data
    assert "25% are of categories such as &lt;script&gt;" in data
    assert EVIL not in page


def test_what_there_is_none_of_is_said_or_left_out(project: Project) -> None:
    fresh = replace(project.spec, name="fresh")
    page = write_health_page(project.stores, fresh).read_text()
    assert "No requests have been compared with the days before yet." in page
    assert "Your own metrics" not in page
    fine = replace(project.spec, name="fine")
    write(project.stores, fine, DATA_QUALITY, chunks(DAYS[0]))
    page = write_health_page(project.stores, fine).read_text()
    assert "None of 2 judged chunks of requests differed from the days before." in page


def test_no_template_is_left_in_the_page(page: str, project: Project) -> None:
    assert page.startswith("<!doctype html>")
    assert "{{" not in page
    assert Path(project.stores.settings.reports / "cancer" / "health.html").read_text() == page
