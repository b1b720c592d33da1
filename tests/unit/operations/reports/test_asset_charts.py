"""The pictures of Dagster's assets: what each shows, in which order, with its band and limits."""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Metric
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.tables.lake import (
    CUSTOM_METRICS,
    DATA_QUALITY,
    DRIFT,
    ESTIMATED_QUALITY,
    PROFILES,
    QUALITY_METRICS,
)
from modelops_pipelines.operations.lake.queries import newest, newest_reader
from modelops_pipelines.operations.reports import asset_charts as gallery
from modelops_pipelines.store.lake.rows.profiles import hour_of
from modelops_pipelines.store.registry.references.drift_references import Reference
from tests.fakes.hourly_profiles import HourlyProfile, to_rows
from tests.fakes.lake_rows import write
from tests.fakes.records import START, VERSION
from tests.support.project import Project, make_project

HOURS = [START + timedelta(hours=n) for n in range(6)]
LAST = HOURS[-1]
COLUMNS = ("a", "b", "c", "d", "prediction", "score")
IMPORTANCE = {"a": 0.1, "b": 0.2, "c": 0.6, "d": 0.1}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(tmp_path_factory.mktemp("gallery") / "project")
    made.stores.deployments.record_version(VERSION)
    write_profiles(made)
    write(made.stores, made.spec, DRIFT, [p_value(at, name) for at in HOURS for name in COLUMNS])
    yield made
    made.stores.database.close()


def write_profiles(project: Project) -> None:
    values = np.random.default_rng(1).normal(size=2000)
    reference = {name: profile(values, fit_bins(name, values, "numeric")) for name in COLUMNS}
    project.stores.references.write("tumours", "1", Reference("its training set", reference, IMPORTANCE))
    rows = [HourlyProfile(hour_of(LAST), "1", profile(values[:500] + 1, known.bins)) for known in reference.values()]
    project.stores.writer.replace_windows("cancer", PROFILES, to_rows(rows), [LAST])


def p_value(at: Any, name: str) -> dict[str, Any]:
    """Return a verdict by a p-value: ``b`` drifted surely, ``a`` barely, the others not."""
    value = {"a": 0.049, "b": 1e-30}.get(name, 0.5)
    measured = {"column": name, "kind": "numeric", "statistic": "kolmogorov_smirnov_p", "value": value}
    judged = {"threshold": 0.05, "drifted": value < 0.05, "severity": "low" if value < 0.05 else "none"}
    return {"window_start": at, "model_version": "1", "n": 500, "n_reference": 900} | measured | judged


def svg(markdown: str) -> str:
    found = re.search(r"base64,([^)]+)\)$", markdown)
    assert found, markdown
    return base64.b64decode(found[1]).decode()


def title(markdown: str) -> str:
    return svg(markdown).partition("<title>")[2].partition("</title>")[0]


def drawn(
    project: Project, name: str, table: Any, spec: EndpointSpec | None = None, windows: int = 30
) -> dict[str, str]:
    spec = spec or project.spec
    return getattr(gallery, name)(project.stores, spec, newest(project.stores, spec, table, windows))


def test_the_surest_drift_is_drawn_first_by_p_values(project: Project) -> None:
    pictures = drawn(project, "draw_drift", DRIFT)
    assert ["b", "a", "c"] == [title(pictures[f"top_{n}_distribution"]).partition(":")[0] for n in (1, 2, 3)]
    assert title(pictures["top_1_over_time"]).startswith("b: kolmogorov smirnov p, latest 1e-30")


def test_the_band_of_a_p_value_lies_above_its_threshold_and_of_a_distance_below(project: Project) -> None:
    distances = replace(project.spec, name="distances")
    rows = [p_value(at, "a") | {"statistic": "wasserstein", "value": 0.2, "threshold": 0.1} for at in HOURS]
    write(project.stores, distances, DRIFT, rows)
    edges = {}
    for name, spec in (("p_value", project.spec), ("distance", distances)):
        picture = svg(drawn(project, "draw_drift", DRIFT, spec)["top_1_over_time"])
        [band] = re.findall(r'd="M([^"]+)Z"[^>]*fill-opacity="0.3"', picture)
        heights = [float(point.split()[1]) for point in band.split("L")]
        edges[name] = (min(heights) == 46, max(heights) == 186)  # the upper and the lower edge of the space for data
    assert {"p_value": (True, False), "distance": (False, True)} == edges


def test_the_threshold_is_in_view_where_every_p_value_is_tiny(project: Project) -> None:
    spec = replace(project.spec, name="tiny")
    write(project.stores, spec, DRIFT, [p_value(at, "b") for at in HOURS])
    picture = svg(drawn(project, "draw_drift", DRIFT, spec)["top_1_over_time"])
    assert ">0.04</text>" in picture
    assert 'fill-opacity="0.3"' in picture


def test_what_has_no_verdict_yet_is_shown_beside_its_reference_all_the_same(project: Project) -> None:
    spec = replace(project.spec, drift=replace(project.spec.drift, method="evidently"))
    rows = [p_value(LAST, name) | {"value": None, "drifted": None} for name in COLUMNS]
    pictures = gallery.draw_drift(project.stores, spec, rows)
    assert ["top_1_distribution", "top_2_distribution", "top_3_distribution"] == list(pictures)


def test_windows_of_another_statistic_are_not_on_the_same_line(project: Project) -> None:
    spec = replace(project.spec, name="both")
    former = [p_value(at, "a") | {"statistic": "wasserstein", "value": 7.0, "threshold": 0.1} for at in HOURS[:3]]
    write(project.stores, spec, DRIFT, [*former, *(p_value(at, "a") for at in HOURS[3:])])
    notes = re.findall(
        r"<title>(\d{4}[^<]+)</title>", svg(drawn(project, "draw_drift", DRIFT, spec)["top_1_over_time"])
    )
    assert ["0.049"] * 3 == [note.split()[-1] for note in notes]


def test_profiles_show_the_answers_and_the_weightiest_features_beside_their_reference(project: Project) -> None:
    pictures = drawn(project, "draw_profiles", PROFILES, windows=1)
    assert ["score", "prediction", "c", "b"] == [title(one).partition(":")[0] for one in pictures.values()]
    assert [f"top_{n}_distribution" for n in (1, 2, 3, 4)] == list(pictures)
    assert all(">reference</text>" in svg(one) for one in pictures.values())


def test_an_estimate_stands_beside_what_the_labels_said_with_its_own_limit(project: Project) -> None:
    rules = (AlertRule("estimated_quality", metric="auc", below=0.75), AlertRule("quality", metric="auc", below=0.5))
    spec = replace(project.spec, name="estimated", alerts=rules)
    same = {"model_version": "1", "predictions": 100, "labelled": 100}
    write(
        project.stores, spec, ESTIMATED_QUALITY, [same | {"window_start": at, "scored": 9, "auc": 0.8} for at in HOURS]
    )
    whole = {"segment": "all", "segment_value": "", "coverage": 1.0, "feedback": 0, "complaints": 0, "auc": 0.7}
    write(project.stores, spec, QUALITY_METRICS, [same | whole | {"window_start": at} for at in HOURS[:3]])
    pictures = drawn(project, "draw_estimate", ESTIMATED_QUALITY, spec)
    assert ["auc_plot", "f1_plot", "accuracy_plot"] == list(pictures)
    picture = svg(pictures["auc_plot"])
    assert "auc estimated from scores, latest 0.8" in picture
    assert f"{HOURS[0]:%Y-%m-%d %H:%M}: estimated 0.8, measured 0.7" in picture
    assert f"{LAST:%Y-%m-%d %H:%M}: estimated 0.8</title>" in picture
    assert 1 == picture.count("stroke-dasharray")
    assert "no values yet" in svg(pictures["f1_plot"])


def chunk(at: Any, number: int, *, passed: bool | None, column: str | None = None, n: int = 100) -> dict[str, Any]:
    same = {"window_start": at, "model_version": "1", "chunk": number, "first_event": at, "n": n, "passed": passed}
    return same | {"column": column, "channel": column and "range", "value": column and 0.9}


def test_data_quality_shows_the_shares_of_odd_chunks_and_of_those_that_failed(project: Project) -> None:
    spec = replace(project.spec, name="odd")
    rows = [chunk(HOURS[0], n, passed=None) for n in range(2)]
    rows += [chunk(HOURS[2], n, passed=n < 2, column="a" if n else None) for n in range(4)]
    write(project.stores, spec, DATA_QUALITY, rows)
    pictures = drawn(project, "draw_data", DATA_QUALITY, spec)
    odd, seen = (svg(pictures[f"{name}_plot"]) for name in ("odd_chunks", "rows_watched"))
    assert ["2026-03-02 00:00: two in a row 50 %, any 75 %"] == re.findall(r"<title>(2026[^<]+)</title>", odd)
    notes = ["2026-03-01 22:00: 200", "2026-03-02 00:00: 400"]  # an hour without rows is a gap
    assert notes == re.findall(r"<title>(2026[^<]+)</title>", seen)


def test_ones_own_metrics_are_drawn_by_name_with_their_limits(project: Project) -> None:
    rule = AlertRule("metric", metric="late", above=0.35)
    spec = replace(project.spec, name="own", metrics=(Metric("late", sql="a"), Metric("new", sql="b")), alerts=(rule,))
    row = {"model_version": "1", "metric": "late", "value": 0.3, "n": 100}
    minor = row | {"model_version": "2", "value": 0.9, "n": 10}
    write(project.stores, spec, CUSTOM_METRICS, [one | {"window_start": at} for at in HOURS for one in (row, minor)])
    pictures = drawn(project, "draw_custom", CUSTOM_METRICS, spec)
    assert ["late, latest 0.3", "new, no values yet"] == [title(one) for one in pictures.values()]
    assert "stroke-dasharray" in svg(pictures["late_plot"])


def test_the_newest_rows_come_in_order_whatever_columns_are_asked_for(project: Project) -> None:
    columns = ("window_start", "column", "value")
    with newest_reader(project.stores, project.spec) as read:
        whole, some, one = read(DRIFT, 4), read(DRIFT, 4, columns), read(DRIFT, 1, ("column",))
    assert [{name: row[name] for name in columns} for row in whole] == some
    assert HOURS[2:] == sorted({row["window_start"] for row in some})
    assert [{"column": name} for name in COLUMNS] == one
    assert [] == newest(project.stores, replace(project.spec, name="nothing"), DRIFT)
