"""A gateway whose people sign in with a provider, and a person who does it in a browser without scripts."""

import re
from html import unescape
from pathlib import Path

import httpx

from tests.support.browsing import Browser
from tests.support.identity_provider import CLIENT, PASSWORD, SECRET, IdentityProvider
from tests.support.project import Project

VARIABLE = "MODELOPS_OIDC_SECRET"
GROUPS = """\
groups:
  admins: {roles: [admin]}
  operators: {roles: [operate]}
  readers: {roles: [read]}
  other-team: {roles: [operate], teams: [other]}
"""
_LINK = re.compile(r'href="([^"]+/ui/sign-in/provider[^"]*)"')


def use_provider(project: Project, provider: IdentityProvider, groups: str = GROUPS, **settings: str) -> Path:
    """Have the project's gateway send people to the provider, and the provider send them back; return the file."""
    gateway = f"http://127.0.0.1:{project.environment['MODELOPS_GATEWAY_PORT']}"
    provider.client.redirect_address = f"{gateway}/ui/sign-in/callback"
    given = {"name": "Example SSO", "issuer": provider.url, "client_id": CLIENT, "client_secret": f"env:{VARIABLE}"}
    file = project.folder / "sign-in.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in {**given, **settings}.items()) + groups)
    project.environment |= {"MODELOPS_SIGN_IN": str(file), VARIABLE: SECRET}
    return file


def leave(browser: Browser, wanted: str = "/ui/") -> httpx.Response:
    """Follow the link of the sign-in page; return the gateway's answer, which leads to the provider."""
    browser.open(f"/sign-in?next={wanted}")
    assert browser.shown is not None
    found = _LINK.search(browser.shown.text)
    assert found is not None, browser.shown.text
    return browser.client.get(unescape(found[1]))


def at_provider(browser: Browser, address: str, user: str, password: str = PASSWORD) -> str:
    """Sign in at the provider; return the address that it sends the browser back to."""
    form = browser.client.get(address)
    assert 200 == form.status_code, form.text
    answer = browser.client.post(address, data={"user": user, "password": password})
    assert 302 == answer.status_code, answer.text
    return answer.headers["location"]


def sign_in(browser: Browser, user: str, wanted: str = "/ui/") -> httpx.Response:
    """Sign in from the gateway's page to the page that was wanted."""
    back = at_provider(browser, leave(browser, wanted).headers["location"], user)
    browser.shown = browser.client.get(back, follow_redirects=True)
    return browser.shown
