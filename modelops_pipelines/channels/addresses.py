"""Which addresses of the network a message may be sent to: public ones, and where it is allowed those of this network.

A name is resolved once, all its addresses are judged, and the connection is made to an address that was judged: a name
that leads elsewhere a moment later changes nothing.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_TRANSLATED = (IPv6Network("64:ff9b::/96"), _LOCAL_NAT64, IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
"""IPv6 networks whose addresses end with one of IPv4."""
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""What stands before an IPv4 address at the end of an IPv6 address which leads to it in any network."""
_OF_CLOUDS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # AWS
        "fd00:c1::/32",  # Oracle
        "fd20:ce::/32",  # Google
    )
)
"""Addresses of a cloud's own services which are not link-local; some of them count as public ones."""


class RefusedAddressError(Exception):
    """A receiver at an address that is not allowed. The text does not say which."""


@dataclass(frozen=True)
class Target:
    """One address to connect to, as ``socket`` takes it."""

    family: int
    address: tuple[str | int, ...]


def targets_of(name: str, port: int, *, allow_private: bool) -> Sequence[Target]:
    """Resolve a host, and return all its addresses.

    Raises RefusedAddressError when one of them is not allowed, OSError when the name cannot be resolved.
    """
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError from None
    targets = [Target(family, (str(host), *rest)) for family, _, _, _, (host, *rest) in found]
    for target in targets:
        require_allowed(str(target.address[0]), allow_private=allow_private)
    return targets


def require_allowed(text: str, *, allow_private: bool) -> None:
    """Raise RefusedAddressError for an address that is not allowed, or is none."""
    try:
        address = ip_address(text)
    except ValueError:
        raise RefusedAddressError("it is no address of a network") from None
    if not is_allowed(address, allow_private=allow_private):
        raise RefusedAddressError("it is at an address of this machine, of a private network or of the cloud's own")


def is_allowed(address: IPAddress, *, allow_private: bool) -> bool:
    """Return whether a message may be sent to an address.

    Addresses of clouds' own services, where they keep their credentials, are never allowed (they are link-local, but
    for some); nor are multicast and unspecified ones.
    """
    return all(_is_allowed(one, allow_private=allow_private) for one in _inner(address))


def _is_allowed(inner: IPAddress, *, allow_private: bool) -> bool:
    if inner.is_multicast or inner.is_unspecified or inner.is_link_local:
        return False
    if any(inner in network for network in _OF_CLOUDS if network.version == inner.version):
        return False
    is_site_local = isinstance(inner, IPv6Address) and inner.is_site_local
    return allow_private or (inner.is_global and not is_site_local)


def _inner(address: IPAddress) -> tuple[IPAddress, ...]:
    """Return the IPv4 addresses that an IPv6 address leads to (mapped, 6to4, Teredo, NAT64, ISATAP); else itself."""
    if isinstance(address, IPv4Address):
        return (address,)
    for found in (address.ipv4_mapped, address.sixtofour, (address.teredo or (None, None))[1]):
        if found is not None:
            return (found,)
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:  # its translator decides in which of two places the address stands
        return (last, IPv4Address((number >> 48 & 0xFFFF0000) | (number >> 40 & 0xFFFF)))
    is_loopback_or_none = number <= 1
    if not is_loopback_or_none and any(address in network for network in _TRANSLATED):
        return (last,)
    return (address, last) if number >> 32 & 0xFFFFFFFF in _ISATAP else (address,)
