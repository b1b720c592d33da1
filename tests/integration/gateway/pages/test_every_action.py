"""Every action of the pages, as a person does it in Chromium: by what stands on the page, one after the other.

The last test compares what was sent with the pages that there are: a new form needs a step here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, Request

from modelops_pipelines.gateway.pages.release.actions import ACTIONS
from modelops_pipelines.store.state.improve.review_items import ReviewItem
from tests.fakes.raised_alerts import raised
from tests.integration.gateway.pages.conftest import Site
from tests.support.browsing import Tab, chromium
from tests.support.every_page import PAGES, PUBLIC
from tests.support.programs import needs
from tests.support.waiting import wait_until

pytestmark = needs("chromium")
WIDGET = {"POST /ui/widget/{endpoint}"}
"""Is driven from a page of another site: see test_feedback_widget."""
SECONDS = 20.0


@dataclass
class Desk:
    """A signed-in person's tab, with the paths of the forms that it has sent."""

    tab: Tab
    site: Site
    sent: list[str] = field(default_factory=list)

    @property
    def page(self) -> Page:
        """The page that is shown."""
        return self.tab.page

    def press(self, name: str, *, link: bool = False, within: str = "main") -> None:
        """Press the button, or follow the link, with this name."""
        self.page.locator(within).get_by_role("link" if link else "button", name=name, exact=True).first.click()

    def fill(self, **fields: str) -> None:
        """Type into the fields of these names."""
        for name, text in fields.items():
            self.page.locator(f'main input[name="{name}"]:visible').fill(text)

    def done(self) -> None:
        """Wait for the page that says what was done."""
        self.page.wait_for_selector(".toast")

    def does(self, change: str, *, version: str = "", **fields: str) -> None:
        """Make a change of the release page: follow its link, fill in its form, and confirm what it says."""
        action = ACTIONS[change]
        self.tab.open("/endpoints/cancer/release")
        link = f'a[href*="/release/{change}{"?" if version else ""}"]'
        if not self.page.locator(f"main {link}").first.is_visible():
            self.page.locator(f"main details:has({link}) summary").first.click()
        self.page.locator(f"main {link}").first.click()
        self.fill(**fields)
        if action.preview is not None:
            self.press("See what would happen")
            assert "would" in self.page.inner_text('main [role="status"]')
        self.press(action.title)
        self.done()


@pytest.fixture(scope="module")
def desk(site: Site) -> Iterator[Desk]:
    with chromium(site.gateway) as tab:
        made = Desk(tab, site)

        def note(request: Request) -> None:
            if request.method == "POST":
                made.sent.append(urlsplit(request.url).path)

        tab.page.on("request", note)
        tab.page.on("dialog", lambda dialog: dialog.accept())
        tab.sign_in(site.keys["admin"])
        tab.page.get_by_role("heading", name="Endpoints").wait_for()
        yield made


def test_an_alert_is_acknowledged_silenced_and_resolved(desk: Desk) -> None:
    raised(desk.site.project.stores, "cancer", rule="to act on")
    desk.tab.open("/")
    desk.press("Alerts", link=True, within="header")
    desk.page.get_by_role("link", name=re.compile("to act on")).first.click()
    desk.fill(note="on it")
    desk.press("Acknowledge")
    assert "acknowledged" in desk.page.inner_text("main")
    desk.page.get_by_text("Silence alerts like this one").click()
    desk.page.locator("#silence-reason").fill("while I look")
    desk.press("Silence")
    desk.tab.open("/silences")
    assert "while I look" in desk.page.inner_text("main")
    desk.page.get_by_role("button", name=re.compile("^End")).first.click()
    desk.done()
    desk.tab.open("/alerts")
    desk.page.get_by_role("link", name=re.compile("to act on")).first.click()
    desk.page.locator("#reason").fill("it was a test")
    desk.press("Resolve")
    assert "resolved" in desk.page.inner_text("main")


def test_a_rule_is_tried_saved_and_removed(desk: Desk) -> None:
    desk.tab.open("/endpoints/cancer")
    desk.page.get_by_role("link", name=re.compile("^rules, and what")).click()
    desk.page.get_by_role("link", name=re.compile("^Add a rule")).click()
    desk.page.locator('main select[name="kind"]').select_option("latency")
    desk.fill(name="slow_tail", percentile="99", limit="900", over="1h")
    desk.press("Try")
    desk.page.get_by_role("heading", name="What slow_tail would have said").wait_for()
    desk.press("Save")
    desk.done()
    desk.page.get_by_role("row").filter(has_text="slow_tail").get_by_role("link").first.click()
    desk.press("Remove")
    desk.done()
    assert "slow_tail" not in desk.page.inner_text("main table")


def test_predictions_are_judged_and_feedback_is_worked_off(desk: Desk) -> None:
    stores, request_id = desk.site.project.stores, desk.site.request_id
    at = stores.now() - timedelta(minutes=1)
    rows = [f"{request_id}-{row}" for row in range(2)]
    stores.review_items.add(
        [ReviewItem("cancer", row, at, "1", "random", 1.0, None, 1, at, {"prediction": "1"}) for row in rows]
    )
    sender = {"x-api-key": desk.site.keys["predict"]}
    for comment in ("one", "another"):
        said = {"prediction_id": rows[0], "corrected_label": "0", "comment": comment}
        assert 202 == desk.site.gateway.client.post("/endpoints/cancer/feedback", json=said, headers=sender).status_code
    desk.tab.open("/endpoints/cancer/improve")
    desk.page.get_by_role("link", name="Judge the most urgent").click()
    desk.press("It is right")
    desk.done()
    for button in ("Flag", "Take the flag off", "Accept for training", "Delete"):
        desk.tab.open("/endpoints/cancer/improve")
        desk.page.get_by_role("row").filter(has_text="another").get_by_role("button", name=button).first.click()
        desk.done()


def test_a_prediction_is_tried(desk: Desk) -> None:
    desk.tab.open("/endpoints/cancer")
    desk.press("Try", link=True)
    desk.press("Predict")
    desk.page.get_by_role("heading", name="The answer").wait_for()
    assert "version 1" in desk.page.inner_text("main")


def test_versions_are_tried_compared_and_taken_back(desk: Desk) -> None:
    desk.does("deploy", version="2", share="20", reason="is it better?")
    desk.does("rollback", reason="enough seen")
    desk.does("undo", reason="not yet enough")
    desk.does("rollback", reason="enough now")
    desk.does("shadow", version="2")
    desk.does("end-shadow")
    desk.does("ab-test", version="2", name="autumn")
    desk.does("end-ab-test", reason="no difference")
    desk.does("stop", reason="a leak")
    desk.does("start")
    desk.does("archive", version="2", reason="wrong data")
    desk.does("restore", version="2")
    state = desk.site.project.stores.deployments.desired("cancer")
    assert ("1", None) == (state.champion, state.challenger)


def test_a_version_that_was_not_judged_is_not_promoted(desk: Desk) -> None:
    desk.tab.open("/endpoints/cancer/release")
    desk.page.locator('main a[href*="/release/promote?"]').first.click()
    desk.press("See what would happen")
    assert "gate" in desk.page.inner_text("main")
    desk.tab.said[:] = [line for line in desk.tab.said if "409" not in line]  # Chromium names a page with this status
    assert "1" == desk.site.project.stores.deployments.desired("cancer").champion


def test_an_endpoint_is_added(desk: Desk) -> None:
    desk.tab.open("/")
    desk.press("Add an endpoint", link=True)
    desk.press("Next")
    desk.page.get_by_role("link", name="tumours").click()
    desk.page.get_by_role("link", name="Use version 1").click()
    desk.fill(name="added", label="benign")
    desk.page.locator('main select[name="task"]').select_option("binary_classification")
    desk.press("Review")
    with desk.page.expect_download() as saved:
        desk.press("Download it")
    assert "name: added" in Path(saved.value.path()).read_text()
    desk.press("Change it")
    desk.press("Review")
    desk.press("Write it into the project")
    desk.page.get_by_role("heading", name="1. Deploy version 1").wait_for()
    assert (desk.site.project.folder / "endpoints" / "added.yaml").exists()


def test_a_key_is_made_rotated_and_revoked(desk: Desk) -> None:
    desk.tab.open("/")
    desk.press("Keys", link=True, within="header")
    desk.page.get_by_role("link", name=re.compile("^Create")).click()
    desk.fill(name="batch job")
    desk.page.locator('input[name="role-predict"]').check()
    desk.press("Create the key")
    secret = desk.page.get_by_label(re.compile("shown only now")).input_value()

    def status() -> int:
        asked = {"headers": {"x-api-key": secret}, "json": {}}
        answer: httpx.Response = desk.site.gateway.client.post("/endpoints/cancer/invocations", **asked)  # type: ignore[arg-type]
        return answer.status_code

    wait_until(lambda: status() == 422, SECONDS)
    desk.tab.open("/keys")
    desk.page.get_by_role("link", name="batch job").click()
    desk.press("Rotate")
    desk.page.locator("#secret").wait_for()
    desk.tab.open("/keys")
    desk.page.get_by_role("link", name="batch job").last.click()
    desk.press("Revoke for ever")
    desk.done()
    wait_until(lambda: status() == 401, SECONDS)


def test_signing_out_ends_it(desk: Desk) -> None:
    desk.press("Sign out", within="header")
    desk.page.get_by_label("API key").wait_for()
    desk.tab.open("/")
    assert "/sign-in" in desk.page.url


def test_each_form_was_sent(desk: Desk) -> None:
    """All before this one have run, in their order."""
    posts = {page for page in {*PAGES, *PUBLIC} if page.startswith("POST ")} - WIDGET
    unsent = {page for page in posts if not any(_pattern(page).fullmatch(path) for path in desk.sent)}
    assert set() == unsent
    acted = {unquote(path.rsplit("/", 1)[1]) for path in desk.sent if "/release/" in path}
    assert set(ACTIONS) == acted


def _pattern(page: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(page.removeprefix("POST "))))
