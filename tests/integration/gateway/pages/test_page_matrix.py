"""Every page with every role, another team's person, nobody, and a form without its token: who may what.

The table of pages is written here by hand, so that a change of the code's own is seen.
"""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.pages.all_pages import add_pages
from tests.integration.gateway.pages.conftest import Site
from tests.support.browsing import UI, Browser, browser_of

OF_ENDPOINT = {
    "GET /ui/endpoints/{endpoint}": "read",
    "GET /ui/endpoints/{endpoint}/live": "read",
    "GET /ui/endpoints/{endpoint}/{table}.csv": "read",
    "GET /ui/endpoints/{endpoint}/release": "read",
    "GET /ui/endpoints/{endpoint}/checklist": "read",
    "GET /ui/endpoints/{endpoint}/release/{action}": "operate",
    "POST /ui/endpoints/{endpoint}/release/{action}": "operate",
    "GET /ui/endpoints/{endpoint}/improve": "read",
    "GET /ui/endpoints/{endpoint}/improve/review/{number}": "read",
    "POST /ui/endpoints/{endpoint}/improve/review/{number}": "operate",
    "POST /ui/endpoints/{endpoint}/improve/feedback/{feedback_id}/{act}": "operate",
    "GET /ui/endpoints/{endpoint}/alert-rules": "read",
    "GET /ui/endpoints/{endpoint}/alert-rules/edit": "operate",
    "POST /ui/endpoints/{endpoint}/alert-rules": "operate",
    "POST /ui/endpoints/{endpoint}/alert-rules/try": "operate",
    "POST /ui/endpoints/{endpoint}/alert-rules/{rule}/remove": "operate",
}
"""Pages of one endpoint: of another team's they answer as of one that is not there."""
OF_SEVERAL = {
    "GET /ui/": "read",
    "GET /ui/alerts": "read",
    "GET /ui/alerts/{number}": "read",
    "POST /ui/alerts/{number}/acknowledge": "operate",
    "POST /ui/alerts/{number}/resolve": "operate",
    "GET /ui/silences": "read",
    "POST /ui/silences": "operate",
    "POST /ui/silences/{number}/end": "operate",
    "GET /ui/new": "operate",
    "GET /ui/new/model": "operate",
    "GET /ui/new/configure": "operate",
    "POST /ui/new/configure": "operate",
    "POST /ui/new/review": "operate",
    "POST /ui/new/write": "operate",
    "POST /ui/new/download": "operate",
    "GET /ui/new/written": "operate",
    "GET /ui/keys": "admin",
    "GET /ui/keys/new": "admin",
    "POST /ui/keys": "admin",
    "GET /ui/keys/{key_id}": "admin",
    "POST /ui/keys/{key_id}/rotate": "admin",
    "POST /ui/keys/{key_id}/revoke": "admin",
}
PUBLIC = {"GET /ui", "GET /ui/static/{stamp}/{name}", "GET /ui/sign-in", "POST /ui/sign-in", "POST /ui/sign-out"}
PAGES = {**OF_ENDPOINT, **OF_SEVERAL}
PERMITTED = {
    "predict": {"predict"},
    "read": {"read"},
    "operate": {"operate", "read"},
    "admin": {"predict", "read", "operate", "admin"},
}
FORBIDDEN, SEE_OTHER, UNAUTHENTICATED = 403, 303, 401


@pytest.fixture(scope="module")
def people(site: Site) -> Any:
    """Yield a signed-in browser of each key, and one of nobody."""
    from contextlib import ExitStack

    with ExitStack() as held:
        found = {}
        for name, key in site.keys.items():
            found[name] = held.enter_context(browser_of(site.gateway))
            found[name].sign_in(key)
        found["nobody"] = held.enter_context(browser_of(site.gateway))
        found["nobody"].open("/sign-in")
        yield found


def ask(browser: Browser, page: str, token: str, *, endpoint: str = "cancer", number: int = 1) -> httpx.Response:
    """Ask for a page with ids that exist, where there are such."""
    method, _, template = page.partition(" ")
    ids = {"rule": "no_rule", "key_id": "a" * 10, "feedback_id": "f" * 32}
    path = template.format(endpoint=endpoint, number=number, table="traffic", action="stop", act="flag", **ids)
    if method == "GET":
        return browser.client.get(path)
    return browser.client.post(path, data={"token": token})


def token_of(browser: Browser) -> str:
    """Return the token of the person's forms: every page has one, to sign out."""
    browser.open("/")
    if browser.shown is not None and 'name="token"' not in browser.shown.text:
        browser.open("/sign-in")
    return browser.token


def test_the_table_here_has_every_page(site: Site) -> None:
    app = FastAPI()
    app.state.roles = {}
    add_pages(app, site.project.stores, None, Keyring())  # type: ignore[arg-type] # only handlers ask what is served
    assert {**PAGES, **dict.fromkeys(PUBLIC, "public")} == app.state.pages


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("key", PERMITTED)
def test_a_page_is_for_those_whom_its_role_names(people: dict[str, Browser], page: str, key: str) -> None:
    answer = ask(people[key], page, token_of(people[key]))
    may = PAGES[page] in PERMITTED[key]
    assert may == (answer.status_code != FORBIDDEN), answer.text[:3000]
    assert answer.status_code < 500
    assert may or "lacks the required role" in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_nobody_gets_nothing(people: dict[str, Browser], page: str) -> None:
    answer = ask(people["nobody"], page, people["nobody"].token)
    assert (SEE_OTHER if page.startswith("GET") else UNAUTHENTICATED) == answer.status_code
    assert "cancer" not in answer.text.replace("/ui/endpoints/cancer", "")


@pytest.mark.parametrize("page", OF_ENDPOINT)
def test_another_s_endpoint_is_as_one_that_is_not_there(people: dict[str, Browser], page: str) -> None:
    other = people["other"]
    token = token_of(other)
    theirs, nobodys = (ask(other, page, token, endpoint=name) for name in ("cancer", "ghost"))
    assert FORBIDDEN == theirs.status_code == nobodys.status_code
    assert _words(theirs, "cancer") == _words(nobodys, "ghost")


@pytest.mark.parametrize("page", [page for page in OF_SEVERAL if "{number}" in page])
def test_another_s_alert_is_as_one_that_is_not_there(people: dict[str, Browser], page: str) -> None:
    other = people["other"]
    token = token_of(other)
    theirs, nobodys = (ask(other, page, token, number=number) for number in (1, 999))
    assert theirs.status_code == nobodys.status_code
    assert _words(theirs, " 1 ") == _words(nobodys, " 999 ")


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("POST")])
def test_a_form_without_its_token_does_nothing(people: dict[str, Browser], site: Site, page: str) -> None:
    answer = ask(people["admin"], page, "0" * 64)
    assert (FORBIDDEN, True) == (answer.status_code, "not of this session" in answer.text)
    assert "active" == site.project.stores.deployments.desired("cancer").status


@pytest.mark.parametrize("page", ["GET /ui/", "GET /ui/alerts", "GET /ui/silences"])
def test_lists_have_nothing_of_another_s(people: dict[str, Browser], page: str) -> None:
    assert "cancer" in people["read"].client.get(page.removeprefix("GET ")).text or page == "GET /ui/silences"
    assert "cancer" not in people["other"].client.get(page.removeprefix("GET ")).text


def _words(answer: httpx.Response, name: str) -> str:
    """Return the page without what was asked for and without the token."""
    shown = Browser(httpx.Client(), answer)
    return shown.text.replace(name, "it").replace(f"{UI}/endpoints/{name}", "")
