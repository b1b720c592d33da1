"""One exchange with the provider of identities: bounded in time and size, without redirects, and JSON or an error.

The time limit holds for the whole exchange: a provider that sends a byte now and then holds up nobody.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = 5.0
MOST_BYTES = 256 * 1024
_REDIRECTS = range(300, 400)


class ExchangeError(Exception):
    """No JSON object was received; the text says why, in words for a log and a page."""


@dataclass(frozen=True)
class Received:
    """A provider's answer: its status, and the JSON object that it is."""

    status: int
    content: Mapping[str, Any]


def exchange(
    url: str,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float = SECONDS,
    most_bytes: int = MOST_BYTES,
) -> Received:
    """Get an address, or post a form to it, and return the answer; raises ExchangeError. For threads without a loop."""
    import httpx

    asked = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
    try:
        status, body = asyncio.run(_exchange(url, form, asked, seconds, most_bytes))
    except TimeoutError as error:
        raise ExchangeError(f"no answer within {seconds:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ExchangeError(f"the connection failed ({str(error)[:200] or type(error).__name__})") from error
    if status in _REDIRECTS:
        raise ExchangeError(f"it answers {status}: redirects are not followed")
    return Received(status, _object(status, body))


async def _exchange(
    url: str, form: Mapping[str, str] | None, headers: Mapping[str, str], seconds: float, most_bytes: int
) -> tuple[int, bytes]:
    import httpx

    method, body = "GET" if form is None else "POST", bytearray()
    async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=2 * seconds, follow_redirects=False) as client:
        async with client.stream(method, url, data=form, headers=headers) as answer:
            async for part in answer.aiter_raw():
                body += part
                if len(body) > most_bytes:
                    raise ExchangeError(f"its answer is over {most_bytes // 1024} KiB")
        return answer.status_code, bytes(body)


def _object(status: int, body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ExchangeError(f"it answers {status}, and what is no JSON object")
    return found
