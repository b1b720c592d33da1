"""The overview: what it says of each endpoint, who sees what, and how it looks in a real browser."""

import pytest

from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.reports.summaries import write_summary
from tests.integration.gateway.pages.conftest import Site
from tests.support.browsing import DESK, PHONE, Browser, chromium
from tests.support.command_line import modelops
from tests.support.programs import needs
from tests.support.waiting import wait_until


def test_it_says_what_is_live_how_good_it_is_and_what_is_wrong(browser: Browser, site: Site) -> None:
    browser.sign_in(site.keys["read"])
    [row, _] = site.gateway.client.get("/overview", headers={"x-api-key": site.keys["read"]}).json()
    summary = row["summary"]
    assert "version 1" in browser.text
    assert f"AUC {summary['quality']['value']:.4g}"[:8] in browser.text
    assert "error_rate 0.5 is above 0.1" in browser.text
    assert f"{summary['traffic']['requests']:,}" in browser.text
    assert summary["health"]["reason"] in browser.text


def test_endpoints_that_need_a_person_come_first(browser: Browser, site: Site) -> None:
    browser.sign_in(site.keys["read"])
    assert browser.text.index("/ cancer" if "/ cancer" in browser.text else "cancer") < browser.text.index("other")


def test_route_command_and_page_say_the_same(site: Site) -> None:
    for spec in configured(site.project.stores.settings):  # young ones: no viewer has them made anew meanwhile
        write_summary(site.project.stores, spec)
    answered = site.gateway.client.get("/overview", headers={"x-api-key": site.keys["read"]}).json()
    printed = modelops(site.project, "overview", "--json").json
    ages = {row["name"]: row.pop("measured_at") for row in answered}
    assert ages.keys() == {row["name"] for row in printed if row.pop("measured_at") or True}
    assert answered == printed


def test_who_is_scoped_to_an_endpoint_sees_no_other(browser: Browser, site: Site) -> None:
    browser.sign_in(site.keys["other"])
    assert "other" in browser.text
    assert "cancer" not in browser.shown.text  # type: ignore[union-attr] # a page was shown
    assert ["other"] == [
        row["name"] for row in site.gateway.client.get("/overview", headers={"x-api-key": site.keys["other"]}).json()
    ]


def test_a_key_that_may_only_predict_sees_nothing(browser: Browser, site: Site) -> None:
    answer = browser.sign_in(site.keys["predict"])
    assert (403, True) == (answer.status_code, "lacks the required role" in browser.text)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("status=active", ["cancer"]),
        ("status=new", ["other"]),
        ("owner=team:other", ["other"]),
        ("tag=nightly", ["other"]),
        ("tag=night", []),
        ("text=CANC", ["cancer"]),
        ("task=regression", []),
        ("platform=here", ["cancer", "other"]),
        ("status=<script>", []),
    ],
)
def test_filters(browser: Browser, site: Site, query: str, shown: list[str]) -> None:
    browser.sign_in(site.keys["read"])
    text = browser.open(f"/?{query}").text
    assert shown == [name for name in ("cancer", "other") if f'/ui/endpoints/{name}"' in text]
    assert "<script>" not in text


def test_an_endpoint_that_was_never_measured_is_measured_while_somebody_looks(browser: Browser, site: Site) -> None:
    site.project.stores.summaries.forget("other")
    browser.sign_in(site.keys["read"])
    wait_until(lambda: "not measured yet" not in browser.open("/").text, 30)
    assert "other" in site.project.stores.summaries.all()


def test_a_refresh_is_a_part_of_the_page(browser: Browser, site: Site) -> None:
    browser.sign_in(site.keys["read"])
    part = browser.open("/", **{"hx-request": "true"}).text
    assert part.lstrip().startswith('<div id="live"')
    assert "<html" not in part


@needs("chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_in_a_browser(site: Site, size: dict[str, int], *, dark: bool) -> None:
    with chromium(site.gateway, size=size, dark=dark) as tab:
        tab.open("/")
        assert [] == tab.serious()
        tab.page.get_by_label("API key").fill(site.keys["read"])
        tab.page.keyboard.press("Enter")
        tab.page.get_by_role("link", name="cancer").wait_for()
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        before = len(tab.asked)
        wait_until(lambda: tab.page.evaluate("1") == 1 and len(tab.asked) > before, 20)  # it refreshes itself
        assert tab.page.get_by_role("link", name="cancer").is_visible()


@needs("chromium")
def test_it_works_without_scripts(site: Site) -> None:
    with chromium(site.gateway, scripts=False) as tab:
        tab.open("/")
        tab.page.get_by_label("API key").fill(site.keys["read"])
        tab.page.get_by_role("button", name="Sign in").click()
        tab.page.get_by_label("Status").select_option("active")
        tab.page.get_by_role("button", name="Filter").click()
        assert tab.page.get_by_role("link", name="cancer").is_visible()
        tab.page.get_by_role("button", name="Sign out").click()
        assert tab.page.get_by_label("API key").is_visible()
