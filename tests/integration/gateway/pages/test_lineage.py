"""The pages on lineage: both ways between a thumb down and the version that learned from it, by what they link to."""

import re
from collections.abc import Iterator
from html import escape
from typing import Any

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.improve.feedback.act_on_feedback import delete
from modelops_pipelines.operations.release.commands import deploy
from tests.support.browsing import DESK, PHONE, Browser, browser_of, chromium
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.programs import needs
from tests.worlds.learned import Learned, make_learned

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    made = make_learned(tmp_path_factory.mktemp("learned") / "project")
    stores, spec, version = made.project.stores, made.project.spec, made.trained.record.version
    deploy(stores, spec, version, actor=EVIL, reason=EVIL, force=True)
    return made


@pytest.fixture(scope="module")
def keys(learned: Learned) -> dict[str, str]:
    stores = learned.project.stores
    return {
        role: stores.keys.create(grant(role, [role]), now=stores.now(), actor="test").text
        for role in ("read", "operate")
    }


@pytest.fixture(scope="module")
def gateway(learned: Learned, keys: dict[str, str]) -> Iterator[RunningGateway]:
    assert keys
    with running_gateway(learned.project, ready=False) as running:
        yield running


@pytest.fixture
def browser(gateway: RunningGateway, keys: dict[str, str]) -> Iterator[Browser]:
    with browser_of(gateway) as made:
        made.sign_in(keys["operate"])
        yield made


def answered(gateway: RunningGateway, key: str, path: str) -> dict[str, Any]:
    """Return what a route answers."""
    answer = gateway.client.get(f"/endpoints/cancer/{path}", headers={"x-api-key": key})
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


def links(browser: Browser, part: str) -> list[str]:
    assert browser.shown is not None
    return [one.removeprefix("/ui") for one in re.findall(rf'href="(/ui/[^"]*/{part}/[^"]+)"', browser.shown.text)]


def test_from_a_thumb_down_to_the_version_that_learned_from_it_and_back(browser: Browser, learned: Learned) -> None:
    browser.open("/endpoints/cancer/improve")
    went = [one for one in links(browser, "improve/feedback") if learned.accepted in one]
    browser.open(went[0])
    version = learned.trained.record.version
    for said in ("label 1 by cleo", learned.frozen.record.content_hash[:12], f"version {version}", "counts"):
        assert said in browser.text, said
    assert f"cancer as champion of version {version}" in browser.text
    [learner] = {one for one in links(browser, "release/versions") if one.endswith(f"/{version}")}
    browser.open(learner)
    assert "asked by ann" in browser.text
    assert "cleo" in browser.text
    assert learned.accepted in browser.text
    assert learned.ignored not in browser.text
    assert went[0] in links(browser, "improve/feedback")


def test_the_picture_has_a_box_for_each_thing_and_a_line_for_each_step(browser: Browser, learned: Learned) -> None:
    picture = (
        browser.open(f"/endpoints/cancer/improve/feedback/{learned.accepted}").text.split("<svg")[1].split("</svg>")[0]
    )
    titles = re.findall(r"<title>([^<:]*)", picture)
    version = f"version {learned.trained.record.version}"
    assert [learned.accepted[:12], "label 1", learned.frozen.record.content_hash[:12], version, "cancer"] == titles[1:]
    assert len(titles) - 1 == picture.count("<path")


def test_the_pages_say_what_the_routes_say(
    browser: Browser, gateway: RunningGateway, keys: dict[str, str], learned: Learned
) -> None:
    version = learned.trained.record.version
    why = answered(gateway, keys["operate"], f"versions/{version}/why")
    browser.open(f"/endpoints/cancer/release/versions/{version}")
    for part in (*why["checks"], *why["people"]):
        assert " ".join(str(part.get("message") or part["name"]).split()) in browser.text
    for reason in why["unknown"].values():
        assert reason in browser.text
    where = answered(gateway, keys["operate"], f"feedback/{learned.ignored}/where")
    browser.open(f"/endpoints/cancer/improve/feedback/{learned.ignored}")
    assert [] == where["versions"]
    assert "No version was trained on a set in which it counts" in browser.text


def test_text_is_text(browser: Browser, learned: Learned) -> None:
    for path in (f"improve/feedback/{learned.accepted}", f"release/versions/{learned.trained.record.version}"):
        shown = browser.open(f"/endpoints/cancer/{path}").text
        assert EVIL not in shown
        assert escape(EVIL) in shown


def test_they_name_people_and_are_for_who_may_read_the_log(gateway: RunningGateway, keys: dict[str, str]) -> None:
    with browser_of(gateway) as reader:
        reader.sign_in(keys["read"])
        assert 403 == reader.open("/endpoints/cancer/release/versions/1").status_code
        reader.open("/endpoints/cancer/release")
        assert [] == links(reader, "release/versions")
        reader.open("/endpoints/cancer/improve")
        assert [] == links(reader, "improve/feedback")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("release/versions/99", 404),
        ("release/versions/1;", 422),
        ("release/versions/2?cursor=" + "x" * 500, 422),
        ("improve/feedback/nobody", 404),
    ],
)
def test_what_is_not_there_is_told(browser: Browser, path: str, status: int) -> None:
    assert status == browser.open(f"/endpoints/cancer/{path}").status_code
    assert "error" not in browser.text.lower() or browser.text


@needs("chromium")
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_in_a_browser(gateway: RunningGateway, keys: dict[str, str], learned: Learned, size: dict[str, int]) -> None:
    version = learned.trained.record.version
    with chromium(gateway, size=size) as tab:
        tab.sign_in(keys["operate"])
        tab.page.get_by_role("heading", name="Endpoints").wait_for()
        tab.open(f"/endpoints/cancer/improve/feedback/{learned.accepted}")
        assert (False, []) == (tab.scrolls_sideways(), tab.serious())
        tab.page.locator("svg a").first.click()
        tab.page.get_by_role("heading", name=f"Why version {version} is as it is").wait_for()
        assert (False, []) == (tab.scrolls_sideways(), tab.serious())


def test_deleted_feedback_is_still_followed(browser: Browser, learned: Learned) -> None:
    """The last test: the feedback is gone after it."""
    delete(learned.project.stores, learned.project.spec, learned.accepted, "ann")
    browser.open(f"/endpoints/cancer/improve/feedback/{learned.accepted}")
    assert "deleted" in browser.text
    assert f"version {learned.trained.record.version}" in browser.text
