"""The release page: what it says, every change that it offers, who may make it, and that nothing happens unasked."""

import pytest

from tests.integration.gateway.pages.conftest import Site
from tests.support.browsing import DESK, PHONE, Browser, chromium
from tests.support.programs import needs

RELEASE = "/endpoints/cancer/release"


@pytest.fixture
def operator(browser: Browser, site: Site) -> Browser:
    """Return a signed-in person's browser on the release page; version 1 is live, and nothing on trial."""
    browser.sign_in(site.keys["admin"])
    state = site.project.stores.deployments.desired("cancer")
    if (state.champion, state.challenger, state.status) != ("1", None, "active"):
        _restored(browser, site)
    browser.open(RELEASE)
    return browser


def _restored(browser: Browser, site: Site) -> None:
    stores = site.project.stores
    if stores.deployments.desired("cancer").status == "stopped":
        _do(browser, "start")
    if stores.deployments.desired("cancer").challenger is not None:
        _do(browser, "rollback")
    if stores.deployments.desired("cancer").champion != "1":
        _do(browser, "deploy", version="1", force="yes", reason="back for the next test")
    state = stores.deployments.desired("cancer")
    assert ("1", None, "active") == (state.champion, state.challenger, state.status)


def _do(browser: Browser, action: str, **fields: str) -> str:
    """Make a change: the form, the page that says what would happen, and the confirmation; return the words then."""
    browser.open(f"{RELEASE}/{action}")
    browser.send(f"{RELEASE}/{action}", **fields)
    assert "would" in browser.text, browser.text
    browser.send(f"{RELEASE}/{action}", confirmed="yes", **fields)
    return browser.text


def test_it_says_what_is_live_and_what_there_is(operator: Browser) -> None:
    assert "champion version 1" in operator.text
    assert all(f"/release/deploy?version={version}" in operator.shown.text for version in ("2",))  # type: ignore[union-attr]
    assert "not judged: modelops evaluate cancer 2" in operator.text
    assert "deploy" in operator.text
    assert "first" in operator.text  # the reason of the first deploy


def test_a_change_is_told_before_it_is_made(operator: Browser, site: Site) -> None:
    before = site.project.stores.deployments.desired("cancer").generation
    operator.open(f"{RELEASE}/deploy?version=2")
    operator.send(f"{RELEASE}/deploy", version="2", share="20")
    assert "would deploy 1 -> 2 (20 % of the traffic" in operator.text
    assert before == site.project.stores.deployments.desired("cancer").generation


def test_a_version_is_tried_and_withdrawn(operator: Browser, site: Site) -> None:
    shown = _do(operator, "deploy", version="2", share="20", reason="is it better?")
    assert "deploy 1 -> 2 (20 % of the traffic" in shown
    assert "on trial version 2" in shown
    assert "version 2 leaves its trial" in shown  # what a rollback would do now
    event = site.project.stores.deployments.events("cancer")[-1]
    assert ("admin person", "is it better?") == (event.actor, event.reason)
    assert "rollback" in _do(operator, "rollback", reason="enough")
    assert site.project.stores.deployments.desired("cancer").challenger is None


def test_a_champion_is_replaced_by_force_and_rolled_back(operator: Browser) -> None:
    refused = operator.send(f"{RELEASE}/deploy", version="2", share="100")
    assert (409, True) == (refused.status_code, "gate" in operator.text)
    operator.open(RELEASE)
    _do(operator, "deploy", version="2", share="100", force="yes", reason="a fire")
    assert "champion version 2" in operator.text
    assert "forced" in operator.text
    _do(operator, "rollback", reason="no better")
    assert "champion version 1" in operator.text
    _do(operator, "undo", reason="it was")
    assert "champion version 2" in operator.text


def test_stop_and_start(operator: Browser) -> None:
    _do(operator, "stop", reason="a leak")
    assert "status stopped" in operator.text
    _do(operator, "start")
    assert "status active" in operator.text


def test_archive_and_restore(operator: Browser) -> None:
    operator.open(f"{RELEASE}/archive?version=2")
    operator.send(f"{RELEASE}/archive", version="2", reason="wrong data")
    assert "Version 2 is archived" in operator.text
    refused = operator.send(f"{RELEASE}/deploy", version="2", share="10")
    assert 409 == refused.status_code
    operator.open(RELEASE)
    operator.send(f"{RELEASE}/restore", version="2")
    assert "Version 2 can be deployed again" in operator.text


def test_shadow_and_ab_test(operator: Browser, site: Site) -> None:
    operator.open(f"{RELEASE}/ab-test?version=2")
    operator.send(f"{RELEASE}/ab-test", version="2", name="autumn", share="30")
    assert "A/B test autumn" in operator.text
    assert site.project.stores.deployments.desired("cancer").challenger == "2"
    operator.send(f"{RELEASE}/end-ab-test", reason="enough seen")
    assert site.project.stores.deployments.desired("cancer").challenger is None
    operator.open(RELEASE)
    operator.send(f"{RELEASE}/shadow", version="2")
    assert "shadow version 2" in operator.text
    operator.send(f"{RELEASE}/end-shadow")
    assert "shadow none" in operator.text


def test_what_was_live_at_a_time(operator: Browser) -> None:
    assert "version 1 (champion, 100 %)" in operator.open(f"{RELEASE}?at=2999-01-01T00:00").text
    assert "UTC: nothing" in operator.open(f"{RELEASE}?at=2000-01-01").text
    assert 422 == operator.open(f"{RELEASE}?at=yesterday").status_code


@pytest.mark.parametrize(
    ("action", "fields", "status", "said"),
    [
        ("deploy", {"version": "9"}, 404, "version"),
        ("deploy", {"version": "1; drop"}, 422, "is not the number of a version"),
        ("deploy", {"version": "2", "share": "0"}, 422, "Use 1 to 100"),
        ("deploy", {"version": "2", "share": "abc"}, 422, "is not a whole number"),
        ("promote", {}, 422, "is not the number of a version"),
        ("undo", {"confirmed": "yes"}, 422, "reason"),
        ("nonsense", {}, 404, "There is no action"),
        ("deploy", {"version": "2", "reason": "x" * 2000}, 422, "reason"),
    ],
)
def test_what_is_wrong_is_told(operator: Browser, action: str, fields: dict[str, str], status: int, said: str) -> None:
    operator.open(f"{RELEASE}/deploy?version=2")
    answer = operator.send(f"{RELEASE}/{action}", **fields)
    assert (status, True) == (answer.status_code, said in operator.text), operator.text


@pytest.mark.parametrize(("key", "seen", "acted"), [("read", 200, 403), ("other", 403, 403), ("predict", 403, 403)])
def test_who_may_not_change_anything(browser: Browser, site: Site, key: str, seen: int, acted: int) -> None:
    browser.sign_in(site.keys[key])
    if "token" not in browser.shown.text:  # type: ignore[union-attr] # a page was shown
        browser.open("/sign-in")
    token = browser.token
    page = browser.open(RELEASE)
    assert seen == page.status_code
    assert "/release/deploy" not in page.text
    answer = browser.client.post("/ui/endpoints/cancer/release/stop", data={"token": token, "confirmed": "yes"})
    assert acted == answer.status_code
    assert "active" == site.project.stores.deployments.desired("cancer").status


def test_force_takes_an_admin(browser: Browser, site: Site) -> None:
    browser.sign_in(site.keys["other"])
    browser.open("/endpoints/other/release/deploy?version=2")
    answer = browser.send("/endpoints/other/release/deploy", version="2", force="yes", reason="now")
    assert 403 == answer.status_code


def test_the_checklist_has_every_item_of_the_route(operator: Browser, site: Site) -> None:
    headers = {"x-api-key": site.keys["read"]}
    items = site.gateway.client.get("/endpoints/cancer/checklist", headers=headers).json()["items"]
    page = operator.open("/endpoints/cancer/checklist")
    assert 200 == page.status_code
    names = [item["name"] for item in items]
    places = [page.text.index(f'<th scope="row">{name}</th>') for name in names]
    assert places == sorted(places)
    assert "Before the deployment" in operator.text
    assert 404 == operator.open("/endpoints/cancer/checklist?version=99").status_code
    assert 422 == operator.open("/endpoints/cancer/checklist?version=x").status_code


@needs("chromium")
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_in_a_browser(operator: Browser, site: Site, size: dict[str, int]) -> None:
    with chromium(site.gateway, size=size) as tab:
        tab.open(RELEASE)
        tab.page.get_by_label("API key").fill(site.keys["admin"])
        tab.page.keyboard.press("Enter")
        tab.page.get_by_role("heading", name="Versions", exact=True).wait_for()
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        tab.page.get_by_role("link", name="Checklist").click()
        tab.page.get_by_role("heading", name="After the deployment").wait_for()
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        tab.open(RELEASE)
        tab.page.get_by_role("link", name="Deploy version 2").click()
        tab.page.get_by_label("Share of the traffic").fill("10")
        assert [] == tab.serious()
        tab.page.get_by_role("button", name="See what would happen").click()
        tab.page.get_by_text("would deploy 1 -> 2 (10 %").wait_for()
        tab.page.get_by_role("button", name="Deploy").click()
        tab.page.get_by_text("1 worker(s) serve it").wait_for()
    _restored(operator, site)
