"""The pages of alerts: what a person sees of them, does with them, and may not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.operations.alerting.life.act_on_alerts import silence
from modelops_pipelines.operations.alerting.views.alerts import message_on
from tests.fakes.raised_alerts import raised
from tests.support.browsing import PHONE, Browser, browser_of, chromium
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.programs import needs
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.waiting import wait_until

OTHER_YAML = CANCER_YAML.replace("cancer", "other").replace("tumours", "others")
ALERTING_YAML = """\
channels:
  ops: {webhook: "http://127.0.0.1:9/ops"}
routes:
  - {match: {rule: "told_*"}, channels: [ops]}
  - {channels: []}
"""
NASTY = "<script>alert('x')</script>"


@dataclass
class Desk:
    """A gateway with keys: of an operator of all endpoints (ann), of one (bob), and of a reader (eve)."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    project = make_project(tmp_path_factory.mktemp("alerts") / "project")
    (project.folder / "endpoints" / "other.yaml").write_text(OTHER_YAML)
    (project.folder / "alerting.yaml").write_text(ALERTING_YAML)
    store, now = project.stores.keys, project.stores.now()
    wanted = {
        "ann": grant("ann", ["operate"]),
        "bob": grant("bob", ["operate"], endpoints=["cancer"]),
        "eve": grant("eve", ["read"], endpoints=["cancer"]),
        "pat": grant("pat", ["predict"]),
    }
    keys = {name: store.create(given, now=now, actor="test").text for name, given in wanted.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Desk(gateway, project, keys)
    project.stores.database.close()


@pytest.fixture
def browser(desk: Desk) -> Iterator[Browser]:
    with browser_of(desk.gateway) as made:
        yield made


def _signed_in(browser: Browser, desk: Desk, who: str) -> Browser:
    browser.sign_in(desk.keys[who])
    return browser


def _raised(desk: Desk, rule: str, endpoint: str = "cancer", severity: str = "error") -> Alert:
    return raised(desk.project.stores, endpoint, rule, severity)


def test_an_alert_is_acknowledged_and_resolved_from_its_page(browser: Browser, desk: Desk) -> None:
    number = _raised(desk, "error_rate").id
    _signed_in(browser, desk, "bob")
    browser.open(f"/alerts/{number}")
    assert "error_rate 0.31 is above 0.1 over 1h (1200 requests)" in browser.text
    browser.send(f"/alerts/{number}/acknowledge", note=f"on it {NASTY}")
    assert f"Alert {number} is acknowledged" in browser.text
    assert "by bob" in browser.text
    assert browser.shown is not None
    assert NASTY not in browser.shown.text
    assert "&lt;script&gt;" in browser.shown.text
    assert 422 == browser.send(f"/alerts/{number}/resolve", reason=" ").status_code
    browser.open(f"/alerts/{number}")
    browser.send(f"/alerts/{number}/resolve", reason="rolled back")
    assert ("rolled back" in browser.text, "by bob" in browser.text) == (True, True)
    assert ["opened", "acknowledged", "resolved"] == [
        one.event for one in desk.project.stores.alert_events.of(number or 0)
    ]
    assert "Acknowledge" not in browser.text.replace("Acknowledged", "")


def test_a_form_for_an_alert_that_is_over_is_a_page_that_says_so(browser: Browser, desk: Desk) -> None:
    number = _raised(desk, "latency_p95_ms").id
    _signed_in(browser, desk, "bob").open(f"/alerts/{number}")
    browser.send(f"/alerts/{number}/resolve", reason="a test")
    browser.open("/silences")
    assert 409 == browser.send(f"/alerts/{number}/acknowledge").status_code
    assert "was resolved by bob" in browser.text


def test_the_list_is_filtered_by_endpoint_state_and_severity(browser: Browser, desk: Desk) -> None:
    first, second = _raised(desk, "drift", severity="warning"), _raised(desk, "data_quality", "other")
    _signed_in(browser, desk, "ann")
    for query, there in (
        ("", [True, True]),
        ("?endpoint=cancer", [True, False]),
        ("?severity=error", [False, True]),
        ("?state=acknowledged", [False, False]),
        ("?state=all&endpoint=other", [False, True]),
        ("?state=nonsense", [True, True]),
        (f"?before={second.id}", [True, False]),
        ("?before=99999999999999999999", [True, True]),
    ):
        page = browser.open(f"/alerts{query}").text
        assert there == [f'/ui/alerts/{one.id}"' in page for one in (first, second)], query


def test_the_list_goes_on_page_by_page(browser: Browser, desk: Desk) -> None:
    numbers = [_raised(desk, f"rule_{n}", severity="warning").id for n in range(55)]
    _signed_in(browser, desk, "ann")
    page = browser.open("/alerts?severity=warning")
    assert page.text.count('data-of="State"') == 50
    assert f'/ui/alerts/{numbers[0]}"' not in page.text
    older = browser.open(f"/alerts?severity=warning&before={numbers[5]}")
    assert (f"before={numbers[5]}" in page.text, f'/ui/alerts/{numbers[0]}"' in older.text) == (True, True)
    assert "Newest" in browser.text


def test_who_may_not_see_an_endpoint_sees_no_alert_of_it(browser: Browser, desk: Desk) -> None:
    number = _raised(desk, "quality", "other").id
    _signed_in(browser, desk, "bob")
    assert "quality" not in browser.open("/alerts?endpoint=other").text
    unknown = browser.open("/alerts/99999999")
    assert (404, 404) == (browser.open(f"/alerts/{number}").status_code, unknown.status_code)
    browser.open("/silences")
    for act in ("acknowledge", "resolve"):
        answer = browser.send(f"/alerts/{number}/{act}", reason="x", follow=False)
        assert (404, f"There is no alert {number}" in answer.text) == (404, True)
        assert answer.status_code == 404
    assert "open" == next(one.state for one in desk.project.stores.alerts.find("other") if one.id == number)


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "٣"])
def test_an_address_that_has_no_number_is_the_page_of_no_alert(browser: Browser, desk: Desk, number: str) -> None:
    _signed_in(browser, desk, "ann")
    assert 404 == browser.open(f"/alerts/{number}").status_code
    assert "There is no alert" in browser.text


def test_a_reader_sees_and_changes_nothing(browser: Browser, desk: Desk) -> None:
    number = _raised(desk, "volume").id
    _signed_in(browser, desk, "eve").open(f"/alerts/{number}")
    assert ("volume" in browser.text, "Resolve" in browser.text) == (True, False)
    for path in (f"/alerts/{number}/acknowledge", f"/alerts/{number}/resolve", "/silences", "/silences/1/end"):
        assert 403 == browser.send(path, reason="x", follow=False).status_code
    assert "open" == next(one.state for one in desk.project.stores.alerts.find("cancer") if one.id == number)


def test_who_may_only_predict_sees_no_alert(browser: Browser, desk: Desk) -> None:
    number = _raised(desk, "availability").id
    _signed_in(browser, desk, "pat")
    assert [403] * 3 == [browser.open(path).status_code for path in ("/alerts", f"/alerts/{number}", "/silences")]


def test_the_page_says_who_was_told_and_who_was_not(browser: Browser, desk: Desk) -> None:
    stores = desk.project.stores
    alert = _raised(desk, "told_at_once")
    wait_until(lambda: stores.messages.of_alert(alert.id or 0), 30)
    ends = stores.now() + timedelta(hours=1)
    silence(stores, {"rule": "told_never"}, actor="test", reason="moving", until=ends)
    withheld = _raised(desk, "told_never")
    _signed_in(browser, desk, "ann")
    browser.open(f"/alerts/{alert.id}")
    assert "ops pending" in browser.text
    browser.open(f"/alerts/{withheld.id}")
    assert ("ops withheld" in browser.text, "moving" in browser.text) == (True, True)


def test_a_message_leads_to_the_page(browser: Browser, desk: Desk) -> None:
    alert = _raised(desk, "sql")
    link = message_on(desk.project.stores, alert, desk.project.stores.now())["links"][0]
    assert f"Alert {alert.id}: sql" == link["label"]
    _signed_in(browser, desk, "ann")
    page = browser.client.get(link["url"])
    assert (200, True) == (page.status_code, f"Alert {alert.id}: sql of cancer" in page.text)


def test_a_silence_is_made_from_an_alert_and_ended(browser: Browser, desk: Desk) -> None:
    alert = _raised(desk, "drift_now")
    _signed_in(browser, desk, "bob").open(f"/alerts/{alert.id}")
    assert browser.shown is not None
    assert 'name="endpoint" value="cancer"' in browser.shown.text
    assert 'name="rule" value="drift_now"' in browser.shown.text
    fields = {"endpoint": "cancer", "rule": "drift_now", "for": "4h", "reason": "moving house"}
    refused = browser.send("/silences", follow=False, **(fields | {"endpoint": "*"}))
    assert (403, True) == (refused.status_code, "silences alerts of its own endpoints only" in refused.text)
    assert 422 == browser.send("/silences", follow=False, **(fields | {"for": "soon"})).status_code
    assert 422 == browser.send("/silences", follow=False, **(fields | {"for": ""})).status_code
    browser.send("/silences", **fields)
    assert ("moving house" in browser.text, "active" in browser.text) == (True, True)
    [made] = [one for one in desk.project.stores.silences.all() if one.reason == "moving house"]
    assert ({"endpoint": "cancer", "rule": "drift_now"}, "bob") == (dict(made.matchers), made.created_by)
    assert "silenced" in browser.open(f"/alerts/{alert.id}").text
    browser.send(f"/silences/{made.id}/end")
    assert f"Silence {made.id} is over" in browser.text
    assert "moving house" not in browser.open("/silences").text
    assert "moving house" in browser.open("/silences?over=yes").text
    assert 409 == browser.send(f"/silences/{made.id}/end", follow=False).status_code


def test_a_silence_of_others_is_seen_but_not_ended(browser: Browser, desk: Desk) -> None:
    with browser_of(desk.gateway) as another:
        _signed_in(another, desk, "ann").open("/silences")
        another.send("/silences", kind="drift", labels="team=risk, site=a", reason="whole house", **{"for": "1h"})
        another.send("/silences", endpoint="other", reason="another's", **{"for": "1h"})
        assert "labels.team=risk" in another.text
        assert 422 == another.send("/silences", labels="nothing", reason="x", follow=False).status_code
    [whole] = [one for one in desk.project.stores.silences.all() if one.reason == "whole house"]
    _signed_in(browser, desk, "bob").open("/silences")
    assert ("whole house" in browser.text, "another's" in browser.text) == (True, False)
    assert 404 == browser.send(f"/silences/{whole.id}/end", follow=False).status_code


def test_a_refresh_is_the_live_part_alone(browser: Browser, desk: Desk) -> None:
    alert = _raised(desk, "estimated_quality")
    _signed_in(browser, desk, "ann")
    for path in ("/alerts", f"/alerts/{alert.id}", "/silences"):
        part = browser.client.get(f"/ui{path}", headers={"hx-request": "true"})
        assert (200, True, False) == (part.status_code, 'id="live"' in part.text, "<html" in part.text)


@needs("chromium")
def test_the_pages_hold_on_a_phone_and_on_a_desk(desk: Desk) -> None:
    alert = _raised(desk, "label_coverage")
    for size in (PHONE, None):
        with chromium(desk.gateway, size=size) as tab:
            tab.sign_in(desk.keys["ann"])
            for path in ("/alerts?state=all", f"/alerts/{alert.id}", "/silences"):
                tab.open(path)
                for opened in tab.page.locator("details summary").all():
                    opened.click()
                assert not tab.scrolls_sideways(), (path, size)
