"""Who visits a page: cookies of a browser and of a session, and the token that a form of ours carries.

Two cookies: ``modelops_visit`` tells one browser from another and is worth nothing; ``modelops_session`` is a person's
session. A form is taken only with a token that is bound to both, which no page of another origin can read. A third,
``modelops_flow``, is a sign-in that has gone to a provider of identities and is not back yet.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from modelops_pipelines.core.access.sessions import LIFETIME
from modelops_pipelines.core.errors import ForbiddenError, InputError
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.pages.files import ROOT

VISIT, SESSION, SAID, FLOW = "modelops_visit", "modelops_session", "modelops_said", "modelops_flow"
TOKEN: Final = "token"  # noqa: S105 - a field's name
"""The form's field that has the token."""
_BYTES, _LONGEST, _SAID_SECONDS = 24, 128, 60
_LONGEST_SAID = 1500


@dataclass(frozen=True)
class Visit:
    """A request for a page: its caller, cookies, path's values, query and form, each by name."""

    caller: Caller
    request: Request = field(repr=False)
    browser: str = field(repr=False)
    session: str = field(repr=False, default="")
    form: Mapping[str, str] = field(default_factory=dict)
    secret: bytes = field(repr=False, default=b"")

    @property
    def path(self) -> Mapping[str, str]:
        """The values in the address, such as the endpoint's name."""
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        """What the address asks for; of a name that is given twice, the last."""
        return self.request.query_params

    @property
    def address(self) -> str:
        """The address of this page within the gateway, with its query."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def came_from(self) -> str:
        """The address of the page of ours that a form was sent from; "" for any other."""
        before = urlsplit(self.request.headers.get("referer", ""))
        is_ours = before.netloc == self.request.url.netloc and before.path.startswith(f"{ROOT}/")
        return f"{before.path}?{before.query}" if is_ours and before.query else before.path if is_ours else ""

    @property
    def is_fragment(self) -> bool:
        """Whether a script of ours asks, for a part of the page."""
        return "hx-request" in self.request.headers

    @property
    def token(self) -> str:
        """What forms on this page carry."""
        return token_of(self.secret, self.browser, self.session)

    def text(self, name: str, longest: int = 4000) -> str:
        """Return a field of the form without spaces around it, "" without it; raises InputError if it is too long."""
        given = self.form.get(name, "").strip()
        if len(given) > longest:
            raise InputError(f"The field {name!r} has {len(given)} characters", f"Use at most {longest}")
        return given

    def required(self, name: str, longest: int = 4000) -> str:
        """Return a field of the form; raises InputError when it is empty or too long."""
        given = self.text(name, longest)
        if not given:
            raise InputError(f"The field {name!r} is empty", "Fill it in, and send the form again")
        return given


def token_of(secret: bytes, browser: str, session: str) -> str:
    """Return the token of a browser's forms: HMAC-SHA-256 of its cookies, in hexadecimal."""
    return hmac.new(secret, f"form|{browser}|{session}".encode(), hashlib.sha256).hexdigest()


def require_token(visit: Visit) -> None:
    """Raise ForbiddenError for a form that was not made by a page of ours for this browser and session."""
    if not hmac.compare_digest(visit.form.get(TOKEN, "").encode(), visit.token.encode()):
        raise ForbiddenError(
            "The form is not of this session",
            "Load the page again, and send the form from there; cookies must be allowed",
        )


def cookie(request: Request, name: str, longest: int = _LONGEST) -> str:
    """Return a cookie's value, "" for none and for one that none of ours could be."""
    given = request.cookies.get(name, "")
    return given if len(given) <= longest else ""


def new_browser() -> str:
    """Return the value of a new visit's cookie."""
    return secrets.token_urlsafe(_BYTES)


@dataclass(frozen=True)
class Cookies:
    """Sets cookies: HttpOnly, SameSite=Lax, and Secure where people reach the gateway by HTTPS."""

    secure: bool

    def remember_browser(self, response: Response, browser: str) -> None:
        """Set the visit's cookie, until the browser is closed."""
        self._set(response, VISIT, browser)

    def begin_session(self, response: Response, value: str) -> None:
        """Set the session's cookie, for as long as the session lasts."""
        self._set(response, SESSION, value, int(LIFETIME.total_seconds()))

    def end_session(self, response: Response) -> None:
        """Remove the session's cookie."""
        self._remove(response, SESSION)

    def begin_flow(self, response: Response, value: str, seconds: int) -> None:
        """Set the cookie of a sign-in that goes to a provider, for as long as it may take."""
        self._set(response, FLOW, value, seconds)

    def end_flow(self, response: Response) -> None:
        """Remove the cookie of a sign-in that is back."""
        self._remove(response, FLOW)

    def say(self, response: Response, message: str) -> None:
        """Have the next page say what was done."""
        text = base64.urlsafe_b64encode(message.encode("utf-8", "replace")[:_LONGEST_SAID]).decode()
        self._set(response, SAID, text, _SAID_SECONDS)

    def said(self, request: Request, response: Response) -> None:
        """Forget what the page has said now."""
        if SAID in request.cookies:
            self._remove(response, SAID)

    def _remove(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self.secure, httponly=True, samesite="lax")

    def _set(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax")


def said_in(request: Request) -> str:
    """Return what the action before this page has said, "" for nothing; it is untrusted, like all text."""
    given: Any = request.cookies.get(SAID, "")
    try:
        return base64.urlsafe_b64decode(given).decode("utf-8", "replace")
    except ValueError:
        return ""
