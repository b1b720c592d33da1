"""This gateway as a client of its provider: what the provider publishes, kept for a while, and what a code is worth.

What is published is fetched anew after an hour. An unknown key is looked up at once, since providers replace theirs,
and at most MOST_LOOKS times a minute, since whoever invents key ids must not make us ask each time.
"""

import base64
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from modelops_pipelines.core.access.identities import Provider, is_loopback, is_secure
from modelops_pipelines.core.errors import ForbiddenError, OverloadError, ProviderError
from modelops_pipelines.gateway.pages.identity.exchange import ExchangeError, Received, exchange
from modelops_pipelines.gateway.pages.identity.flow import Flow
from modelops_pipelines.gateway.pages.identity.id_token import claims_of, key_id_of, keys_of
from modelops_pipelines.operations.governance.identity_provider import client_secret

DISCOVERY = "/.well-known/openid-configuration"
KEPT_SECONDS = 3600.0
LOOK_SECONDS, MOST_LOOKS = 60.0, 4
MOST_AT_ONCE = 4
"""Sign-ins of one worker that wait for the provider: a provider that hangs must not take the threads of all pages."""
_OK = 200
_LONGEST_SAID = 200
_RESTART = "Sign in again"
_FAULTS: Mapping[str, str] = {
    "invalid_client": "Correct client_id and client_secret in the sign-in file: they are not those of the provider",
    "unauthorized_client": "Allow the authorization code flow for this client at the provider",
    "invalid_grant": "Sign in again: a code is good once, for a short time, and for the registered address alone",
    "redirect_uri_mismatch": "Register this gateway's redirect address at the provider, exactly",
    "invalid_scope": "Correct 'scopes' in the sign-in file: the provider does not know them all",
}
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Published:
    """What the provider publishes about itself, as far as it is used here."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    takes_basic: bool
    names_itself: bool
    """Whether it says who it is when it sends a person back (RFC 9207)."""


class ProviderClient:
    """Talks with one provider. For many threads."""

    def __init__(self, provider: Provider, redirect_address: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask nothing yet; people are sent back to ``redirect_address``. ``clock`` is in seconds."""
        self.provider, self.redirect_address = provider, redirect_address
        self._clock, self._lock = clock, threading.Lock()
        self._seats = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._published: tuple[float, Published] | None = None
        self._keys: tuple[float, Mapping[str, Mapping[str, Any]]] | None = None
        self._looks: deque[float] = deque(maxlen=MOST_LOOKS)

    def address_of(self, flow: Flow) -> str:
        """Return where the person signs in; raises ProviderError and OverloadError."""
        with self._seat():
            published = self.published()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect_address,
            "scope": " ".join(self.provider.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        return f"{published.authorization}{'&' if '?' in published.authorization else '?'}{urlencode(asked)}"

    def claims(self, flow: Flow, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the verified claims of the person whom the provider sent back with this query.

        Raises ForbiddenError for what is not to be believed, ProviderError and OverloadError.
        """
        with self._seat():
            published = self.published()
            self._require_own(published, query)
            tokens = self._redeem(published, self._code(query), flow)
            claims = self._verified(published, tokens, flow)
            if self.provider.has_claims(claims) or published.userinfo is None:
                return claims
            return {**self._userinfo(published.userinfo, tokens, claims), **claims}

    def published(self) -> Published:
        """Return what the provider publishes; raises ProviderError."""
        with self._lock:
            now = self._clock()
            if self._published is None or now - self._published[0] > KEPT_SECONDS:
                self._published = now, self._discover()
            return self._published[1]

    def _discover(self) -> Published:
        issuer = self.provider.issuer
        address = f"{issuer.rstrip('/')}{DISCOVERY}"
        found = self._ask("discovery document", address).content
        if found.get("issuer") != issuer:
            raise self._fault(
                f"{address} is of another issuer: {str(found.get('issuer'))[:_LONGEST_SAID]!r}",
                "Write 'issuer' in the sign-in file exactly as the provider does, also with a slash at its end or none",
            )
        methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return Published(
            self._endpoint(found, "authorization_endpoint"),
            self._endpoint(found, "token_endpoint"),
            self._endpoint(found, "jwks_uri"),
            self._endpoint(found, "userinfo_endpoint") if found.get("userinfo_endpoint") else None,
            takes_basic="client_secret_basic" in methods,
            names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        )

    def _endpoint(self, found: Mapping[str, Any], name: str) -> str:
        """Return an address of the provider: of https, or on this machine where the provider is."""
        address = found.get(name)
        if not isinstance(address, str) or not is_secure(address):
            raise self._fault(f"its {name} is no address of https", "Correct the provider's configuration")
        if address.startswith("http:") and not is_loopback(self.provider.issuer):
            raise self._fault(f"its {name} is on this machine, and it is not", "Correct the provider's configuration")
        return address

    def _require_own(self, published: Published, query: Mapping[str, str]) -> None:
        """Raise ForbiddenError for an answer of another provider (RFC 9207)."""
        said = query.get("iss")
        if said != self.provider.issuer and (said is not None or published.names_itself):
            raise ForbiddenError(f"The answer is not one of {self.provider.name}", _RESTART)

    def _code(self, query: Mapping[str, str]) -> str:
        if "error" in query:
            said = _plain(query["error"])
            _LOG.warning(
                "%s signs nobody in: %s (%s)", self.provider.name, said, _plain(query.get("error_description"))
            )
            raise ForbiddenError(f"{self.provider.name} did not sign you in ({said})", _FAULTS.get(said, _RESTART))
        if not query.get("code"):
            raise ForbiddenError(f"The answer of {self.provider.name} has no code", _RESTART)
        return query["code"]

    def _redeem(self, published: Published, code: str, flow: Flow) -> Mapping[str, Any]:
        """Return the tokens that a code is worth."""
        provider, secret = self.provider, client_secret(self.provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_address,
            "code_verifier": flow.verifier,
        }
        headers = {}
        if published.takes_basic:
            pair = f"{_quoted(provider.client_id)}:{_quoted(secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": provider.client_id, "client_secret": secret}
        answer = self._send("code", published.token, form, headers)
        if answer.status == _OK:
            return answer.content
        said = _plain(answer.content.get("error"))
        fix = _FAULTS.get(said, "See the gateway's log, and the provider's")
        described = _plain(answer.content.get("error_description"))
        raise self._fault(f"it takes no code from this gateway ({answer.status}, {said})", fix, described)

    def _verified(self, published: Published, tokens: Mapping[str, Any], flow: Flow) -> Mapping[str, Any]:
        token = tokens.get("id_token")
        if not isinstance(token, str):
            raise self._fault("it gives no ID token", f"Allow this client the scope {self.provider.scopes[0]!r}")
        key = self._key(published, key_id_of(token, self.provider))
        return claims_of(token, key, self.provider, flow.nonce)

    def _key(self, published: Published, key_id: str) -> Mapping[str, Any]:
        """Return the key of an id; "" is the only one there is. Raises ForbiddenError for an unknown one."""
        with self._lock:
            now = self._clock()
            keys = {} if self._keys is None or now - self._keys[0] > KEPT_SECONDS else self._keys[1]
            if key_id not in keys and self._may_look(now):
                self._looks.append(now)
                keys = keys_of(self._ask("keys", published.keys).content)
                self._keys = now, keys
        found = keys.get(key_id)
        if found is None:
            raise ForbiddenError(
                f"The ID token of {self.provider.name} is signed with a key that it does not publish",
                f"Sign in again in {LOOK_SECONDS:.0f} s; if that does not help, correct the provider's keys",
            )
        return found

    def _may_look(self, now: float) -> bool:
        return len(self._looks) < MOST_LOOKS or now - self._looks[0] >= LOOK_SECONDS

    def _userinfo(self, address: str, tokens: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the provider says of the person beside the ID token, which must be of the same person."""
        authorized = {"authorization": f"Bearer {tokens.get('access_token')}"}
        found = self._ask("userinfo", address, authorized).content
        if found.get("sub") != claims["sub"]:
            raise ForbiddenError(f"{self.provider.name} describes another person than the ID token", _RESTART)
        return found

    def _ask(self, what: str, address: str, headers: Mapping[str, str] | None = None) -> Received:
        answer = self._send(what, address, None, headers)
        if answer.status != _OK:
            raise self._fault(
                f"{what}: it answers {answer.status}", f"Correct 'issuer', or the provider: see {address}"
            )
        return answer

    def _send(
        self, what: str, address: str, form: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> Received:
        try:
            return exchange(address, form, headers)
        except ExchangeError as error:
            raise self._fault(
                f"{what}: {error}", f"Check from the gateway's host that {self.provider.issuer} answers, and try again"
            ) from error

    def _fault(self, problem: str, fix: str, detail: str = "") -> ProviderError:
        _LOG.warning("Signing in with %s fails: %s %s", self.provider.name, problem, detail)
        return ProviderError(f"Signing in with {self.provider.name} does not work now: {problem}", fix)

    @contextmanager
    def _seat(self) -> Iterator[None]:
        if not self._seats.acquire(blocking=False):
            raise OverloadError(f"{self.provider.name} is slow, and others are signing in", "Try again in a moment")
        try:
            yield
        finally:
            self._seats.release()


def _quoted(text: str) -> str:
    """Return a text for HTTP Basic as OAuth wants it; a space as %20, which also those take who know no +."""
    return quote(text, safe="")


def _plain(said: object) -> str:
    """Return what a provider says for a page and the log: short, and printable."""
    text = said if isinstance(said, str) else "no reason"
    return "".join(letter for letter in text[:_LONGEST_SAID] if letter.isprintable())
