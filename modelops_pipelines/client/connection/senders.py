"""Sends calls over a pool of connections: one driver that blocks, one that awaits."""

import asyncio
import ssl
import time
from typing import Any, Generic, Self, TypeVar

import httpx

from modelops_pipelines.client.connection.addresses import Address, find_address
from modelops_pipelines.client.connection.call import Call
from modelops_pipelines.client.connection.exchange import Lost, Pause, Reply, Step, exchange
from modelops_pipelines.core.access.api_keys import KEY_HEADER

T = TypeVar("T")
Pool = TypeVar("Pool", httpx.Client, httpx.AsyncClient)
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CONNECT_SECONDS = 5.0


class _Addressed(Generic[Pool]):
    """What both senders know: where to, with which key, and over which pool of connections."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 120.0,
        retries: int = 2,
        connections: int = 10,
        verify: bool | ssl.SSLContext = True,
    ) -> None:
        """Call the gateway at ``url``, by default MODELOPS_URL, else the port that the project in this folder has.

        ``key`` is by default MODELOPS_API_KEY. ``timeout`` is in seconds: how long the gateway may be silent.
        ``retries``: how often a call is sent again where that is safe. ``connections``: most at the same time.
        ``verify``: False, or an ``ssl.SSLContext``, for a certificate that this machine does not know. Raises
        SettingsError for an address or a key that is none.
        """
        self._address = find_address(url, key)
        self._retries = retries
        self._pool: Pool = self._open(_pool_options(self._address, timeout, connections, verify))

    def _open(self, options: dict[str, Any]) -> Pool:
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the address, and whether there is a key, never the key."""
        with_key = "with a key" if self._address.key else "without a key"
        return f"<{type(self).__name__} of {self._address.url} {with_key}>"

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        headers = call.fields
        if self._address.key:
            headers[KEY_HEADER] = self._address.key.encode()
        return {
            "method": call.method,
            "url": call.target,
            "params": call.parameters or None,
            "content": call.content,
            "headers": headers,
        }


class Sender(_Addressed[httpx.Client]):
    """Sends calls and waits for the answers. May be used by several threads."""

    def _open(self, options: dict[str, Any]) -> httpx.Client:
        return httpx.Client(**options)

    def send(self, call: Call[T]) -> T:
        """Send the call, again where that is safe, and return what was answered; raises GatewayError."""
        steps = exchange(call, self._address.url, self._retries)
        got: Reply | Lost | None = None
        try:
            while True:
                step = steps.send(got)
                got = self._perform(step)
        except StopIteration as end:
            answer: T = end.value
            return answer

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _perform(self, step: Step) -> Reply | Lost | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return _reply(self._pool.request(**self._request(step)))
        except httpx.TransportError as error:
            return _lost(error)


class AsyncSender(_Addressed[httpx.AsyncClient]):
    """Sends calls and awaits the answers. Belongs to one event loop."""

    def _open(self, options: dict[str, Any]) -> httpx.AsyncClient:
        return httpx.AsyncClient(**options)

    async def send(self, call: Call[T]) -> T:
        """Send the call, again where that is safe, and return what was answered; raises GatewayError."""
        steps = exchange(call, self._address.url, self._retries)
        got: Reply | Lost | None = None
        try:
            while True:
                step = steps.send(got)
                got = await self._perform(step)
        except StopIteration as end:
            answer: T = end.value
            return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _perform(self, step: Step) -> Reply | Lost | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return _reply(await self._pool.request(**self._request(step)))
        except httpx.TransportError as error:
            return _lost(error)


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.content, response.headers.get("retry-after", ""))


def _lost(error: httpx.TransportError) -> Lost:
    """Return what is known of a failed connection; the reason has no address and no header."""
    cause = error.__cause__ or error
    while isinstance(cause.__cause__ or cause.__context__, OSError):
        cause = cause.__cause__ or cause.__context__ or cause
    reason = getattr(cause, "strerror", None) or type(error).__name__
    return Lost(str(reason), sent=not isinstance(error, _UNSENT))


def _pool_options(address: Address, timeout: float, connections: int, verify: bool | ssl.SSLContext) -> dict[str, Any]:  # noqa: FBT001 - as httpx takes it
    """Return httpx's arguments. Proxies of the environment are for other machines only."""
    return {
        "base_url": address.url,
        "timeout": httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        "limits": httpx.Limits(max_connections=connections),
        "verify": verify,
        "trust_env": not address.is_on_this_machine,
    }
