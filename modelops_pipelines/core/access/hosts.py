"""Which names the gateway answers to, and the pages of which origins may call it.

A browser sends a page's origin with whatever the page posts, and the name in its address bar as Host. So a foreign page
is known by its Origin; and a page whose own name was pointed at this machine (DNS rebinding) by its Host.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)")
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of one address. Another loopback address may be another program's, with a page of its own at the same port."""
_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Authority:
    """A host's name or address in lower case, and its port as text; "" where none is given."""

    name: str
    port: str

    @property
    def is_loopback(self) -> bool:
        """Whether this is ``localhost`` or an address of this machine that no other can reach."""
        try:
            return ipaddress.ip_address(self.name.strip("[]")).is_loopback
        except ValueError:
            return self.name == "localhost"


def read_authority(text: str) -> Authority | None:
    """Return the authority of ``name``, ``name:port`` or ``[address]:port``; None for anything else."""
    match = _AUTHORITY.fullmatch(text.strip().lower())
    return Authority(match[1], match[2] or "") if match else None


def read_hosts(text: str) -> tuple[Authority, ...]:
    """Return the hosts of a setting, separated by commas; raises ValueError with the one that is no host."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        authority = read_authority(part)
        if authority is None:
            raise ValueError(part)
        found.append(authority)
    return tuple(found)


def read_origins(text: str) -> tuple[str, ...]:
    """Return the origins of a setting, as browsers write them; raises ValueError with the one that is no origin."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _ORIGIN.fullmatch(part.lower().removesuffix("/"))
        authority = read_authority(match[2]) if match else None
        if match is None or authority is None:
            raise ValueError(part)
        port = "" if authority.port in ("", _PORTS[match[1]]) else f":{authority.port}"
        found.append(f"{match[1]}://{authority.name}{port}")
    return tuple(found)


@dataclass(frozen=True)
class KnownHosts:
    """The names of this gateway: loopback, the address that it listens on, and those of the setting."""

    own: Authority | None = None
    allowed: tuple[Authority, ...] = ()

    def serves(self, host: str) -> bool:
        """Return whether a request's Host is one of these names, at any port where the setting names none."""
        given = read_authority(host)
        if given is None or given.is_loopback:
            return given is not None
        own = self.own is not None and given.name == self.own.name
        return own or any(given.name == known.name and known.port in ("", given.port) for known in self.allowed)

    def trusts(self, origin: str, host: str) -> bool:
        """Return whether a page of this origin may call: it has the request's own Host, or a name of the setting."""
        match = _ORIGIN.fullmatch(origin.strip().lower())
        given, asked = read_authority(match[2]) if match else None, read_authority(host)
        if match is None or given is None:
            return False
        port = given.port or _PORTS[match[1]]
        if any(given.name == known.name and port == (known.port or _PORTS[match[1]]) for known in self.allowed):
            return True
        if asked is None or port != (asked.port or _PORTS[match[1]]):
            return False
        return given.name == asked.name or {given.name, asked.name} <= _THIS_MACHINE


def known_hosts(own: str, allowed: Iterable[Authority]) -> KnownHosts:
    """Return the gateway's names; ``own`` is the address that it listens on."""
    return KnownHosts(read_authority(f"[{own}]" if ":" in own else own), tuple(allowed))
