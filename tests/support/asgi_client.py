"""Asking an ASGI application in this process, one request at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    """Send one request; what the application fails on is a response too, as a caller would see it."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    """Send a body in parts, without saying how long it is."""
    for part in parts:
        yield part
