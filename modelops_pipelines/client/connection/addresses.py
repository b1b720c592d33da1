"""Where the gateway is, and the key: an argument, else the environment, else the project in this folder."""

import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from modelops_pipelines.core.access.api_keys import KEY_VARIABLE
from modelops_pipelines.core.errors import SettingsError

URL_VARIABLE = "MODELOPS_URL"


@dataclass(frozen=True)
class Address:
    """A gateway's address, and the key for it, which no text about it shows."""

    url: str
    key: str | None = field(default=None, repr=False)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether requests stay on this machine; no proxy is asked for these."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def find_address(url: str | None, key: str | None) -> Address:
    """Return the address given, else that of MODELOPS_URL, else of the project in this folder; and the key.

    Raises SettingsError for an address that is none, and for a key that no header can carry.
    """
    found = url or os.environ.get(URL_VARIABLE) or _of_project()
    secret = key or os.environ.get(KEY_VARIABLE) or None
    if secret is not None and not (secret.isascii() and secret.isprintable()):
        raise SettingsError(
            "The API key has characters that no key has", f"Correct {KEY_VARIABLE}, or the argument key"
        )
    return Address(_checked(found), secret)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
        is_plain = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
    except ValueError:
        is_plain = False
        parts = urlsplit("")
    if not is_plain or parts.username is not None or parts.password is not None:
        raise SettingsError(
            "The gateway's address is no plain web address",
            f"Give url, or set {URL_VARIABLE}, such as http://127.0.0.1:8000; the key goes into key or {KEY_VARIABLE}",
        )
    return url.rstrip("/")


def _of_project() -> str:
    from modelops_pipelines.store.settings import load_settings

    return load_settings().gateway_url
