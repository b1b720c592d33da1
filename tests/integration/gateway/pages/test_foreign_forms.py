"""What a foreign page can make a person's browser send to a page: nothing that has an effect, nothing that it can read."""

from collections.abc import Iterator

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import IssuedKey, grant
from modelops_pipelines.gateway.pages.visits import VISIT, new_browser, token_of
from tests.support.browsing import Browser, browser_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, make_project

POSTS = ["/ui/sign-in", "/ui/sign-out"]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module", params=["open", "with keys"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("foreign") / "project")
    if request.param != "open":
        _key(made)
    return made


@pytest.fixture(scope="module")
def secret(project: Project) -> bytes:
    return project.stores.database.secret()


@pytest.fixture(scope="module")
def gateway(project: Project) -> Iterator[RunningGateway]:
    with running_gateway(project, ready=False) as running:
        yield running


def _key(project: Project) -> IssuedKey:
    return project.stores.keys.create(grant("ann", ["admin"]), now=project.stores.now(), actor="test")


@pytest.fixture
def browser(gateway: RunningGateway) -> Iterator[Browser]:
    with browser_of(gateway) as made:
        made.open("/sign-in")
        yield made


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
    ],
    ids=str,
)
def test_a_foreign_post_is_refused(browser: Browser, path: str, headers: dict[str, str], status: int) -> None:
    answer = browser.client.post(path, content="key=x", headers={"content-type": FORM, **headers})
    assert status == answer.status_code


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_form_without_this_browser_s_token_is_refused(browser: Browser, path: str, token: str) -> None:
    answer = browser.client.post(path, data={"token": token})
    assert (403, True) == (answer.status_code, "not of this session" in answer.text)


@pytest.mark.parametrize("path", POSTS)
def test_another_browser_s_token_is_refused(browser: Browser, secret: bytes, path: str) -> None:
    """An attacker reads the token of his own browser, and has a person's browser send it."""
    mine = token_of(secret, browser.client.cookies[VISIT], "")
    assert 403 == browser.client.post(path, data={"token": token_of(secret, new_browser(), "")}).status_code
    assert 403 != browser.client.post(path, data={"token": mine}).status_code


def test_a_foreign_host_reads_nothing_of_an_open_gateway(gateway: RunningGateway) -> None:
    answer = httpx.get(f"{gateway.client.base_url}/ui/", headers={"host": "evil.example"})
    assert "cancer" not in answer.text
    assert answer.status_code in (303, 403)


def test_a_page_can_be_in_no_frame_and_runs_no_script_but_ours(browser: Browser) -> None:
    headers = browser.client.get("/ui/sign-in", follow_redirects=True).headers
    policy = headers["content-security-policy"]
    assert "DENY" == headers["x-frame-options"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "no-store" == headers["cache-control"]


def test_a_form_that_is_too_large_or_cannot_be_read_is_refused(browser: Browser) -> None:
    headers = {"content-type": FORM}
    assert 413 == browser.client.post("/ui/sign-out", content=b"a" * 600_000, headers=headers).status_code
    assert 400 == browser.client.post("/ui/sign-out", content="&".join(["a=1"] * 300), headers=headers).status_code
    assert 400 == browser.client.post("/ui/sign-out", content=b"a=%ff", headers=headers).status_code


def test_an_unknown_address_is_told_as_a_page(browser: Browser) -> None:
    answer = browser.client.get("/ui/static/000000000000/passwd", follow_redirects=True)
    assert (404, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("{base}/ui/alerts/3?a=<b>", 'href="/ui/alerts/3?a=&lt;b&gt;"'),
        ("https://evil.example/ui/alerts", None),
        ("{base}/docs", None),
        ("{base}//evil.example/ui/", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_an_error_leads_back_to_the_page_of_ours_that_had_the_form(
    browser: Browser, before: str, shown: str | None
) -> None:
    given = before.format(base=str(browser.client.base_url).rstrip("/"))
    text = browser.client.post("/ui/sign-out", data={"token": "0"}, headers={"referer": given}).text
    assert "evil" not in text
    assert (shown is not None, True) == ("Back to the page" in text, shown is None or shown in text)
