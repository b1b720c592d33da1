"""Answers while no worker serves: 503 with the kind of the problem, so that callers are not left waiting.

While the gateway starts it is alive, and not ready: it imports for seconds before its workers begin.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from modelops_pipelines.core.errors import NotReadyError, StateError
from modelops_pipelines.gateway.http.errors import STATE, UNAVAILABLE, body_of, headers_of

OK = 200
STARTING = "starting"
NOT_YET = NotReadyError("The gateway is starting", "Try again in a moment")
NOT_READY = NotReadyError("No worker of this gateway can start", "Its log says why; it tries again by itself")


class StandIn:
    """The ASGI application of a gateway without a worker."""

    def __init__(self, code: str) -> None:
        """Answer with the error of this code: the state's own, that the gateway starts, or that no worker is ready."""
        errors: dict[str, StateError | NotReadyError] = {"state": STATE, STARTING: NOT_YET}
        self._error = errors.get(code, NOT_READY)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
            pass  # a caller that is still sending would see its connection reset
        path = scope.get("path", "")
        if path == "/health/live":
            await _answer(send, OK, {"status": "live"})
        elif path == "/health/ready":
            await _answer(send, UNAVAILABLE, {"status": "not ready"})
        else:
            extra = [(name.encode(), value.encode()) for name, value in headers_of(self._error).items()]
            await _answer(send, UNAVAILABLE, body_of(self._error, None), extra)


async def _live(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Any, status: int, body: dict[str, Any], extra: Sequence[tuple[bytes, bytes]] = ()) -> None:
    content = orjson.dumps(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
