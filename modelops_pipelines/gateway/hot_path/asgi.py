"""The ASGI side of a prediction request: reads the body, sends the response."""

from typing import Any

from modelops_pipelines.core.errors import TooLargeError
from modelops_pipelines.gateway.bodies.headers import Call, DisconnectedError
from modelops_pipelines.gateway.connections.http_connection import READ_SECONDS
from modelops_pipelines.gateway.hot_path.answers import Answer
from modelops_pipelines.gateway.hot_path.predict import MIB, Predictor

_JSON = (b"content-type", b"application/json")


async def serve_prediction(
    predictor: Predictor, endpoint: str, call: Call, scope: Any, receive: Any, send: Any, *, infer: bool
) -> None:
    """Answer one ASGI prediction request; send nothing when the caller disconnects before the body is complete."""

    async def body(most: int, seconds: float) -> bytes:
        scope[READ_SECONDS] = seconds
        if call.length is not None and call.length > most:
            raise _too_large(most)
        return await _read_body(receive, most)

    try:
        answer = await predictor.answer(endpoint, call, body, infer=infer, query=scope.get("query_string", b""))
    except DisconnectedError:
        return
    await send_answer(send, answer)


async def _read_body(receive: Any, most: int) -> bytes:
    """Return the whole body; raises TooLargeError over ``most`` bytes, DisconnectedError when the caller leaves."""
    chunks: list[bytes] = []
    size = 0
    while (message := await receive())["type"] == "http.request":
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return b"".join(chunks)
    raise DisconnectedError


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"The body is over {most // MIB} MiB", "Send fewer rows per request")


async def send_answer(send: Any, answer: Answer) -> None:
    """Send a response."""
    length = (b"content-length", str(len(answer.content)).encode())
    extra = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": [_JSON, length, *extra]})
    await send({"type": "http.response.body", "body": answer.content})
