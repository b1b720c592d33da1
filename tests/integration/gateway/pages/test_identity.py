"""Signing in with a provider of identities that runs: who gets in, as whom, with which roles, and until when."""

import re
import signal
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from modelops_pipelines.core.access.sessions import LIFETIME
from tests.support.browsing import Browser, browser_of, chromium
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.identity_provider import PASSWORD, SECRET, IdentityProvider, identity_provider
from tests.support.project import CANCER_YAML, Project, copied_project, make_project
from tests.support.signing_in import GROUPS, VARIABLE, at_provider, leave, sign_in, use_provider
from tests.support.waiting import wait_until

PEOPLE = {
    "u-1": {"email": "ann@example.org", "email_verified": True, "groups": ["admins"]},
    "u-2": {"email": "bob@example.org", "groups": ["readers", "something-else"]},
    "u-3": {"email": "cleo@example.org", "groups": ["other-team"]},
    "u-4": {"email": "dan@example.org", "groups": ["<b>strangers</b>"]},
    "u-5": {"email": "ann@example.org", "email_verified": False, "groups": ["admins"]},
    "u-6": {"email": "eve@example.org", "groups": ["operators"]},
}
OTHER_YAML = CANCER_YAML.replace("name: cancer", "name: other\n  owners: [team:other]")
SESSION, FLOW = "modelops_session", "modelops_flow"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider(PEOPLE) as running:
        yield running


@pytest.fixture(scope="module")
def project(
    served_world: tuple[Project, str], provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    project = copied_project(served_world[0], tmp_path_factory.mktemp("identity") / "project")
    (project.folder / "endpoints" / "other.yaml").write_text(OTHER_YAML)
    use_provider(project, provider)
    return project


@pytest.fixture(scope="module")
def gateway(project: Project) -> Iterator[RunningGateway]:
    with running_gateway(project) as running:
        yield running


@pytest.fixture
def browser(gateway: RunningGateway) -> Iterator[Browser]:
    with browser_of(gateway) as made:
        yield made


def test_without_any_key_the_gateway_is_not_open(browser: Browser, gateway: RunningGateway) -> None:
    assert 401 == gateway.client.get("/endpoints").status_code
    assert 401 == gateway.predict([{"mean_radius": 1.0}]).status_code
    browser.open("/")
    assert "Sign in with Example SSO" in browser.text
    assert "open, no keys" not in browser.text


def test_a_person_signs_in_and_comes_to_the_page_that_was_wanted(browser: Browser) -> None:
    answer = sign_in(browser, "u-2", "/ui/?status=new")
    assert ("/ui/", b"status=new") == (answer.url.path, answer.url.query)
    assert "bob@example.org (Example SSO)" in browser.text
    assert FLOW not in browser.client.cookies


def test_the_way_there_has_what_openid_connect_wants(browser: Browser, provider: IdentityProvider) -> None:
    answer = leave(browser)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    fixed = {
        "response_type": "code",
        "client_id": "modelops",
        "scope": "openid profile email",
        "code_challenge_method": "S256",
        "redirect_uri": provider.client.redirect_address,
    }
    assert {*fixed, "state", "nonce", "code_challenge"} == set(asked)
    assert fixed.items() <= asked.items()
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert asked["state"] not in leave(browser).headers["location"]
    [cookie] = answer.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))


def test_the_session_is_as_one_of_a_key(browser: Browser) -> None:
    back = at_provider(browser, leave(browser).headers["location"], "u-2")
    answer = browser.client.get(back)
    [cookie] = [one for one in answer.headers.get_list("set-cookie") if one.startswith(SESSION)]
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={int(LIFETIME.total_seconds())}"} <= set(cookie.split("; "))
    assert (303, "/ui/") == (answer.status_code, answer.headers["location"])


def test_what_a_person_does_is_in_the_history_with_their_name(browser: Browser, project: Project) -> None:
    sign_in(browser, "u-6")
    browser.open("/endpoints/cancer/release/stop")
    browser.send("/endpoints/cancer/release/stop", confirmed="yes", reason="a test")
    event = project.stores.deployments.events("cancer")[-1]
    assert ("eve@example.org (Example SSO)", "a test") == (event.actor, event.reason)


def test_an_administrator_by_a_group_makes_the_first_key(browser: Browser, project: Project) -> None:
    """And the gateway goes on to ask for keys: this test's key changes nothing for the others."""
    sign_in(browser, "u-1")
    form = unescape(re.findall(r'name="form" value="([^"]+)"', browser.open("/keys/new").text)[0])
    made = browser.send("/keys", form=form, **{"name": "ci", "role-read": "yes", "mode": "live", "expires_in": "90d"})
    assert 200 == made.status_code
    assert ["ann@example.org (Example SSO)"] == [key.created_by for key in project.stores.keys.list()]


def test_a_role_is_as_on_the_routes(browser: Browser) -> None:
    sign_in(browser, "u-2")
    answer = browser.open("/keys")
    assert 403 == answer.status_code
    assert "The session of bob@example.org (Example SSO) lacks the required role 'admin'" in browser.text


def test_a_team_s_person_sees_the_team_s_endpoints_alone(browser: Browser) -> None:
    sign_in(browser, "u-3")
    assert "other" in browser.text
    assert "cancer" not in browser.text
    assert 403 == browser.open("/endpoints/cancer").status_code


def test_a_person_in_no_group_is_told_so_and_not_let_in(browser: Browser) -> None:
    answer = sign_in(browser, "u-4")
    assert 403 == answer.status_code
    assert "dan@example.org (Example SSO) may not use this gateway" in browser.text
    assert "<b>strangers" not in answer.text
    assert SESSION not in browser.client.cookies


def test_an_address_that_is_not_verified_is_nobody_s_name(browser: Browser) -> None:
    answer = sign_in(browser, "u-5")
    assert (403, True) == (answer.status_code, "has not verified the address of ann@example.org" in browser.text)


def test_a_token_that_names_nobody_is_asked_for_more(browser: Browser, provider: IdentityProvider) -> None:
    provider.thin = True
    try:
        sign_in(browser, "u-2")
    finally:
        provider.thin = False
    assert "bob@example.org (Example SSO)" in browser.text


def test_a_wrong_password_is_said(browser: Browser) -> None:
    back = at_provider(browser, leave(browser).headers["location"], "u-2", "guessed")
    browser.shown = browser.client.get(back)
    assert 403 == browser.shown.status_code
    assert "Example SSO did not sign you in (access_denied)" in browser.text


def test_a_new_key_of_the_provider_is_taken_at_once(browser: Browser, provider: IdentityProvider) -> None:
    provider.rotate_key()
    sign_in(browser, "u-2")
    assert "bob@example.org" in browser.text


@pytest.mark.parametrize("stolen", ["of another browser", "of nobody", "changed", "none"])
def test_a_browser_takes_no_answer_of_a_sign_in_that_it_did_not_begin(
    browser: Browser, gateway: RunningGateway, stolen: str
) -> None:
    """Or an attacker could have a person work in the attacker's name."""
    with browser_of(gateway) as attacker:
        back = at_provider(attacker, leave(attacker).headers["location"], "u-1")
    if stolen != "of nobody":
        leave(browser)
    if stolen == "changed":
        back = back.replace("state=", "state=A")
    if stolen == "none":
        back = re.sub(r"&?state=[^&]+", "", back)
    browser.shown = browser.client.get(back)
    assert 403 == browser.shown.status_code
    assert "is not of a sign-in that this browser began" in browser.text
    assert SESSION not in browser.client.cookies


def test_an_answer_is_good_once(browser: Browser, gateway: RunningGateway) -> None:
    back = at_provider(browser, leave(browser).headers["location"], "u-2")
    flow = browser.client.cookies[FLOW]
    assert 303 == browser.client.get(back).status_code
    with browser_of(gateway) as other:
        assert 403 == other.client.get(back).status_code
        other.client.cookies.set(FLOW, flow, domain="127.0.0.1", path="/")
        other.shown = other.client.get(back)
        assert 503 == other.shown.status_code
        assert "it takes no code from this gateway (400, invalid_grant)" in other.text
        assert SESSION not in other.client.cookies


def test_a_code_of_another_browser_is_worth_nothing_in_a_sign_in_of_one_s_own(
    browser: Browser, gateway: RunningGateway
) -> None:
    """PKCE: the provider wants the verifier of the sign-in that the code was given to."""
    with browser_of(gateway) as victim:
        stolen = at_provider(victim, leave(victim).headers["location"], "u-1")
    own = at_provider(browser, leave(browser).headers["location"], "u-2")
    code = re.findall(r"code=([^&]+)", stolen)[0]
    browser.shown = browser.client.get(re.sub(r"code=[^&]+", f"code={code}", own))
    assert (503, True) == (browser.shown.status_code, "invalid_grant" in browser.text)
    assert SESSION not in browser.client.cookies


def test_a_session_of_before_is_never_taken_over_and_ends(browser: Browser, project: Project) -> None:
    browser.client.cookies.set(SESSION, "planted" * 6, domain="127.0.0.1", path="/")
    sign_in(browser, "u-2")
    first = [cookie.value for cookie in browser.client.cookies.jar if cookie.name == SESSION and cookie.value]
    browser.client.cookies.clear()
    browser.client.cookies.set(SESSION, first[-1] or "", domain="127.0.0.1", path="/")
    sign_in(browser, "u-2")
    values = {cookie.value or "" for cookie in browser.client.cookies.jar if cookie.name == SESSION}
    found = [value for value in {*values, *first} if project.stores.sessions.find(value, project.stores.now())]
    assert len(found) == 1
    assert found[0] not in first


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/ui/%5Cevil", "/ui/sign-in/provider"])
def test_a_sign_in_leads_to_no_other_site(browser: Browser, wanted: str) -> None:
    begun = browser.client.get(f"/ui/sign-in/provider?next={wanted}")
    answer = browser.client.get(at_provider(browser, begun.headers["location"], "u-2"))
    assert (303, "/ui/") == (answer.status_code, answer.headers["location"])


def test_signing_out_ends_the_session(browser: Browser, gateway: RunningGateway) -> None:
    sign_in(browser, "u-2")
    kept = browser.client.cookies[SESSION]
    browser.send("/sign-out")
    assert "You are signed out here. Example SSO may still know you" in browser.text
    answer = httpx.get(f"{gateway.client.base_url}/ui/", headers={"cookie": f"{SESSION}={kept}"})
    assert 303 == answer.status_code


def test_nothing_secret_is_in_the_log_or_the_database(
    browser: Browser, gateway: RunningGateway, project: Project, provider: IdentityProvider
) -> None:
    back = at_provider(browser, leave(browser).headers["location"], "u-2")
    browser.client.get(back)
    code = re.findall(r"code=([^&]+)", back)[0]
    kept = [path.read_bytes() for path in project.stores.settings.home.glob("state*") if path.is_file()]
    told = [gateway.log.read_bytes(), *kept]
    secrets = [SECRET, code, browser.client.cookies[SESSION], *provider.tokens]
    assert b"bob@example.org (Example SSO) signed in" in gateway.log.read_bytes()
    assert [] == [secret for secret in secrets for content in told if secret.encode() in content]


def test_chromium_signs_in(gateway: RunningGateway, provider: IdentityProvider) -> None:
    with chromium(gateway, beside=provider.url) as tab:
        tab.open("/?status=new")
        assert [] == tab.serious()
        tab.page.click("text=Sign in with Example SSO")
        tab.page.fill("[name=user]", "u-2")
        tab.page.fill("[name=password]", PASSWORD)
        tab.page.click("button")
        tab.page.wait_for_url("**/ui/?status=new")
        assert "bob@example.org (Example SSO)" in tab.page.inner_text(".who")
        tab.page.click(".who button")
        tab.page.wait_for_url("**/ui/sign-in")


def test_a_changed_mapping_ends_the_sessions_that_the_one_before_began(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    use_provider(project, provider)
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as person:
        sign_in(person, "u-1")
        assert "ann@example.org" in person.text
        cookies = person.client.cookies
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as person:
        person.client.cookies = cookies
        person.open("/")
        assert "ann@example.org" in person.text
        use_provider(project, provider, GROUPS.replace("admins: {roles: [admin]}", "admins: {roles: [read]}"))
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "Sign in with Example SSO" in (person.open("/") and person.text), 30)
        wait_until(lambda: sign_in(person, "u-1").status_code == 200, 30)  # until then by the worker that goes
        assert 403 == person.open("/keys").status_code


def test_a_gateway_without_keys_may_be_reached_from_elsewhere(provider: IdentityProvider, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    use_provider(project, provider)
    project.environment |= {"MODELOPS_HOST": "0.0.0.0", "MODELOPS_PUBLIC_URL": "https://ml.example.com"}
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as browser:
        assert 401 == gateway.client.get("/endpoints").status_code
        browser.open("/sign-in")
        assert browser.shown is not None
        assert 'href="https://ml.example.com/ui/sign-in/provider?next=%2Fui%2F"' in browser.shown.text
        answer = browser.client.get("/ui/sign-in/provider")
        back = "https%3A%2F%2Fml.example.com%2Fui%2Fsign-in%2Fcallback"
        assert f"redirect_uri={back}&" in answer.headers["location"]
        assert all("Secure" in cookie.split("; ") for cookie in answer.headers.get_list("set-cookie"))


def test_a_provider_that_refuses_us_is_told_with_the_fix(provider: IdentityProvider, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    use_provider(project, provider)
    project.environment[VARIABLE] = "wrong"
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as browser:
        answer = sign_in(browser, "u-2")
        assert 503 == answer.status_code
        assert "(401, invalid_client)" in browser.text
        assert "Correct client_id and client_secret" in browser.text
        assert b"wrong" not in gateway.log.read_bytes()
        provider.client.redirect_address = "https://elsewhere.example/"
        refused = browser.client.get(leave(browser).headers["location"])
        assert 400 == refused.status_code  # by the provider, which does not send the person back


def test_a_provider_that_is_gone_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with identity_provider(PEOPLE) as gone:
        use_provider(project, gone)
        gone.client.method = "client_secret_post"
        with running_gateway(project, ready=False) as gateway, browser_of(gateway) as browser:
            sign_in(browser, "u-2")
            assert "bob@example.org" in browser.text
    with running_gateway(project, ready=False) as gateway, browser_of(gateway) as browser:
        browser.shown = leave(browser)
        assert 503 == browser.shown.status_code
        assert (
            "Signing in with Example SSO does not work now: discovery document: the connection failed" in browser.text
        )
        assert 200 == browser.open("/sign-in").status_code
