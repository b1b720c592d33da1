"""Signs webhooks by the Standard Webhooks convention: HMAC-SHA256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from modelops_pipelines.core.errors import SettingsError

PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a secret."""


def signed_headers(secrets: Sequence[str], message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Return the headers of one try: id, time of sending, and a signature for each secret.

    Without a secret there is no signature. Raises SettingsError for a secret that is none.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(seconds)}
    if secrets:
        signatures = [sign(secret, message_id, seconds, body) for secret in secrets]
        headers["webhook-signature"] = " ".join(signatures)
    return headers


def sign(secret: str, message_id: str, seconds: int, body: bytes) -> str:
    """Return one signature, ``v1,...``; raises SettingsError for a secret that is none, and does not quote it."""
    signed = f"{message_id}.{seconds}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise SettingsError(
            f"A webhook's secret is not {PREFIX} and the base64 of {_SHORTEST} to {_LONGEST} bytes",
            f"Make one: echo {PREFIX}$(openssl rand -base64 32)",
        )
    return key
