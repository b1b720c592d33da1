"""The health page of a real lake: its numbers are the tables', nobody's text is markup, and it asks nobody anything."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.reports.health.sections import CHARTS
from modelops_pipelines.operations.reports.health_page import write_health_page
from tests.fakes.lake_rows import write
from tests.fakes.monitored_hours import COLUMNS, EVIL, EVIL_COLUMN, GAP, HOURS, fill, quality_rows
from tests.fakes.records import START, VERSION
from tests.support.project import Project, make_project


@dataclass
class Parsed(HTMLParser):
    """What a browser would find in the page: its tags, their attributes, its text."""

    def __post_init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(tmp_path_factory.mktemp("health") / "project")
    made.stores.deployments.record_version(VERSION)
    yield made
    made.stores.database.close()


@pytest.fixture(scope="module")
def spec(project: Project) -> EndpointSpec:
    """Return an endpoint of 60 columns with thirty hours of everything behind it."""
    limits = (AlertRule("error_rate", above=0.1), AlertRule("quality", metric="auc", below=0.8))
    made = replace(project.spec, description=f"{EVIL} & co.", owners=("team:care",), alerts=limits)
    fill(project.stores, made)
    return made


@pytest.fixture(scope="module")
def page(project: Project, spec: EndpointSpec) -> str:
    return write_health_page(project.stores, spec).read_text()


def parsed(page: str) -> Parsed:
    found = Parsed()
    found.feed(page)
    found.close()
    return found


def stored(project: Project, spec: EndpointSpec, table: Table) -> list[dict[str, Any]]:
    with project.stores.lake.query(spec.name, [table]) as connected:
        rows: list[dict[str, Any]] = connected.table(table.name).to_arrow_table().to_pylist()
    return rows


def test_the_page_is_one_small_file_that_refers_to_nothing_outside_itself(page: str) -> None:
    found = parsed(page)
    assert len(page.encode()) < 1_000_000
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form", "a"} & set(found.tags)
    assert not [(name, value) for name, value in found.attributes if name in {"href", "src", "style", "xlink:href"}]
    namespaces = [value for name, value in found.attributes if "://" in value and name != "xmlns"]
    assert [] == namespaces
    assert "url(" not in page
    assert "@import" not in page


def test_the_security_policy_forbids_all_but_the_pages_own_style(page: str) -> None:
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_nobodys_text_becomes_markup(page: str) -> None:
    found = parsed(page)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert found.texts.count(f"{EVIL} & co.") == 1
    assert EVIL in found.texts
    assert EVIL_COLUMN in found.texts
    assert EVIL not in page


def test_the_headlines_are_what_the_tables_say(project: Project, spec: EndpointSpec, page: str) -> None:
    rows = stored(project, spec, SERVICE_METRICS)
    requests, failed = (sum(row[name] for row in rows) for name in ("requests", "server_errors"))
    found = parsed(page).texts
    for text in ("version 1", "version 2 on trial, 10 %", f"{requests:,}", f"{100 - 100 * failed / requests:.4g} %"):
        assert text in found, text
    whole = [row for row in stored(project, spec, QUALITY_METRICS) if row["segment"] == "all"]
    labelled = sum(row["labelled"] for row in whole)
    assert f"{labelled:,} of {3000 * (HOURS - 1):,} rows" in found
    assert ["open", "resolved"] == [text for text in found if text in {"open", "resolved"}]


def test_the_latency_headline_is_the_percentile_of_all_requests(
    project: Project, spec: EndpointSpec, page: str
) -> None:
    sketches = [json.loads(row["latency_counts"]) for row in stored(project, spec, SERVICE_METRICS)]
    every = sorted(int(bucket) for sketch in sketches for bucket, count in sketch.items() for _ in range(count))
    p50, p95, p99 = (1.02 ** (every[math.ceil(q * len(every)) - 1] + 0.5) for q in (0.5, 0.95, 0.99))
    texts = parsed(page).texts
    assert f"{p95:.3g} ms" in texts
    assert f"p50 {p50:.3g} ms, p99 {p99:.3g} ms" in texts


def test_all_columns_verdicts_are_told_the_most_drifted_first_and_those_are_drawn(page: str) -> None:
    told = re.findall(r'<th scope="row">(column_\d\d)</th>', page)
    ranked = [name for name in COLUMNS if name != "column_05"]
    assert [*ranked, "column_05"] == told  # what was not judged comes last
    drawn = re.findall(r'<text class="h"[^>]*>(column_\d\d)</text>', page)
    assert ranked[:CHARTS] == drawn
    words = parsed(page).texts
    assert [3, 56, 2] == [words.count(word) for word in ("drifted", "ordinary", "not judged")]  # a column and a rule


def test_estimates_stand_beside_the_real_quality_and_segments_do_not_mix_in(page: str) -> None:
    titles = re.findall(r"<title>(auc|f1|brier skill), latest ([^<]+)</title>", page)
    assert ["auc", "f1", "brier skill"] == [name for name, _ in titles]
    assert "unknown" == dict(titles)["f1"]  # estimated only: no label has told
    assert 2 == page.count("estimated before labels</text>")
    assert "cannot detect that the outcome" in page


def test_an_hour_without_traffic_is_a_gap_in_the_line(page: str) -> None:
    requests = page[page.index("<title>Requests") :].partition("</svg>")[0]
    gap = START + timedelta(hours=GAP)
    assert 2 == requests.count('stroke="#3b82f6"')
    assert f"{gap:%Y-%m-%d %H:%M}" not in requests


def test_an_endpoint_without_any_data_has_a_page_that_says_so(project: Project) -> None:
    page = write_health_page(project.stores, replace(project.spec, name="fresh")).read_text()
    texts = parsed(page).texts
    for text in ("No alerts have been raised.", "No window has been judged yet.", "no values yet", "none"):
        assert text in texts, text


def test_a_day_is_the_sum_of_its_hours(project: Project, spec: EndpointSpec) -> None:
    daily = replace(spec, name="daily", window="day")
    rows = stored(project, spec, SERVICE_METRICS)
    write(project.stores, daily, SERVICE_METRICS, rows)
    page = write_health_page(project.stores, daily).read_text()
    first = sum(row["requests"] for row in rows if row["window_start"].date() == START.date())
    assert f"<title>{START:%Y-%m-%d} 00:00: requests {first}</title>" in page


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_page_of_another_task_draws_its_metrics(project: Project, task: Any) -> None:
    spec = replace(project.spec, name=f"a_{task}", task=task)
    shown = {"multiclass": "accuracy", "regression": "mae"}[task]
    row = quality_rows(START, np.random.default_rng(1))[0]
    write(project.stores, spec, QUALITY_METRICS, [row | {shown: 0.75}])
    assert f"<title>{shown}, latest 0.75</title>" in write_health_page(project.stores, spec).read_text()
