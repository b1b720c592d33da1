"""A provider of identities that misbehaves as a test wants: forged tokens, a foreign discovery document, silence.

It is an HTTP server on loopback that signs whatever it is told to sign.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT = "modelops"
KEYS = {name: rsa.generate_private_key(65537, 2048) for name in ("first", "second")}
CURVE = ec.generate_private_key(ec.SECP256R1())
WEAK = rsa.generate_private_key(65537, 1024)
JSON = "application/json"
Content = bytes | Callable[[Any], None]


def rsa_jwk(key: rsa.RSAPrivateKey, key_id: str | None, **more: str) -> dict[str, Any]:
    """Return a public key as the provider publishes it."""
    found = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    del found["key_ops"]
    return {**found, "use": "sig", **({} if key_id is None else {"kid": key_id}), **more}


def curve_jwk(key_id: str) -> dict[str, Any]:
    """Return CURVE's public part as the provider publishes it."""
    return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())), "kid": key_id}


@dataclass
class HostileProvider:
    """What the server says at each path, and how often it was asked; ``nonce`` is the one of the last sign-in."""

    url: str = ""
    nonce: str = ""
    keys: list[dict[str, Any]] = field(default_factory=lambda: [rsa_jwk(KEYS["first"], "first")])
    claims: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    discovery: dict[str, Any] = field(default_factory=dict)
    token: Callable[["HostileProvider"], str] = field(default_factory=lambda: HONEST)
    status: int = 200
    instead: dict[str, Content] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    released: threading.Event = field(default_factory=threading.Event)

    def all_claims(self) -> dict[str, Any]:
        """Return the claims of an honest token with what the test changes."""
        now = int(time())
        honest = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "u-1",
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 300,
            "email": "ann@example.org",
            "groups": ["readers"],
        }
        return {name: value for name, value in {**honest, **self.claims}.items() if name not in self.left_out}

    def answer(self, path: str) -> bytes:
        """Return the answer at a path."""
        endpoints = {f"{name}_endpoint": f"{self.url}/{name}" for name in ("authorization", "token", "userinfo")}
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/.well-known/openid-configuration": lambda: {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                **endpoints,
                **self.discovery,
            },
            "/jwks": lambda: {"keys": self.keys},
            "/token": lambda: {"id_token": self.token(self), "access_token": "a" * 40, "token_type": "Bearer"},
            "/userinfo": lambda: {"sub": "u-2", "groups": ["readers"]},
        }
        return json.dumps(answers[path]()).encode()


def signed(key: Any = KEYS["first"], algorithm: str = "RS256", **header: Any) -> Callable[[HostileProvider], str]:
    """Return what makes a token of the provider's claims; without ``kid`` it names the first key."""
    named = {"kid": "first", **header}
    headers = {name: value for name, value in named.items() if value is not None}
    return lambda provider: jwt.encode(provider.all_claims(), key, algorithm, headers)


HONEST = signed()


@contextmanager
def hostile_provider() -> Iterator[HostileProvider]:
    """Run the server on a port of its own."""
    provider = HostileProvider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def _handler(provider: HostileProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer()

        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            provider.asked[path] += 1
            content = provider.instead.get(path)
            if callable(content):
                content(self)
                return
            body = provider.answer(path) if content is None else content
            self.send_response(provider.status if path == "/token" else 200)
            self.send_header("content-type", JSON)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
