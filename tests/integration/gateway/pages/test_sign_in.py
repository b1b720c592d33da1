"""Sessions of people: how one begins, what it permits, when it ends, and that nobody can plant or keep one."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import IssuedKey, grant
from modelops_pipelines.core.access.sessions import LIFETIME, digest_of
from modelops_pipelines.store.state.sql_tables import STATE_TABLES
from tests.support.browsing import Browser, browser_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import Project, make_project

SESSION = "modelops_session"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("pages") / "project")


@pytest.fixture(scope="module")
def key(project: Project) -> IssuedKey:
    return _key(project, "ann")


@pytest.fixture(scope="module")
def gateway(project: Project, key: IssuedKey) -> Iterator[RunningGateway]:
    assert key.text
    with running_gateway(project, ready=False) as running:
        yield running


@pytest.fixture
def browser(gateway: RunningGateway) -> Iterator[Browser]:
    with browser_of(gateway) as made:
        yield made


def _key(project: Project, name: str, role: str = "read", lifetime: timedelta | None = None) -> IssuedKey:
    now = project.stores.now()
    expires_at = None if lifetime is None else now + lifetime
    return project.stores.keys.create(grant(name, [role]), now=now, actor="test", expires_at=expires_at)


def test_a_page_leads_to_the_sign_in_and_back(browser: Browser, key: IssuedKey) -> None:
    browser.open("/?status=new")
    assert "Sign in" in browser.text
    answer = browser.send("/sign-in", key=key.text, next="/ui/?status=new")
    assert ("/ui/", b"status=new") == (answer.url.path, answer.url.query)
    assert "ann" in browser.text
    assert "cancer" in browser.text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser, key: IssuedKey) -> None:
    browser.open("/sign-in")
    answer = browser.send("/sign-in", follow=False, key=key.text)
    [cookie] = [one for one in answer.headers.get_list("set-cookie") if one.startswith(SESSION)]
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={int(LIFETIME.total_seconds())}"} <= set(cookie.split("; "))


def test_the_cookie_goes_over_https_only_where_people_come_by_https(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    project = make_project(tmp_path_factory.mktemp("https") / "project")
    key = _key(project, "ann")
    project.environment["MODELOPS_PUBLIC_URL"] = "https://models.example.com"
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as browser:
        page = browser.client.get("/ui/sign-in")
        cookies = dict(page.cookies.items())
        browser.shown = page
        answer = browser.client.post(
            "/ui/sign-in",
            data={"token": browser.token, "key": key.text},
            headers={"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
        )
    assert all("Secure" in cookie.split("; ") for cookie in answer.headers.get_list("set-cookie"))
    assert 303 == answer.status_code


@pytest.mark.parametrize("given", ["", "nonsense", "sk_live_aaaaaaaaaa_b"])
def test_a_wrong_key_begins_nothing(browser: Browser, given: str) -> None:
    browser.open("/sign-in")
    answer = browser.send("/sign-in", key=given)
    assert 401 == answer.status_code
    assert SESSION not in browser.client.cookies
    assert given == "" or given not in answer.text


def test_a_session_of_before_signing_in_is_never_taken_over(browser: Browser, project: Project, key: IssuedKey) -> None:
    """Session fixation: a value that an attacker planted is not the one that the person gets."""
    browser.client.cookies.set(SESSION, "planted" * 6, domain="127.0.0.1", path="/")
    browser.sign_in(key.text)
    values = [cookie.value for cookie in browser.client.cookies.jar if cookie.name == SESSION]
    assert project.stores.sessions.find("planted" * 6, project.stores.now()) is None
    assert [value for value in values if value != "planted" * 6]


def test_signing_out_ends_the_session_at_once_also_for_who_kept_the_cookie(
    browser: Browser, gateway: RunningGateway, key: IssuedKey
) -> None:
    browser.sign_in(key.text)
    kept = browser.client.cookies[SESSION]
    assert 200 == _with_cookie(gateway, kept).status_code
    browser.send("/sign-out")
    assert SESSION not in browser.client.cookies
    assert 303 == _with_cookie(gateway, kept).status_code


def test_a_new_sign_in_ends_the_session_before(browser: Browser, gateway: RunningGateway, key: IssuedKey) -> None:
    browser.sign_in(key.text)
    kept = browser.client.cookies[SESSION]
    browser.sign_in(key.text)
    assert 303 == _with_cookie(gateway, kept).status_code
    assert 200 == browser.open("/").status_code


def test_a_session_ends_with_its_key(browser: Browser, gateway: RunningGateway, project: Project) -> None:
    admin, mine = _key(project, "root", "admin"), _key(project, "leaver")
    _until_known(gateway, mine)
    browser.sign_in(mine.text)
    assert "leaver" in browser.text
    revoked = gateway.client.delete(f"/keys/{mine.key.key_id}", headers={"x-api-key": admin.text})
    assert 200 == revoked.status_code
    assert "Sign in" in browser.open("/").text
    assert "leaver" not in browser.text


def test_a_session_is_over_after_its_time(browser: Browser, project: Project, key: IssuedKey) -> None:
    browser.sign_in(key.text)
    table = STATE_TABLES["sessions"]
    value = browser.client.cookies[SESSION]
    with project.stores.database.begin() as connected:
        connected.execute(table.update().where(table.c.digest == digest_of(value)).values(expires_at=1))
    assert "API key" in browser.open("/").text


def test_the_database_has_no_cookie(browser: Browser, project: Project, key: IssuedKey) -> None:
    browser.sign_in(key.text)
    value = browser.client.cookies[SESSION]
    files = [path for path in project.stores.settings.home.glob("state*") if path.is_file()]
    assert files
    assert all(value.encode() not in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/ui/\\evil",
        "/keys",
        "javascript:alert(1)",
        "/ui/sign-in",
        "/ui/\n/x",
    ],
)
def test_signing_in_leads_to_no_other_site(browser: Browser, key: IssuedKey, wanted: str) -> None:
    browser.open("/sign-in")
    answer = browser.send("/sign-in", follow=False, key=key.text, next=wanted)
    assert (303, "/ui/") == (answer.status_code, answer.headers["location"])


def test_routes_for_programs_take_no_cookie(browser: Browser, key: IssuedKey) -> None:
    """So no page can make a browser call them in a person's name."""
    browser.sign_in(key.text)
    assert 401 == browser.client.get("/endpoints").status_code


def _with_cookie(gateway: RunningGateway, value: str) -> httpx.Response:
    return httpx.get(f"{gateway.client.base_url}/ui/", headers={"cookie": f"{SESSION}={value}"})


def _until_known(gateway: RunningGateway, key: IssuedKey) -> None:
    from tests.support.waiting import wait_until

    wait_until(lambda: 401 != gateway.client.get("/endpoints", headers={"x-api-key": key.text}).status_code, 20)
