"""Verifies an ID token: who signed it, for whom, when, and for which sign-in. Nothing in it is believed before."""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from modelops_pipelines.core.access.identities import Provider
from modelops_pipelines.core.errors import ForbiddenError

LEEWAY_SECONDS: Final = 60
_MOST_KEYS, _LONGEST_TOKEN, _LONGEST_SUBJECT = 100, 64 * 1024, 255
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",)}
_REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat", "nonce")


def keys_of(document: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the usable public keys of a JWK set by their ids; a single one also by "", for tokens that name none."""
    listed = document.get("keys")
    keys = [key for key in listed[:_MOST_KEYS] if _is_usable(key)] if isinstance(listed, list) else []
    found = {str(key["kid"]): key for key in keys if key.get("kid")}
    return {**found, "": keys[0]} if len(keys) == 1 else found


def key_id_of(token: str, provider: Provider) -> str:
    """Return the id of the key that a token names, "" for none; raises ForbiddenError for what is no token."""
    import jwt

    try:
        named = None if len(token) > _LONGEST_TOKEN else jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        named = None
    if named is None:
        raise _refused(provider, "it is none", "Sign in again")
    return str(named.get("kid", ""))


def claims_of(token: str, key: Mapping[str, Any], provider: Provider, nonce: str) -> Mapping[str, Any]:
    """Return the claims of a token; raises ForbiddenError unless this provider made it now, for us and this sign-in.

    Its algorithm must be one of the key's, and none is symmetric: a token signed with a published key is refused.
    """
    import jwt

    algorithm = str(jwt.get_unverified_header(token).get("alg"))
    if algorithm not in _algorithms(key):
        raise _refused(provider, f"its algorithm {algorithm[:20]!r} is not one of its key", "Have it sign with RS256")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm),
            algorithms=[algorithm],
            audience=provider.client_id,
            issuer=provider.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_REQUIRED), "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError as error:
        raise _refused(provider, *_words(error)) from error
    _require_ours(claims, provider, nonce)
    return claims


def _require_ours(claims: Mapping[str, Any], provider: Provider, nonce: str) -> None:
    """Raise ForbiddenError for a token of another sign-in, or one that was made for another client."""
    if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise _refused(provider, "it is not of this sign-in (nonce)", "Sign in again")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else provider.client_id) != provider.client_id:
        raise _refused(provider, "it was made for another client (azp)", "Correct client_id in the sign-in file")
    if not 0 < len(claims["sub"]) <= _LONGEST_SUBJECT:
        raise _refused(provider, "its subject is empty or too long", "Correct the provider's configuration")


def _is_usable(key: Any) -> bool:
    return isinstance(key, dict) and key.get("use", "sig") == "sig" and "d" not in key and bool(_algorithms(key))


def _algorithms(key: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the algorithms that a key verifies; none for a symmetric key, and for an unknown kind."""
    curve = _CURVES.get(str(key.get("crv")), ())
    known = _RSA if key.get("kty") == "RSA" else curve if key.get("kty") in ("EC", "OKP") else ()
    named = key.get("alg")
    return known if named is None else tuple(one for one in known if one == named)


def _words(error: Exception) -> tuple[str, str]:
    """Return what is wrong with a token, and what to do."""
    import jwt

    clocks = "Compare the clocks of the gateway's host and of the provider"
    kinds: dict[type[Exception], tuple[str, str]] = {
        jwt.ExpiredSignatureError: ("it has expired", clocks),
        jwt.ImmatureSignatureError: ("it is of the future", clocks),
        jwt.InvalidAudienceError: ("it was made for another client", "Correct client_id in the sign-in file"),
        jwt.InvalidIssuerError: ("it is of another issuer", "Correct 'issuer' in the sign-in file"),
        jwt.InvalidSignatureError: ("its signature is wrong", "Sign in again"),
    }
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it lacks {error.claim!r}", "Correct the provider's configuration"
    return kinds.get(type(error), (f"it is not valid ({type(error).__name__})", "Correct the provider's configuration"))


def _refused(provider: Provider, problem: str, fix: str) -> ForbiddenError:
    return ForbiddenError(f"The ID token of {provider.name} is refused: {problem}", fix)
