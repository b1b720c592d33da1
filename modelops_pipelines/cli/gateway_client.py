"""Calls of commands to the running gateway: the client of programs, with remedies for somebody at a shell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.access.api_keys import KEY_VARIABLE

SECONDS = 120
_KEY_REMEDY = f"Set {KEY_VARIABLE} to a key with the role predict: modelops key create NAME --role predict"
_ADDRESS_REMEDY = "Set MODELOPS_GATEWAY_PORT to the gateway's port, or start the gateway: modelops up"


@dataclass(frozen=True)
class Body:
    """A request's body and its content type."""

    content: bytes
    content_type: str = "application/json"


def predict(
    gateway: str, endpoint: str, body: Body, headers: Mapping[str, str], *, explain: bool = False
) -> dict[str, Any]:
    """Post a body to an endpoint's predictions; sends the API key of the environment, if it is set.

    Raises NoConnectionError when no gateway answers, and for an error response the error that its status stands for.
    """
    from modelops_pipelines.client.connection.call import Call  # loads httpx
    from modelops_pipelines.client.connection.errors import KeyRefusedError, UnreadableAnswerError
    from modelops_pipelines.client.connection.senders import Sender

    path, given = "/endpoints/{endpoint}/invocations", {"endpoint": endpoint}
    query = {"explain": True if explain else None}
    call = Call("POST", path, _read, given, query, body.content, body.content_type, headers)
    try:
        with Sender(gateway, timeout=SECONDS, retries=0) as sender:
            return sender.send(call)
    except KeyRefusedError as error:
        raise KeyRefusedError(error.message, _KEY_REMEDY) from error
    except UnreadableAnswerError as error:
        raise UnreadableAnswerError(error.message, _ADDRESS_REMEDY) from error


def _read(content: bytes) -> dict[str, Any]:
    answer = json.loads(content)
    if not isinstance(answer, dict):
        raise ValueError("no object")  # noqa: TRY004 - as of what is no JSON
    return answer
