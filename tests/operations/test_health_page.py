"""The health page of a real lake: its numbers are the tables', nobody's text is markup, and it asks nobody anything."""

import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import AlertRule, EndpointSpec
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY, PROFILES, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.alerting.raise_alerts import raise_alerts
from modelops_pipelines.operations.reports.health_page import PICTURES, write_health_page
from modelops_pipelines.store.lake.profile_rows import hour_of
from modelops_pipelines.store.registry.drift_references import Reference
from modelops_pipelines.store.stores import Stores
from tests.operations.events import START, VERSION
from tests.operations.hourly_profiles import HourlyProfile, to_rows
from tests.operations.lake_rows import write
from tests.support import Project, make_project

CHROMIUM = shutil.which("chromium")
HOURS = 30
EVIL = "<script>alert('evil')</script>"
EVIL_COLUMN = '"><img src=x onerror=alert(1)>'
COLUMNS = [f"column_{n:02}" for n in range(57)]
GAP = 11


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


def fill(stores: Stores, spec: EndpointSpec, hours: int = HOURS) -> None:
    random = np.random.default_rng(7)
    windows = [START + timedelta(hours=n) for n in range(hours) if n != GAP]
    write(stores, spec, SERVICE_METRICS, [service_row(at, random) for at in windows])
    write(stores, spec, QUALITY_METRICS, [row for at in windows for row in quality_rows(at, random)])
    write(stores, spec, ESTIMATED_QUALITY, [estimated_row(at, random) for at in windows])
    write_profiles(stores, spec, windows[-1], random)
    names = [*COLUMNS, "kind", "month", EVIL_COLUMN]
    write(stores, spec, DRIFT, [drift_row(at, n, name) for at in windows for n, name in enumerate(names)])
    failed = Verdict("drift", "drift", "error", False, 0.5, 0.3, 1000, "w", f"column_01 drifted {EVIL}")
    raise_alerts(stores, spec.name, [failed, replace(failed, rule="error_rate", severity="warning")], source="run 1")
    again = [replace(failed, rule="error_rate", passed=True)] * 2
    raise_alerts(stores, spec.name, again, source="run 2")
    before = stores.deployments.desired(spec.name)
    event = Event(0, spec.name, START, "ann", "deploy", None, "1", before.generation + 1, "test")
    stores.deployments.change(before, [Variant("1", "champion", 90), Variant("2", "challenger", 10)], event)


def service_row(at: datetime, random: np.random.Generator) -> dict[str, Any]:
    requests = int(1200 + 800 * math.sin(at.hour / 24 * 2 * math.pi) + random.normal(0, 60))
    latencies = np.floor(np.log(random.lognormal(2.2, 0.5, requests)) / math.log(1.02)).astype(int)
    buckets, counts = np.unique(latencies, return_counts=True)
    sketch = json.dumps(dict(zip(map(str, buckets), counts.tolist(), strict=True)))
    failed = int(random.integers(0, 9))
    named = {"window_start": at, "model_version": "1", "variant": "champion", "latency_counts": sketch}
    counted = {"requests": requests, "predictions": 3 * requests, "client_errors": 4, "server_errors": failed}
    return named | counted | {"latency_sum_ms": 1.0, "errors": json.dumps({"model": failed})}


def quality_rows(at: datetime, random: np.random.Generator) -> list[dict[str, Any]]:
    late = (at - START) > timedelta(hours=20)
    auc = None if late else 0.88 + float(random.normal(0, 0.012))
    counted = {"predictions": 3000, "labelled": 0 if late else 2500, "coverage": 0.0 if late else 5 / 6}
    row = {"window_start": at, "model_version": "1", "segment": "all", "segment_value": "", "auc": auc, **counted}
    extra = {"feedback": 0, "complaints": 0, "brier_skill": None if auc is None else auc - 0.5}
    return [row | extra, row | extra | {"segment": "kind", "segment_value": EVIL, "predictions": 10**9}]


def estimated_row(at: datetime, random: np.random.Generator) -> dict[str, Any]:
    auc = 0.875 + float(random.normal(0, 0.006))
    counted = {"predictions": 3000, "scored": 3000, "labelled": 5000}
    return {"window_start": at, "model_version": "1", "auc": auc, "f1": auc - 0.2, **counted}


def drift_row(at: datetime, number: int, name: str) -> dict[str, Any]:
    value = None if number == 5 else 0.4 / (1 + number)
    measured = {"column": name, "kind": "numeric", "statistic": "wasserstein", "value": value, "threshold": 0.1}
    counted = {"n": 3000, "n_reference": 20000, "missing": 0.02, "missing_reference": 0.0}
    judged = {"drifted": None if value is None else value > 0.1, "reason": EVIL if value is None else None}
    return {"window_start": at, "model_version": "1", **measured, **counted, **judged}


def write_profiles(stores: Stores, spec: EndpointSpec, at: datetime, random: np.random.Generator) -> None:
    """Write the reference of every column, and the profiles of the hour."""
    reference, rows = {}, []
    for n, name in enumerate([*COLUMNS, "kind", "month", EVIL_COLUMN]):
        then: Any = random.normal(0, 1, 5000) if n % 2 else random.lognormal(0, 0.6, 5000)
        now: Any = then[:2000] * 1.1 + 1.2 / (1 + n)
        if name in {"kind", EVIL_COLUMN}:
            then = random.choice(["AA", "UA", "DL & co", EVIL], 5000).tolist()
            now = [*then[:1500], *["never seen"] * 300, None]
        if name == "month":
            then, now = random.integers(1, 13, 5000).astype(float), random.integers(1, 8, 2000).astype(float)
        bins = fit_bins(name, then, "categorical" if isinstance(then, list) else "numeric")
        reference[name] = profile(then, bins)
        rows.append(HourlyProfile(hour_of(at), "1", profile(now, bins)))
    stores.references.write(spec.model_name, "1", Reference(f"training set of {EVIL}", reference))
    stores.writer.replace_windows(spec.name, PROFILES, to_rows(rows), [at])


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
    assert ranked[:PICTURES] == drawn
    words = parsed(page).texts
    assert [3, 56, 1] == [words.count(word) for word in ("drifted", "ordinary", "not judged")]


def test_estimates_stand_beside_the_real_quality_and_segments_do_not_mix_in(page: str) -> None:
    titles = re.findall(r"<title>(auc|f1|brier skill), latest ([^<]+)</title>", page)
    assert ["auc", "f1", "brier skill"] == [name for name, _ in titles]
    assert "unknown" == dict(titles)["f1"]  # estimated only: no label has told
    assert 2 == page.count("estimated before labels</text>")
    assert "cannot see that the truth" in page


def test_an_hour_without_traffic_is_a_gap_in_the_line(page: str) -> None:
    requests = page[page.index("<title>Requests") :].partition("</svg>")[0]
    gap = START + timedelta(hours=GAP)
    assert 2 == requests.count('stroke="#3b82f6"')
    assert f"{gap:%Y-%m-%d %H:%M}" not in requests


def test_an_endpoint_without_any_data_has_a_page_that_says_so(project: Project) -> None:
    page = write_health_page(project.stores, replace(project.spec, name="fresh")).read_text()
    texts = parsed(page).texts
    for text in ("No alert was ever raised.", "No window has been judged yet.", "no values yet", "none"):
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


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium")
def test_a_browser_opens_the_page_without_an_error_or_a_request(project: Project, page: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = project.stores.settings.reports / project.spec.name / "health.html"
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        said: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        card = tab.locator(".card").first.evaluate("e => getComputedStyle(e).borderRadius")
        wide = tab.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert ([], [path.as_uri()]) == (said, asked)
    assert card == "12px"  # the style was let in by its hash
    assert wide == 390  # a phone does not scroll sideways
