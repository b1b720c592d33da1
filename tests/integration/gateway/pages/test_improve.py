"""The improve page: what waits for a person, judging one prediction after the other, feedback, sets, retrainings."""

from collections.abc import Iterator

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.core.improve.review.verdicts import OPEN
from modelops_pipelines.operations.improve.review.fill_queue import fill_queue
from tests.support.browsing import DESK, PHONE, Browser, browser_of, chromium
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.programs import needs
from tests.support.project import Project
from tests.worlds.reviewed import make_reviewed

IMPROVE = "/endpoints/cancer/improve"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made, _ = make_reviewed(tmp_path_factory.mktemp("improve") / "project")
    fill_queue(made.stores, made.spec)
    return made


@pytest.fixture(scope="module")
def keys(project: Project) -> dict[str, str]:
    now = project.stores.now()
    return {
        name: project.stores.keys.create(grant(name, [role]), now=now, actor="test").text
        for name, role in (("ann", "operate"), ("ben", "operate"), ("reader", "read"))
    }


@pytest.fixture(scope="module")
def gateway(project: Project, keys: dict[str, str]) -> Iterator[RunningGateway]:
    assert keys
    with running_gateway(project, ready=False) as running:
        yield running


@pytest.fixture
def browser(gateway: RunningGateway) -> Iterator[Browser]:
    with browser_of(gateway) as made:
        yield made


def _open(project: Project) -> int:
    counts = project.stores.review_items.counts("cancer")
    return sum(count for (_, status), count in counts.items() if status == OPEN)


def test_it_says_what_waits_and_what_people_said(browser: Browser, project: Project, keys: dict[str, str]) -> None:
    browser.sign_in(keys["ann"])
    browser.open(IMPROVE)
    assert f"to judge {_open(project)}" in browser.text
    assert "0 up, 3 down" in browser.text
    assert "No training set was built yet" in browser.text
    assert "Nothing was retrained yet" in browser.text


def test_a_person_corrects_one_prediction_after_the_other(
    browser: Browser, project: Project, keys: dict[str, str]
) -> None:
    browser.sign_in(keys["ann"])
    first = browser.open(IMPROVE).text.split("/improve/review/")[1].split('"')[0]
    before = _open(project)
    browser.open(f"{IMPROVE}/review/{first}")
    for verdict in ("confirm", "reject", *["correct"] * 10):
        assert browser.shown is not None
        path = browser.shown.url.path.removeprefix("/ui")
        assert "/improve/review/" in path, browser.text  # each verdict leads to the next prediction
        browser.send(path, verdict=verdict, label="0" if verdict == "correct" else "")
        assert "Noted: prediction" in browser.text
    assert _open(project) < before
    assert "ann" in {one.reviewer for given in _verdicts(project) for one in given}


def _verdicts(project: Project) -> list[list[object]]:
    items = [item.id for item in project.stores.review_items.of("cancer")]
    return list(project.stores.review_verdicts.on(items).values())  # type: ignore[arg-type] # verdicts are objects


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"verdict": "correct", "label": ""}, "needs the right label"),
        ({"verdict": "correct", "label": "nonsense"}, "is not a class of the model"),
        ({"verdict": "confirm", "label": "1"}, "takes no label"),
        ({"verdict": "maybe"}, "is no verdict"),
        ({}, "is empty"),
    ],
)
def test_what_is_no_verdict_is_told(
    browser: Browser, project: Project, keys: dict[str, str], fields: dict[str, str], said: str
) -> None:
    browser.sign_in(keys["ben"])
    item = next(one.id for one in project.stores.review_items.of("cancer") if one.status == OPEN)
    browser.open(f"{IMPROVE}/review/{item}")
    answer = browser.send(f"{IMPROVE}/review/{item}", **fields)
    assert (422, True) == (answer.status_code, said in browser.text), browser.text


def test_an_item_that_is_none(browser: Browser, keys: dict[str, str]) -> None:
    browser.sign_in(keys["ben"])
    assert 404 == browser.open(f"{IMPROVE}/review/99999").status_code
    assert 404 == browser.open(f"{IMPROVE}/review/x").status_code


def test_a_reader_sees_and_judges_nothing(browser: Browser, project: Project, keys: dict[str, str]) -> None:
    browser.sign_in(keys["reader"])
    token = browser.token
    item = next(one.id for one in project.stores.review_items.of("cancer") if one.status == OPEN)
    page = browser.open(f"{IMPROVE}/review/{item}")
    assert (200, False) == (page.status_code, 'value="confirm"' in page.text)
    answer = browser.client.post(f"/ui{IMPROVE}/review/{item}", data={"token": token, "verdict": "confirm"})
    assert 403 == answer.status_code


def test_feedback_is_flagged_and_deleted(browser: Browser, keys: dict[str, str]) -> None:
    browser.sign_in(keys["ann"])
    page = browser.open(IMPROVE).text
    number = page.split("/flag")[0].rsplit("/", 1)[1]
    browser.send(f"{IMPROVE}/feedback/{number}/flag")
    assert "The feedback is flagged for review" in browser.text
    browser.send(f"{IMPROVE}/feedback/{number}/unflag")
    assert "not flagged any more" in browser.text
    assert 404 == browser.send(f"{IMPROVE}/feedback/{number}/burn").status_code
    browser.open(IMPROVE)
    browser.send(f"{IMPROVE}/feedback/{number}/delete")
    assert number not in browser.shown.text  # type: ignore[union-attr] # a page was shown


@needs("chromium")
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_in_a_browser(gateway: RunningGateway, keys: dict[str, str], size: dict[str, int]) -> None:
    with chromium(gateway, size=size) as tab:
        tab.sign_in(keys["ben"])
        tab.open(IMPROVE)
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        tab.page.get_by_role("link", name="Judge the most urgent").click()
        tab.page.get_by_role("heading", name="Is this prediction right?").wait_for()
        assert not tab.scrolls_sideways()
        assert [] == tab.serious()
        tab.page.get_by_role("button", name="It is right").click()
        tab.page.get_by_text("Noted: prediction").wait_for()
