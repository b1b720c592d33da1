"""The page of an endpoint: what it shows of which selection, its files, who may see it, and how it looks in a browser."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.escaping import from_csv_text
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DATA_QUALITY
from modelops_pipelines.operations.metrics.window_rows import TABLES
from tests.fakes.lake_rows import write
from tests.fakes.monitored_hours import EVIL, EVIL_COLUMN, fill
from tests.fakes.raised_alerts import raised
from tests.fakes.records import START, VERSION
from tests.support.browsing import DESK, PHONE, Browser, browser_of, chromium
from tests.support.command_line import modelops
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.programs import needs
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.waiting import wait_until

FORMULA = "=cmd|' /C calc'!A0"
YAML = f"{CANCER_YAML}  segments: [kind]\n  slos: [{{kind: availability, objective: 0.99}}]\n"
EMPTY_YAML = CANCER_YAML.replace("name: cancer", "name: empty").replace("model_name: tumours", "model_name: nothing")
ELSEWHERE_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: fraud
  served: elsewhere
  task: binary_classification
  label: is_fraud
  classes: [ok, fraud]
  positive_label: fraud
"""


@dataclass
class Watched:
    """A gateway over thirty hours of everything, with hostile names in it, and keys by what they may."""

    project: Project
    gateway: RunningGateway
    keys: dict[str, str]

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Return what a JSON route answers."""
        answer = self.gateway.client.get(f"/endpoints/cancer/{path}", headers={"x-api-key": self.keys["read"]})
        assert 200 == answer.status_code, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    project = make_project(tmp_path_factory.mktemp("endpoint") / "project", YAML)
    for name, yaml in (("empty", EMPTY_YAML), ("fraud", ELSEWHERE_YAML)):
        (project.folder / "endpoints" / f"{name}.yaml").write_text(yaml)
    project.stores.deployments.record_version(VERSION)
    fill(project.stores, project.spec)
    window = {"window_start": START, "model_version": "1"}
    write(
        project.stores,
        project.spec,
        CUSTOM_METRICS,
        [{**window, "metric": FORMULA, "value": -1.5, "n": 3, "reason": None}],
    )
    chunk = {"chunk": 0, "first_event": START, "n": 66, "passed": False, "column": FORMULA, "channel": "range"}
    write(
        project.stores, project.spec, DATA_QUALITY, [{**window, **chunk, "value": 0.5, "flags": f"{FORMULA}\tx\n@b\ty"}]
    )
    scopes = {"read": None, "predict": None, "other": ["empty"]}
    keys = {
        name: project.stores.keys.create(
            grant(f"{name} person", ["predict" if name == "predict" else "read"], "live", scope),
            now=project.stores.now(),
            actor="test",
        ).text
        for name, scope in scopes.items()
    }
    with running_gateway(project, ready=False) as gateway:
        wait_until(
            lambda: 200 == gateway.client.get("/endpoints", headers={"x-api-key": keys["other"]}).status_code, 20
        )
        yield Watched(project, gateway, keys)


@pytest.fixture
def browser(watched: Watched) -> Iterator[Browser]:
    with browser_of(watched.gateway) as made:
        made.sign_in(watched.keys["read"])
        yield made


def _section(page: str, title: str) -> str:
    """Return the HTML of the section with this heading."""
    [found] = [one for one in page.split("<section>") if one.lstrip().startswith(f"<h2>{title}")]
    return found


def test_it_shows_what_the_routes_say(browser: Browser, watched: Watched) -> None:
    page = browser.open("/endpoints/cancer").text
    traffic = watched.rows("traffic?windows=168")
    requests, failed = (sum(row[name] for row in traffic) for name in ("requests", "server_errors"))
    assert f"{requests:,}" in browser.text
    assert f"model {failed:,}" in " ".join(unescape(re.sub("<[^>]+>", " ", _section(page, "Traffic"))).split())
    assert "version 2 on trial, 10 %" in browser.text
    assert "Label coverage" in _section(page, "Quality")
    assert f"kind = {EVIL}" in unescape(_section(page, "Segments"))
    assert 60 == _section(page, "Drift").count('<th scope="row">')
    assert "availability" in _section(page, "Objectives and budgets")
    assert "deploy version 1 by ann" in _section(page, "Changes and their effect")


def test_nobodys_text_becomes_markup(browser: Browser) -> None:
    page = browser.open("/endpoints/cancer").text
    assert EVIL not in page
    assert EVIL_COLUMN not in page
    assert not re.findall(r"<[^>]+ (?:on\w+|style)=", page)
    assert page.count("<script") == 2  # ours


def test_every_section_says_where_its_numbers_come_from(browser: Browser) -> None:
    page = browser.open("/endpoints/cancer?range=24h&version=1").text
    assert set(TABLES) - {"custom-metrics"} == set(re.findall(r'href="/ui/endpoints/cancer/([a-z-]+)\.csv\?', page))
    drift = unescape(_section(page, "Drift"))
    assert "GET /endpoints/cancer/drift?windows=24&version=1" in drift
    assert 'modelops sql -e cancer "SELECT * FROM drift WHERE window_start >= ' in drift
    assert "/assets/cancer/drift" in drift
    for title, command in (("Health", "health-score"), ("Objectives and budgets", "slo"), ("Alerts", "alert list")):
        assert f"modelops {command}" in _section(page, title)


def test_a_range_is_so_many_newest_windows(browser: Browser, watched: Watched) -> None:
    browser.open("/endpoints/cancer?range=24h")
    assert f"{sum(row['requests'] for row in watched.rows('traffic?windows=24')):,}" in browser.text
    assert '<option value="24h" selected>' in browser.shown.text  # type: ignore[union-attr] # a page was shown


def test_a_version_is_chosen(browser: Browser) -> None:
    assert 200 == browser.open("/endpoints/cancer?version=1").status_code
    assert '<option value="1" selected>' in browser.shown.text  # type: ignore[union-attr] # a page was shown


def test_a_segment_is_chosen_by_its_value(browser: Browser, watched: Watched) -> None:
    page = browser.open("/endpoints/cancer").text
    [value] = re.findall(r'<option value="(kind=[^"]+)"', page)
    shown = browser.client.get("/ui/endpoints/cancer", params={"segment": unescape(value)})
    assert f"Quality of kind = {EVIL}" in unescape(shown.text)
    params = {"segment": unescape(value)}
    files = [browser.client.get(f"/ui/endpoints/cancer/{name}.csv", params=params) for name in ("quality", "drift")]
    assert [200, 200] == [file.status_code for file in files]
    assert {EVIL} == {row["segment_value"] for row in csv.DictReader(io.StringIO(files[0].text))}
    rows = watched.rows(f"quality?windows=168&segment={unescape(value).replace('%', '%25')}")
    assert {EVIL} == {row["segment_value"] for row in rows}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("range=1y", "There is no range '1y'"),
        ("range=%3Cscript%3E", "There is no range '<script>'"),
        ("version=9", "There is no version '9' of this endpoint"),
        ("segment=kind%3Dnone", "There is no segment 'kind=none'"),
        ("segment=%00", "There is no segment"),
    ],
)
@pytest.mark.parametrize("path", ["/endpoints/cancer", "/endpoints/cancer/traffic.csv"])
def test_what_cannot_be_chosen_is_an_error_that_says_what_can(
    browser: Browser, path: str, query: str, said: str
) -> None:
    answer = browser.open(f"{path}?{query}")
    assert (422, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert said in browser.text
    assert "Choose one of" in browser.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("query", ["", "&version=1"])
def test_a_file_has_the_rows_of_the_json_route_value_by_value(
    browser: Browser, watched: Watched, name: str, query: str
) -> None:
    path, _, fixed = TABLES[name].route.partition("?")
    expected = watched.rows(f"{path}?windows=24{'&' if fixed else ''}{fixed}{query}")
    by_page = browser.client.get(f"/ui/endpoints/cancer/{name}.csv?range=24h{query}")
    by_route = watched.gateway.client.get(
        f"/endpoints/cancer/export/{name}.csv?windows=24{query}", headers={"x-api-key": watched.keys["read"]}
    )
    for answer in (by_page, by_route):
        assert "text/csv; charset=utf-8; header=present" == answer.headers["content-type"]
        assert f'attachment; filename="cancer-{name}.csv"' == answer.headers["content-disposition"]
        assert "nosniff" == answer.headers["x-content-type-options"]
    assert by_page.content == by_route.content
    found = list(csv.DictReader(io.StringIO(by_page.content.decode(), newline=""), strict=True))
    assert len(expected) == len(found)
    assert expected or name == "custom-metrics"
    for row, cells in zip(expected, found, strict=True):
        assert {key: _as_cell(value) for key, value in row.items()} == {
            key: from_csv_text(cell) for key, cell in cells.items()
        }


def _as_cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def test_no_cell_of_a_file_is_a_formula(browser: Browser) -> None:
    for name in ("custom-metrics", "data-quality"):
        text = browser.client.get(f"/ui/endpoints/cancer/{name}.csv").text
        assert f"'{FORMULA}" in text
        assert not [line for row in csv.reader(io.StringIO(text)) for line in row if line.startswith(("=", "@", "\t"))]


def test_the_command_writes_the_same_file(watched: Watched, browser: Browser) -> None:
    done = modelops(watched.project, "metrics", "export", "cancer", "drift", "--windows", "24", "--output", "drift.csv")
    assert (0, "") == (done.code, done.err)
    written = (watched.project.folder / "drift.csv").read_bytes()
    assert browser.client.get("/ui/endpoints/cancer/drift.csv?range=24h").content == written
    assert (
        watched.rows("drift?windows=24")
        == modelops(watched.project, "metrics", "export", "cancer", "drift", "--windows", "24", "--json").json
    )


def test_an_unknown_table_is_not_found(browser: Browser) -> None:
    answer = browser.open("/endpoints/cancer/inference_log.csv")
    assert (404, True) == (answer.status_code, "There is no table 'inference_log'" in browser.text)


def test_an_endpoint_without_data_says_what_to_do(browser: Browser) -> None:
    assert 200 == browser.open("/endpoints/empty").status_code
    for said in ("No requests in this range", "test calls do not count", "modelops labels import empty FILE", "slos"):
        assert said in browser.text
    assert browser.client.get("/ui/endpoints/empty/drift.csv").text.startswith("window_start,model_version,column")


def test_an_endpoint_that_others_serve(browser: Browser) -> None:
    assert 200 == browser.open("/endpoints/fraud").status_code
    assert "Others serve this endpoint" in browser.text
    assert "modelops log import fraud FILE" in browser.text
    assert "requests per minute" not in browser.text


def test_who_may_see_it(watched: Watched) -> None:
    for key, status, path in (
        ("predict", 403, "/endpoints/cancer"),
        ("other", 403, "/endpoints/cancer"),
        ("other", 403, "/endpoints/cancer/live"),
        ("other", 403, "/endpoints/cancer/drift.csv"),
        ("other", 403, "/endpoints/nowhere"),
        ("other", 200, "/endpoints/empty"),
        ("read", 404, "/endpoints/nowhere"),
    ):
        with browser_of(watched.gateway) as browser:
            browser.sign_in(watched.keys[key])
            assert status == browser.open(path).status_code, (key, path)
            assert status == 200 or "column_01" not in browser.text
    with browser_of(watched.gateway) as nobody:
        assert "API key" in nobody.open("/endpoints/cancer/drift.csv").text


def test_a_refresh_is_a_part_and_so_are_the_live_numbers(browser: Browser) -> None:
    part = browser.open("/endpoints/cancer", **{"hx-request": "true"}).text
    assert part.lstrip().startswith('<div id="live"')
    assert "<html" not in part
    live = browser.open("/endpoints/cancer/live", **{"hx-request": "true"}).text
    assert live.lstrip().startswith('<div id="now"')
    assert len(live) < 2000
    assert "requests per minute" in browser.open("/endpoints/cancer/live").text


def test_a_refresh_that_would_look_the_same_sends_nothing(watched: Watched, browser: Browser) -> None:
    script = {"hx-request": "true"}
    again = live_part(browser.open("/endpoints/cancer?range=24h&version=1").text)
    assert "range=24h&version=1&seen=" in again
    answer = browser.client.get(again, headers=script)
    assert (204, b"", "no-store") == (answer.status_code, answer.content, answer.headers["cache-control"])
    assert "<html" in browser.client.get(again).text  # a person who opens the address gets the page
    other = browser.client.get(again.replace("seen=", "seen=x"), headers=script)
    assert (200, True) == (other.status_code, other.text.lstrip().startswith('<div id="live"'))
    assert again == live_part(other.text)
    raised(watched.project.stores, "cancer", rule="noticed")
    changed = browser.client.get(again, headers=script)
    assert (200, True) == (changed.status_code, "noticed" in changed.text)
    assert 204 == browser.client.get(live_part(changed.text), headers=script).status_code


def live_part(text: str) -> str:
    """Return the address from which the page's live part refreshes itself."""
    return unescape(text.split('id="live" hx-get="')[1].split('"', maxsplit=1)[0])


@needs("chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_in_a_browser(watched: Watched, size: dict[str, int], *, dark: bool) -> None:
    with chromium(watched.gateway, size=size, dark=dark) as tab:
        tab.open("/sign-in?next=/ui/endpoints/cancer")
        tab.page.get_by_label("API key").fill(watched.keys["read"])
        tab.page.keyboard.press("Enter")
        tab.page.get_by_role("heading", name="Changes and their effect").wait_for()
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        tab.page.get_by_text("SQL and asset of drift").click()
        tab.page.evaluate("document.querySelector('#live').setAttribute('data-seen', '1')")
        with tab.page.expect_response(lambda answer: "seen=" in answer.url) as same:
            tab.page.evaluate("htmx.ajax('GET', document.querySelector('#live').getAttribute('hx-get'), '#live')")
        assert 204 == same.value.status
        assert tab.page.locator("#live[data-seen]").is_visible()
        tab.page.evaluate("htmx.ajax('GET', location.pathname, {target: '#live', swap: 'outerMorph'})")
        tab.page.wait_for_function("!document.querySelector('#live').hasAttribute('data-seen')")
        assert tab.page.locator("#from-drift pre").is_visible()  # what is open stays open
        assert not tab.scrolls_sideways()
        before = sum(address.endswith("/live") for address in tab.asked)
        wait_until(
            lambda: tab.page.evaluate("1") == 1 and sum(address.endswith("/live") for address in tab.asked) > before, 20
        )


@needs("chromium")
def test_it_works_without_scripts(watched: Watched) -> None:
    with chromium(watched.gateway, scripts=False) as tab:
        tab.open("/sign-in?next=/ui/endpoints/cancer")
        tab.page.get_by_label("API key").fill(watched.keys["read"])
        tab.page.get_by_role("button", name="Sign in").click()
        tab.page.get_by_label("Range").select_option("24h")
        tab.page.get_by_role("button", name="Show").click()
        assert "range=24h" in tab.page.url
        assert tab.page.get_by_role("heading", name="Drift").is_visible()
