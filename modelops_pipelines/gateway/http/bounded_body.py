"""Reads a request's body into memory, up to a bound."""

from starlette.requests import ClientDisconnect, Request

from modelops_pipelines.core.errors import MalformedError, TooLargeError


async def read_at_most(request: Request, most: int, too_large: TooLargeError, incomplete: MalformedError) -> bytes:
    """Return the whole body; raises ``too_large`` over ``most`` bytes, ``incomplete`` when the caller leaves."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
    except ClientDisconnect as error:
        raise incomplete from error
    return bytes(body)
