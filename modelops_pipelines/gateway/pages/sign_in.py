"""Signing in with an API key, and signing out. Signing in with a provider of identities: ``identity``."""

from functools import partial
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from modelops_pipelines.core.access.identities import Provider
from modelops_pipelines.core.errors import UnauthenticatedError
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.http.guarded_router import PUBLIC
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.page_router import SEE_OTHER, SIGN_IN, Answer, Page, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit, new_browser
from modelops_pipelines.store.stores import Stores

HOME = f"{ROOT}/"
BY_PROVIDER = f"{SIGN_IN}/provider"
_LONGEST_NEXT = 500
_UNKNOWN = 401


def add_sign_in(pages: PageRouter, stores: Stores, keyring: Keyring, provider: Provider | None) -> None:
    """Add the pages. A session is new at every sign-in, and the one before it ends; so does the browser's cookie."""
    form = partial(_form, provider, stores.settings.links_to_gateway)

    @pages.get("/sign-in", role=PUBLIC)
    def show_form(visit: Visit) -> Answer:
        if keyring.is_open:
            return RedirectResponse(HOME, SEE_OTHER)
        return form(next_of(visit.query.get("next", "")))

    @pages.post("/sign-in", role=PUBLIC)
    def sign_in(visit: Visit) -> Answer:
        wanted = next_of(visit.text("next"))
        if keyring.is_open:
            return RedirectResponse(HOME, SEE_OTHER)
        try:
            caller = keyring.authenticate(visit.text("key"), stores.now())
        except UnauthenticatedError as error:
            return form(wanted, str(error.message))
        value, _ = stores.sessions.begin_by_key(str(caller.key_id), caller.name, stores.now())
        return welcome(pages, stores, visit, value, wanted)

    @pages.post("/sign-out", role=PUBLIC)
    def sign_out(visit: Visit) -> Response:
        ended = stores.sessions.find(visit.session, stores.now())
        stores.sessions.end(visit.session, stores.now())
        response = RedirectResponse(SIGN_IN, SEE_OTHER)
        if provider is not None and ended is not None and ended.key_id is None:
            pages.cookies.say(
                response, f"You are signed out here. {provider.name} may still know you: sign out there too."
            )
        pages.cookies.end_session(response)
        pages.cookies.remember_browser(response, new_browser())
        return response


def welcome(pages: PageRouter, stores: Stores, visit: Visit, value: str, wanted: str) -> Response:
    """Give the browser its new session, end the one that it had, and lead to the wanted page."""
    if visit.session:
        stores.sessions.end(visit.session, stores.now())
    response = RedirectResponse(wanted, SEE_OTHER)
    pages.cookies.begin_session(response, value)
    pages.cookies.remember_browser(response, new_browser())
    return response


def next_of(given: str) -> str:
    """Return the page to go to after signing in: one of ours, else the first."""
    own = given.startswith(HOME) and len(given) <= _LONGEST_NEXT and given.isprintable() and "\\" not in given
    return given if own and not given.startswith(SIGN_IN) else HOME


def _form(provider: Provider | None, gateway: str, wanted: str, fault: str = "") -> Page:
    """Return the form; the link to the provider begins at the address that the provider sends people back to."""
    shown = None
    if provider is not None:
        shown = {"name": provider.name, "address": f"{gateway}{BY_PROVIDER}?next={quote(wanted, safe='')}"}
    return Page("sign_in.html", {"next": wanted, "fault": fault, "provider": shown}, _UNKNOWN if fault else 200)
