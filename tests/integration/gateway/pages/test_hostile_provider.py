"""What is not believed of a provider of identities, or of who pretends to be one; and that it holds up nobody."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from time import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from modelops_pipelines.core.access.identities import GroupGrant, Provider
from modelops_pipelines.core.errors import ForbiddenError, ModelOpsError, OverloadError, ProviderError
from modelops_pipelines.gateway.pages.identity.client import KEPT_SECONDS, LOOK_SECONDS, MOST_LOOKS, ProviderClient
from modelops_pipelines.gateway.pages.identity.exchange import ExchangeError, exchange
from modelops_pipelines.gateway.pages.identity.flow import new_flow
from tests.fakes.hostile_provider import (
    CURVE,
    KEYS,
    WEAK,
    HostileProvider,
    curve_jwk,
    hostile_provider,
    rsa_jwk,
    signed,
)
from tests.support.waiting import wait_until

HOUR = 3600
DISCOVERY = "/.well-known/openid-configuration"
BACK = "https://ml.example.com/ui/sign-in/callback"


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileProvider]:
    monkeypatch.setenv("OIDC_SECRET", "s")
    with hostile_provider() as running:
        yield running


@pytest.fixture
def clock() -> list[float]:
    """Return the client's time, in seconds."""
    return [1000.0]


@pytest.fixture
def client(hostile: HostileProvider, clock: list[float]) -> ProviderClient:
    groups = (("readers", GroupGrant(("read",))),)
    provider = Provider("Example SSO", hostile.url, "modelops", "env:OIDC_SECRET", groups=groups)
    return ProviderClient(provider, BACK, lambda: clock[0])


def sign_in(client: ProviderClient, hostile: HostileProvider, **query: str) -> Any:
    """Come back with a code of a sign-in that began now; return the claims."""
    flow = new_flow(b"installation", "/ui/", datetime.now(UTC))
    hostile.nonce = hostile.nonce or flow.nonce
    try:
        return client.claims(flow, {"code": "abc", **query})
    finally:
        hostile.nonce = ""


def unsigned(provider: HostileProvider) -> str:
    """Return a token with alg none."""
    return f"{_part({'alg': 'none', 'kid': 'first'})}.{_part(provider.all_claims())}."


def confused(provider: HostileProvider) -> str:
    """Return a token that is signed with HS256, and the public key as its secret."""
    secret = KEYS["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    said = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{_part(provider.all_claims())}"
    return f"{said}.{_text(hmac.new(secret, said.encode(), hashlib.sha256).digest())}"


def tampered(provider: HostileProvider) -> str:
    """Return an honest token with other claims put into it."""
    head, _, signature = signed()(provider).split(".")
    return f"{head}.{_part({**provider.all_claims(), 'groups': ['admins']})}.{signature}"


def _part(content: dict[str, Any]) -> str:
    return _text(json.dumps(content).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


TOKENS = {
    "without a signature": (unsigned, "its algorithm 'none' is not one of its key"),
    "HS256 with the public key": (confused, "its algorithm 'HS256' is not one of its key"),
    "changed claims": (tampered, "its signature is wrong"),
    "signed by somebody else": (signed(KEYS["second"]), "its signature is wrong"),
    "of a curve, by the name of another key": (signed(CURVE, "ES256"), "its algorithm 'ES256' is not one of its key"),
    "an unknown key": (signed(KEYS["second"], kid="second"), "is signed with a key that it does not publish"),
    "an extension that must be known": (signed(crit=["exp"]), "it is"),
    "no token": (lambda _: "nonsense", "it is none"),
    "too long": (lambda _: "a" * 70_000 + ".b.c", "it is none"),
}
CLAIMS = {
    "of another issuer": ({"iss": "https://evil.example"}, "it is of another issuer"),
    "for another client": ({"aud": "another"}, "it was made for another client"),
    "for several clients, and not made for us": ({"aud": ["modelops", "x"]}, "it was made for another client (azp)"),
    "for us, and made for another": ({"azp": "another"}, "it was made for another client (azp)"),
    "of another sign-in": ({"nonce": "another"}, "it is not of this sign-in (nonce)"),
    "expired": ({"exp": int(time()) - 90}, "it has expired. Compare the clocks"),
    "of tomorrow": ({"iat": int(time()) + HOUR}, "it is of the future. Compare the clocks"),
    "of nobody": ({"sub": ""}, "its subject is empty or too long"),
    "of a number": ({"sub": 7}, "it is not valid"),
}


def test_an_honest_token_is_believed(client: ProviderClient, hostile: HostileProvider) -> None:
    assert "ann@example.org" == sign_in(client, hostile)["email"]
    hostile.claims = {"aud": ["modelops", "x"], "azp": "modelops", "exp": int(time()) - 30}
    assert "u-1" == sign_in(client, hostile)["sub"]


@pytest.mark.parametrize(("token", "said"), TOKENS.values(), ids=TOKENS)
def test_a_forged_token_is_refused(
    client: ProviderClient, hostile: HostileProvider, token: Callable[[HostileProvider], str], said: str
) -> None:
    hostile.token = token
    with pytest.raises(ForbiddenError) as refused:
        sign_in(client, hostile)
    assert said in str(refused.value)


@pytest.mark.parametrize(("claims", "said"), CLAIMS.values(), ids=CLAIMS)
def test_a_token_of_something_else_is_refused(
    client: ProviderClient, hostile: HostileProvider, claims: dict[str, Any], said: str
) -> None:
    hostile.claims = claims
    with pytest.raises(ForbiddenError) as refused:
        sign_in(client, hostile)
    assert said in str(refused.value)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp", "iat", "nonce"])
def test_a_token_that_lacks_a_claim_is_refused(client: ProviderClient, hostile: HostileProvider, claim: str) -> None:
    hostile.left_out = (claim,)
    with pytest.raises(ForbiddenError, match=f"it lacks '{claim}'"):
        sign_in(client, hostile)


@pytest.mark.parametrize(
    ("keys", "token"),
    [
        ([rsa_jwk(KEYS["first"], "first")], signed(algorithm="PS256")),
        ([rsa_jwk(KEYS["first"], "first", alg="RS512")], signed(algorithm="RS512")),
        ([curve_jwk("first")], signed(CURVE, "ES256")),
        ([rsa_jwk(KEYS["first"], None)], signed(kid=None)),
        ([rsa_jwk(KEYS["second"], "other"), rsa_jwk(KEYS["first"], "first")], signed()),
    ],
    ids=["PSS", "the algorithm that the key names", "a curve", "the only key, without an id", "one of several keys"],
)
def test_an_algorithm_of_the_key_is_taken(
    client: ProviderClient, hostile: HostileProvider, keys: list[dict[str, Any]], token: Callable[..., str]
) -> None:
    hostile.keys, hostile.token = keys, token
    assert "u-1" == sign_in(client, hostile)["sub"]


@pytest.mark.parametrize(
    ("keys", "token"),
    [
        ([rsa_jwk(KEYS["first"], "first", alg="RS512")], signed()),
        ([rsa_jwk(KEYS["first"], "first", use="enc")], signed()),
        ([rsa_jwk(KEYS["first"], "first"), rsa_jwk(KEYS["second"], "second")], signed(kid=None)),
        ([rsa_jwk(WEAK, "first")], signed(WEAK)),
        ([{"kty": "oct", "k": _text(b"k" * 32), "kid": "first"}], signed(b"k" * 32, "HS256")),
        ([], signed()),
        ([7, {}, {"kty": 7}], signed()),
    ],
    ids=["another algorithm", "for encryption", "which of two?", "1024 bits", "symmetric", "no key", "no keys at all"],
)
def test_a_key_that_is_not_for_it_verifies_nothing(
    client: ProviderClient, hostile: HostileProvider, keys: list[Any], token: Callable[..., str]
) -> None:
    hostile.keys, hostile.token = keys, token
    with pytest.raises(ForbiddenError):
        sign_in(client, hostile)


def test_a_new_key_is_fetched_at_once_and_one_that_is_gone_is_forgotten(
    client: ProviderClient, hostile: HostileProvider, clock: list[float]
) -> None:
    sign_in(client, hostile)
    hostile.keys, hostile.token = [rsa_jwk(KEYS["second"], "second")], signed(KEYS["second"], kid="second")
    for _ in range(3):
        sign_in(client, hostile)
    assert (1, 2) == (hostile.asked[DISCOVERY], hostile.asked["/jwks"])
    hostile.token = signed()
    with pytest.raises(ForbiddenError):
        sign_in(client, hostile)
    clock[0] += KEPT_SECONDS + 1
    hostile.token = signed(KEYS["second"], kid="second")
    sign_in(client, hostile)
    assert (2, 4) == (hostile.asked[DISCOVERY], hostile.asked["/jwks"])


def test_invented_keys_are_not_looked_up_each_time(
    client: ProviderClient, hostile: HostileProvider, clock: list[float]
) -> None:
    for number in range(3 * MOST_LOOKS):
        hostile.token = signed(kid=f"invented {number}")
        with pytest.raises(ForbiddenError):
            sign_in(client, hostile)
    assert MOST_LOOKS == hostile.asked["/jwks"]
    hostile.token = signed()
    sign_in(client, hostile)
    clock[0] += LOOK_SECONDS
    hostile.token = signed(kid="invented")
    with pytest.raises(ForbiddenError):
        sign_in(client, hostile)
    assert MOST_LOOKS + 1 == hostile.asked["/jwks"]


@pytest.mark.parametrize(
    ("discovery", "said"),
    [
        ({"issuer": "https://evil.example"}, "is of another issuer: 'https://evil.example'"),
        ({"issuer": "the same with a slash"}, "is of another issuer"),
        ({"issuer": None}, "is of another issuer"),
        ({"token_endpoint": "http://evil.example/token"}, "its token_endpoint is no address of https"),
        ({"jwks_uri": None}, "its jwks_uri is no address of https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "its authorization_endpoint is no address of https"),
        ({"userinfo_endpoint": "https://user:password@evil.example"}, "its userinfo_endpoint is no address of https"),
    ],
)
def test_a_discovery_document_of_something_else_is_refused(
    client: ProviderClient, hostile: HostileProvider, discovery: dict[str, Any], said: str
) -> None:
    hostile.discovery = discovery
    with pytest.raises(ProviderError) as refused:
        client.address_of(new_flow(b"installation", "/ui/", datetime.now(UTC)))
    assert said in str(refused.value)


def test_an_answer_of_another_provider_is_refused(client: ProviderClient, hostile: HostileProvider) -> None:
    assert "u-1" == sign_in(client, hostile, iss=hostile.url)["sub"]
    with pytest.raises(ForbiddenError, match="The answer is not one of Example SSO"):
        sign_in(client, hostile, iss="https://evil.example")
    hostile.discovery = {"authorization_response_iss_parameter_supported": True}
    client = ProviderClient(client.provider, BACK)
    with pytest.raises(ForbiddenError, match="The answer is not one of Example SSO"):
        sign_in(client, hostile)


def test_what_is_said_of_another_person_is_not_taken(client: ProviderClient, hostile: HostileProvider) -> None:
    hostile.left_out = ("groups",)
    with pytest.raises(ForbiddenError, match="describes another person than the ID token"):
        sign_in(client, hostile)


@pytest.mark.parametrize(("query", "said"), [({"error": "access_denied"}, "access_denied"), ({"code": ""}, "no code")])
def test_an_answer_without_a_code_is_told(
    client: ProviderClient, hostile: HostileProvider, query: dict[str, str], said: str
) -> None:
    with pytest.raises(ForbiddenError, match=said):
        sign_in(client, hostile, **query)


def trickle(handler: Any) -> None:
    """Send a byte of the header now and then, for ever."""
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            handler.wfile.write(b"a")
            handler.wfile.flush()
            threading.Event().wait(0.05)


def redirect(handler: Any) -> None:
    """Lead elsewhere."""
    handler.send_response(302)
    handler.send_header("location", "http://127.0.0.1:1/")
    handler.end_headers()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a" * 300_000, "its answer is over 256 KiB"),
        (b"[]", "what is no JSON object"),
        (b"[" * 100_000, "what is no JSON object"),
        (b"<html>", "what is no JSON object"),
        (redirect, "redirects are not followed"),
        (lambda handler: handler.connection.close(), "the connection failed"),
    ],
    ids=["huge", "a list", "nested", "a page", "a redirect", "nothing"],
)
def test_what_is_no_answer_is_told(hostile: HostileProvider, content: Any, said: str) -> None:
    hostile.instead = {"/token": content}
    with pytest.raises(ExchangeError, match=said):
        exchange(f"{hostile.url}/token", {"code": "abc"})


def test_a_byte_now_and_then_is_no_answer(hostile: HostileProvider) -> None:
    hostile.instead = {"/jwks": trickle}
    with pytest.raises(ExchangeError, match=r"no answer within 0\.3 s"):
        exchange(f"{hostile.url}/jwks", seconds=0.3)


@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/jwks", "/userinfo"])
def test_each_of_them_may_fail(client: ProviderClient, hostile: HostileProvider, path: str) -> None:
    hostile.instead, hostile.left_out = {path: redirect}, ("email",)
    with pytest.raises(ProviderError, match="redirects are not followed"):
        sign_in(client, hostile)


@pytest.mark.parametrize("error", ["invalid_client", "invalid_grant", "<script>", None])
def test_what_the_provider_refuses_is_told(client: ProviderClient, hostile: HostileProvider, error: str | None) -> None:
    hostile.status, hostile.instead = 400, {"/token": json.dumps({"error": error}).encode()}
    with pytest.raises(ProviderError, match=f"it takes no code from this gateway \\(400, {error or 'no reason'}\\)"):
        sign_in(client, hostile)


def test_a_provider_that_hangs_takes_few_threads(client: ProviderClient, hostile: HostileProvider) -> None:
    hostile.instead = {"/token": lambda _: hostile.released.wait(30)}
    failed: list[ModelOpsError] = []

    def wait_for_it() -> None:
        try:
            client.claims(new_flow(b"installation", "/ui/", datetime.now(UTC)), {"code": "abc"})
        except ModelOpsError as error:
            failed.append(error)

    waiting = [threading.Thread(target=wait_for_it) for _ in range(4)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: hostile.asked["/token"] == 4, 10)
    with pytest.raises(OverloadError, match="Example SSO is slow"):
        sign_in(client, hostile)
    hostile.released.set()
    for thread in waiting:
        thread.join(10)
    assert [ProviderError] * 4 == [type(error) for error in failed]
    hostile.instead = {}
    assert "u-1" == sign_in(client, hostile)["sub"]
