# ruff: noqa: ARG002 - the arguments are those that Authlib gives
"""A provider of identities on loopback: Authlib's OpenID Connect server, with people, a password form and one client.

What it checks is Authlib's: the client's secret, the redirect address, PKCE, and that a code is good once. It knows
nothing of our code.
"""

import hmac
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
import pytest
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin, OpenIDCode, UserInfo
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "modelops", "s&cret:of the/client+%"
PASSWORD = "correct horse"
KEY = {"use": "sig", "alg": "RS256"}
FORM = """<!doctype html><html lang="en"><title>Sign in</title><link rel="icon" href="data:,"><main><h1>Example SSO</h1><form method="post">
<label>Who <input name="user" autocomplete="username" autofocus></label>
<label>Password <input name="password" type="password" autocomplete="off"></label>
<button>Go on</button></form></main></html>"""


@dataclass
class Client(ClientMixin):
    """This gateway, as the provider knows it."""

    redirect_address: str
    method: str = "client_secret_basic"

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.redirect_address

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(one for one in scope.split() if one in ("openid", "profile", "email"))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_address

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(client_secret.encode(), SECRET.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):
    """A code that was given out."""

    code: str
    user: str
    scope: str
    redirect_uri: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())


@dataclass
class Token(TokenMixin):
    """An access token that was given out."""

    user: str
    scope: str

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False

    def get_scope(self) -> str:
        return self.scope


@dataclass
class IdentityProvider:
    """The provider's people by their subject, each with claims, its key, and what it has given out."""

    people: dict[str, dict[str, Any]]
    url: str = ""
    client: Client = field(default_factory=lambda: Client(""))
    thin: bool = False
    """Whether the ID token names nobody, so that who wants to know more must ask for it."""
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, KEY, auto_kid=True))

    def rotate_key(self) -> None:
        """Sign with a new key from now on; the one before is published no more."""
        self.key = RSAKey.generate_key(2048, KEY, auto_kid=True)


@contextmanager
def identity_provider(people: dict[str, dict[str, Any]]) -> Iterator[IdentityProvider]:
    """Run a provider on a port of its own; its client's redirect address is to be set by the test."""
    provider = IdentityProvider(people)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # Authlib refuses http, also on loopback
        server = make_server("127.0.0.1", 0, _application(provider), threaded=True)
        provider.url = f"http://localhost:{server.server_port}"  # to a browser another site than 127.0.0.1
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)


def _application(provider: IdentityProvider) -> flask.Flask:
    app = flask.Flask("provider")
    server = AuthorizationServer(app, query_client=_client_of(provider), save_token=_save_to(provider))
    server.register_grant(_grant_of(provider), [_openid_of(provider)(require_nonce=True), CodeChallenge(required=True)])
    protector = ResourceProtector()
    protector.register_token_validator(_validator_of(provider)())

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Any:
        return {
            "issuer": provider.url,
            "authorization_endpoint": f"{provider.url}/authorize",
            "token_endpoint": f"{provider.url}/token",
            "userinfo_endpoint": f"{provider.url}/userinfo",
            "jwks_uri": f"{provider.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": [provider.client.method],
        }

    @app.get("/jwks")
    def jwks() -> Any:
        return {"keys": [provider.key.as_dict(private=False)]}

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        try:
            grant = server.get_consent_grant(end_user=None)
        except OAuth2Error as error:
            return f"{error.error}: {error.description}", 400
        if flask.request.method == "GET":
            return FORM
        user = flask.request.form["user"]
        known = user in provider.people and flask.request.form["password"] == PASSWORD
        return server.create_authorization_response(grant_user=user if known else None, grant=grant)

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    @app.get("/userinfo")
    @protector("openid")
    def userinfo() -> Any:
        return {"sub": current_token.user, **provider.people[current_token.user]}

    return app


def _client_of(provider: IdentityProvider) -> Any:
    return lambda client_id: provider.client if client_id == CLIENT else None


def _save_to(provider: IdentityProvider) -> Any:
    def save(token: dict[str, Any], request: Any) -> None:
        provider.tokens[token["access_token"]] = Token(request.user, token.get("scope", ""))

    return save


def _grant_of(provider: IdentityProvider) -> type[AuthorizationCodeGrant]:
    class Grant(AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012 - Authlib's name

        def save_authorization_code(self, code: str, request: Any) -> None:
            asked = request.payload.data
            provider.codes[code] = Code(
                code,
                request.user,
                request.payload.scope,
                request.payload.redirect_uri,
                asked.get("nonce"),
                asked.get("code_challenge"),
                asked.get("code_challenge_method"),
            )

        def query_authorization_code(self, code: str, client: Client) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: Code) -> str:
            return authorization_code.user

    return Grant


def _openid_of(provider: IdentityProvider) -> type[OpenIDCode]:
    class Openid(OpenIDCode):
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def resolve_client_private_key(self, client: Client) -> RSAKey:
            return provider.key

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            return {"iss": provider.url, "aud": [client.get_client_id()]}

        def generate_user_info(self, user: str, scope: str) -> UserInfo:
            return UserInfo(sub=user, **({} if provider.thin else provider.people[user]))

        def get_encode_header(self, client: Any) -> dict[str, Any]:
            return {"alg": "RS256", "kid": provider.key.kid}

    return Openid


def _validator_of(provider: IdentityProvider) -> type[BearerTokenValidator]:
    class Validator(BearerTokenValidator):
        def authenticate_token(self, token_string: str) -> Token | None:
            return provider.tokens.get(token_string)

    return Validator
