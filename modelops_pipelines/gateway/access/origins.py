"""Refuses what a foreign page makes a browser send, before any route: by Host, by Origin, and by headers sent twice.

While no key is required, only who may call protects the gateway, and a browser on this machine may call for any page.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from modelops_pipelines.core.access.hosts import KnownHosts, known_hosts, read_hosts
from modelops_pipelines.core.errors import ForbiddenError, MalformedError, ModelOpsError
from modelops_pipelines.gateway.access.keyring import Keyring

SHOWN = 80
SINGLE = frozenset(
    {
        b"host", b"origin", b"content-type", b"x-api-key", b"x-user-id", b"x-session-id", b"x-client-request-id",
        b"x-event-time", b"x-test-call", b"idempotency-key",
    }
)  # fmt: skip
"""Headers that the gateway reads; two of one would let a caller and a proxy in front of it mean different things."""


class Origins:
    """Judges each request's Host and Origin by the names of this gateway."""

    def __init__(self, keyring: Keyring, host: str, allowed: str | None) -> None:
        """Know loopback, the address that the gateway listens on, and the names of the setting ``allowed_hosts``."""
        self._keyring = keyring
        self._known: KnownHosts = known_hosts(host, read_hosts(allowed or ""))
        self._served: set[bytes | None] = {None}  # a browser always sends a Host

    def refusal(self, given: Mapping[bytes, bytes], sent: Sequence[tuple[bytes, bytes]]) -> ModelOpsError | None:
        """Return why the request is refused; None for what may go on to its route. ``given`` are the headers by name.

        Host is judged while no key is required, and always where the setting names hosts: DNS rebinding gains nothing
        from a gateway that asks for a key.
        """
        if len(given) < len(sent) and (twice := _sent_twice(sent)) is not None:
            return MalformedError(f"The header {twice} is in the request twice", "Send it once")
        host, origin = given.get(b"host"), given.get(b"origin")
        if host not in self._served and (self._keyring.is_open or self._known.allowed) and not self._serves(host):
            return ForbiddenError(
                f"This gateway is not {(host or b'').decode('latin-1')[:SHOWN]!r}, the request's Host",
                "Call it as localhost, or name the host in MODELOPS_ALLOWED_HOSTS",
            )
        if origin is not None and not self._known.trusts(origin.decode("latin-1"), (host or b"").decode("latin-1")):
            return ForbiddenError(
                f"A page of {origin.decode('latin-1')[:SHOWN]!r} may not call this gateway",
                "Call it from a program, or name the page's host in MODELOPS_ALLOWED_HOSTS",
            )
        return None

    def _serves(self, host: bytes | None) -> bool:
        """Return whether the Host is one of this gateway's names; few are, so these are remembered."""
        serves = self._known.serves((host or b"").decode("latin-1"))
        if serves and len(self._served) < SHOWN:
            self._served.add(host)
        return serves


def _sent_twice(sent: Sequence[tuple[bytes, bytes]]) -> str | None:
    counts = Counter(name for name, _ in sent)
    return next((name.decode() for name in sorted(SINGLE) if counts[name] > 1), None)
