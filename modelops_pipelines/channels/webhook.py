"""Sends a webhook: one POST to a judged address, without redirects, within a time limit, and little of the answer read.

The time limit holds for the whole exchange: a receiver that sends a byte now and then holds up nobody.
"""

import base64
import email.utils
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import SplitResult, unquote, urlsplit

from modelops_pipelines.channels.addresses import RefusedAddressError, Target, targets_of
from modelops_pipelines.channels.outcome import DELIVERED, Outcome, failed

SECONDS = 10.0
"""The longest that one try may take once the name is resolved."""
MOST_READ = 4096
_PORTS = {"http": 80, "https": 443}
_TRIED_AGAIN = frozenset({401, 403, 404, 407, 408, 409, 421, 423, 424, 425, 429})
"""Answers of 4xx that a correction of the receiver or of its configuration ends; the others judge the message."""


@dataclass(frozen=True)
class Answer:
    """A receiver's answer: its status, and how long it asks us to wait."""

    status: int
    retry_after: timedelta | None = None


def post_webhook(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_private: bool = False,
    seconds: float = SECONDS,
    method: str = "POST",
) -> Outcome:
    """Send a body to an address; the outcome's words name neither the address nor what was answered."""
    try:
        answer = _exchange(url, body, headers, allow_private=allow_private, seconds=seconds, method=method)
    except RefusedAddressError as error:
        return failed(f"the address is refused: {error}; 'allow_private: true' allows private ones")
    except socket.gaierror:
        return failed("the host's name cannot be resolved")
    except TimeoutError:
        return failed(f"no answer within {seconds:g} s")
    except ssl.SSLCertVerificationError as error:
        return failed(f"the certificate is not valid for the host (code {error.verify_code})")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return failed(f"the connection failed ({type(error).__name__})")
    return outcome_of(answer)


def outcome_of(answer: Answer) -> Outcome:
    """Return what an answer means for the message."""
    status = answer.status
    said = f"the receiver answers {status}{_phrase(status)}"
    if 200 <= status < 300:  # noqa: PLR2004 - success
        return DELIVERED
    if status == HTTPStatus.GONE:
        return Outcome(is_delivered=False, error=f"{said}: it wants no more messages", is_off=True)
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return failed(f"{said}: redirects are not followed, write the address that it leads to")
    if 400 <= status < 500 and status not in _TRIED_AGAIN:  # noqa: PLR2004 - the receiver refuses the message
        return Outcome(is_delivered=False, error=said, is_refused=True)
    is_down = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return Outcome(is_delivered=False, error=said, is_down=is_down, retry_after=answer.retry_after)


def _phrase(status: int) -> str:
    with suppress(ValueError):
        return f" {HTTPStatus(status).phrase}"
    return ""


def _exchange(
    url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool, seconds: float, method: str
) -> Answer:
    parts = _parts(url)
    port = parts.port or _PORTS[parts.scheme]
    targets = targets_of(str(parts.hostname), port, allow_private=allow_private)
    connection = http.client.HTTPConnection(str(parts.hostname), port, timeout=seconds)
    connection.default_port = _PORTS[parts.scheme]
    with _within(seconds) as limit:
        connection.sock = _connected(targets, parts, seconds, limit)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body, {**headers, **_credentials(parts)})
            answer = connection.getresponse()
            with suppress(OSError, http.client.HTTPException):
                answer.read(MOST_READ)
            return Answer(answer.status, _retry_after(answer.getheader("retry-after")))
        except (OSError, http.client.HTTPException, ValueError):
            if limit.is_over:
                raise TimeoutError from None
            raise
        finally:
            connection.close()


def _parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError
    return parts


def _credentials(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


class _Limit:
    """Ends an exchange from another thread once its time is over."""

    def __init__(self) -> None:
        self.is_over = False
        self._sock: socket.socket | None = None

    def watch(self, sock: socket.socket) -> None:
        """End this connection when the time is over; raises TimeoutError when it is already."""
        self._sock = sock
        if self.is_over:
            raise TimeoutError

    def end(self) -> None:
        self.is_over = True
        if self._sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


@contextmanager
def _within(seconds: float) -> Iterator[_Limit]:
    limit = _Limit()
    timer = threading.Timer(seconds, limit.end)
    timer.daemon = True
    timer.start()
    try:
        yield limit
    finally:
        timer.cancel()


def _connected(targets: Sequence[Target], parts: SplitResult, seconds: float, limit: _Limit) -> socket.socket:
    """Return a connection to the first address that takes one; with TLS, whose certificate must be the host's."""
    last: OSError = OSError()
    for target in targets:
        sock = socket.socket(target.family, socket.SOCK_STREAM)
        sock.settimeout(seconds)
        try:
            limit.watch(sock)
            sock.connect(target.address)
            if parts.scheme == "http":
                return sock
            sock = _secured(sock, parts, limit)
        except OSError as error:
            sock.close()
            last = error
            if limit.is_over:
                raise TimeoutError from None
        else:
            return sock
    raise last


def _secured(sock: socket.socket, parts: SplitResult, limit: _Limit) -> socket.socket:
    """Return the connection with TLS; it is watched before the handshake, which may take until the limit."""
    context = ssl.create_default_context()
    secured = context.wrap_socket(sock, server_hostname=parts.hostname, do_handshake_on_connect=False)
    try:
        limit.watch(secured)
        secured.do_handshake()
    except OSError:
        secured.close()
        raise
    return secured


def _retry_after(text: str | None) -> timedelta | None:
    """Read a number of seconds or a date; None for anything else."""
    if text is None:
        return None
    with suppress(ValueError, OverflowError, TypeError):
        if text.strip().isdecimal():
            return timedelta(seconds=int(text))
        at = email.utils.parsedate_to_datetime(text)
        return max(timedelta(0), (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC))
    return None
