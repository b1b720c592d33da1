"""The only way to add a page: with its required role, or as public. It signs people in, checks forms, shows errors.

Pages are called by browsers, which send cookies by themselves; the routes for programs take no cookie. So a page that
changes something is a form (POST), and carries the token of ``visits``. All are under ``ROOT``.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from modelops_pipelines.core.access.sessions import Session
from modelops_pipelines.core.errors import (
    MalformedError,
    MediaTypeError,
    ModelOpsError,
    TooLargeError,
    UnauthenticatedError,
)
from modelops_pipelines.gateway.access.keyring import ANONYMOUS, NOBODY, Caller, Keyring
from modelops_pipelines.gateway.http.bounded_body import read_at_most
from modelops_pipelines.gateway.http.error_handlers import for_caller
from modelops_pipelines.gateway.http.errors import INTERNAL, headers_of, status_of
from modelops_pipelines.gateway.http.guarded_router import PUBLIC, Access
from modelops_pipelines.gateway.http.remedies import for_callers
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.rendering import render
from modelops_pipelines.gateway.pages.visits import (
    SESSION,
    VISIT,
    Cookies,
    Visit,
    cookie,
    new_browser,
    require_token,
    said_in,
)
from modelops_pipelines.store.stores import Stores

SIGN_IN: Final = f"{ROOT}/sign-in"
FORM = "application/x-www-form-urlencoded"
MAX_FORM_BYTES, MAX_FIELDS = 512 * 1024, 200
SEE_OTHER = 303
_LOG = logging.getLogger("modelops.gateway")
SECTIONS: Final[tuple[tuple[str, str, Access], ...]] = (
    ("overview", "/", "read"),
    ("alerts", "/alerts", "read"),
    ("keys", "/keys", "admin"),
    ("new endpoint", "/new", "operate"),
)
"""The navigation: each entry's name, its address under ROOT, and the role that it needs."""
ENDPOINT_TABS: Final[tuple[tuple[str, str, Access], ...]] = (
    ("monitor", "", "read"),
    ("release", "/release", "read"),
    ("improve", "/improve", "read"),
    ("try", "/try", "predict"),
)
"""The pages of an endpoint: each one's name, its address after the endpoint's, and the role that it needs."""


@dataclass(frozen=True)
class Page:
    """A template with the values that it shows; ``section`` is the entry of the navigation that it belongs to."""

    template: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    section: str = ""


@dataclass(frozen=True)
class Done:
    """What a form has done, and the page that says so."""

    said: str
    then: str


Answer = Page | Done | Response
Handler = Callable[[Visit], Answer]
Direct = Callable[[Request], Awaitable[Response]]


class PageRouter:
    """Adds pages to an application. Handlers run in a thread, and may read the stores."""

    def __init__(self, app: FastAPI, stores: Stores, keyring: Keyring) -> None:
        """Take people's sessions from the stores, and keys from the keyring."""
        self._app, self._stores, self._keyring = app, stores, keyring
        self._secret = stores.database.secret()
        self.cookies = Cookies(secure=(stores.settings.public_url or "").startswith("https:"))
        app.state.pages = {}

    def get(
        self, path: str, *, role: Access, filters_endpoints: bool = False, filters_teams: bool = False
    ) -> Callable[[Handler], Handler]:
        """Add a page at a path under ROOT; ``filters_endpoints`` and ``filters_teams`` as in ``guarded_router``."""
        return self._add("GET", path, role, endpoints=filters_endpoints, teams=filters_teams)

    def post(
        self, path: str, *, role: Access, filters_endpoints: bool = False, filters_teams: bool = False
    ) -> Callable[[Handler], Handler]:
        """Add what a form does; its handler returns Done, or a Page that shows the outcome."""
        return self._add("POST", path, role, endpoints=filters_endpoints, teams=filters_teams)

    def open_to_all(self, method: str, path: str) -> Callable[[Direct], Direct]:
        """Add what takes no cookie, so that it is the same for everybody: its handler answers the request itself."""

        def register(answer: Direct) -> Direct:
            self._app.add_route(f"{ROOT}{path}", answer, methods=[method], include_in_schema=False)
            self._app.state.pages[f"{method} {ROOT}{path}"] = PUBLIC
            return answer

        return register

    def _add(
        self, method: str, path: str, role: Access, *, endpoints: bool, teams: bool
    ) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            whole = f"{ROOT}{path}"
            guarded = _Guarded(handler, role, filters_endpoints=endpoints, filters_teams=teams)
            answer = partial(self._answer, guarded)
            self._app.add_route(whole, _endpoint(answer), methods=[method], include_in_schema=False)
            self._app.state.pages[f"{method} {whole}"] = role
            return handler

        return register

    def _answer(
        self, page: "_Guarded", request: Request, form: Mapping[str, str], fault: ModelOpsError | None
    ) -> Response:
        """Return the page, or the page of the error; never an error's answer for programs."""
        browser, session = cookie(request, VISIT) or new_browser(), cookie(request, SESSION)
        visit = Visit(NOBODY, request, browser, session, form, self._secret)
        try:
            caller = self._caller(session, page.role)
            if caller is not None:
                visit = replace(visit, caller=caller)
            self._check(visit, caller, page, fault)
            response = self._respond(visit, caller, page.handler(visit))
        except UnauthenticatedError as error:
            response = self._to_sign_in(visit, error)
        except ModelOpsError as error:
            response = self._show_error(visit, for_caller(error, request))
        except Exception:  # noqa: BLE001 - a person gets a page, and the log says why
            _LOG.exception("The page %s failed", request.scope["path"])
            response = self._show_error(visit, INTERNAL)
        if cookie(request, VISIT) != browser:
            self.cookies.remember_browser(response, browser)
        return response

    def _caller(self, session: str, role: Access) -> Caller | None:
        """Return who is signed in; None for nobody, on pages that anybody may see. Raises UnauthenticatedError."""
        now = datetime.now(UTC)
        if self._keyring.is_open:
            return self._keyring.authenticate(None, now)
        found = self._stores.sessions.find(session, now) if session else None
        try:
            return None if found is None and role == PUBLIC else self._keyring.caller_of_session(_known(found), now)
        except UnauthenticatedError:
            if role == PUBLIC:
                return None
            raise

    def _check(self, visit: Visit, caller: Caller | None, page: "_Guarded", fault: ModelOpsError | None) -> None:
        """Raise the error of what this caller may not do, or of a form that could not be read or is not ours."""
        if fault is not None:
            raise fault
        if page.role != PUBLIC and caller is not None:
            if page.filters_endpoints or (page.filters_teams and caller.teams is not None):
                caller.require_role(page.role)
            else:
                caller.require(page.role, visit.path.get("endpoint"))
        if visit.request.method == "POST":
            require_token(visit)

    def _respond(self, visit: Visit, caller: Caller | None, answer: Answer) -> Response:
        if isinstance(answer, Page):
            response = self._render(visit, caller, answer)
            if not visit.is_fragment:
                self.cookies.said(visit.request, response)
            return response
        if isinstance(answer, Done):
            done = RedirectResponse(answer.then, SEE_OTHER)
            self.cookies.say(done, answer.said)
            return done
        return answer

    def _frame(self, visit: Visit, caller: Caller | None, page: Page) -> dict[str, Any]:
        """Return what every page shows: who is signed in, what that person may do, and what was done before."""
        return {
            "root": ROOT,
            "token": visit.token,
            "person": None if caller is None or caller is ANONYMOUS else caller.name,
            "may": frozenset() if caller is None else caller.permitted,
            "is_open": self._keyring.is_open,
            "section": page.section,
            "said": said_in(visit.request),
            "now": self._stores.now(),
            "whole": not visit.is_fragment,
            "dagster": self._stores.settings.dagster_url,
            "sections": SECTIONS,
            "endpoint_tabs": ENDPOINT_TABS,
        }

    def _to_sign_in(self, visit: Visit, error: UnauthenticatedError) -> Response:
        if visit.request.method == "GET" and not visit.is_fragment:
            return RedirectResponse(f"{SIGN_IN}?next={quote(visit.address, safe='')}", SEE_OTHER)
        return self._show_error(visit, error)

    def _show_error(self, visit: Visit, error: ModelOpsError) -> Response:
        back = visit.came_from if visit.request.method == "POST" else ""
        page = Page("error.html", {"error": error, "remedy": for_callers(error.remedy), "back": back}, status_of(error))
        caller = None if visit.caller is NOBODY else visit.caller
        response = self._render(visit, caller, page)
        response.headers.update({name: value for name, value in headers_of(error).items() if name == "retry-after"})
        return response

    def _render(self, visit: Visit, caller: Caller | None, page: Page) -> Response:
        return render(page.template, {**self._frame(visit, caller, page), **page.facts}, page.status)


@dataclass(frozen=True)
class _Guarded:
    """A page's handler, with what its caller needs."""

    handler: Handler
    role: Access
    filters_endpoints: bool
    filters_teams: bool = False


def _known(session: Session | None) -> Session:
    if session is None:
        raise UnauthenticatedError("Nobody is signed in", "Sign in")
    return session


def _endpoint(answer: Callable[[Request, Mapping[str, str], ModelOpsError | None], Response]) -> Any:
    async def endpoint(request: Request) -> Response:
        form: Mapping[str, str] = {}
        fault = None
        if request.method == "POST":
            try:
                form = await read_form(request)
            except ModelOpsError as error:
                fault = error
        return await run_in_threadpool(answer, request, form, fault)

    return endpoint


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a request's form; of several of one name the last.

    Raises MediaTypeError, TooLargeError and MalformedError.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != FORM:
        raise MediaTypeError(f"The header Content-Type is {given[:80]!r}", f"Send a form: {FORM}")
    too_large = TooLargeError(f"The form is over {MAX_FORM_BYTES // 1024} KiB", "Send less at once")
    body = await read_at_most(
        request, MAX_FORM_BYTES, too_large, MalformedError("The form is incomplete", "Send it again")
    )
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise MalformedError("The form cannot be read", f"Send at most {MAX_FIELDS} fields, in UTF-8") from error
    return dict(fields)
