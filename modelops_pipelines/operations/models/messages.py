"""Messages to a version's process and back: frames on a socket, and arrays as raw bytes.

A request is a pickle: our own code wrote it. A reply comes from code that is not ours, so it is never unpickled: it is
JSON, and for an array of numbers its bytes with type and shape.
"""

import math
import socket
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.store.registry.environments.frames import FrameError, receive_frame, send_frame

_PLAIN = frozenset("biufcSUMm")
"""Kinds of NumPy types whose bytes are their values."""


class ReplyError(Exception):
    """A reply that is not in the form of this module."""


def send(channel: socket.socket, head: Mapping[str, Any], body: bytes = b"") -> None:
    """Send one message; raises OSError when the other side is gone."""
    send_frame(channel, orjson.dumps(head) if head else b"", body)


def receive(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Return the next message; raises EOFError when the other side is gone, ReplyError for anything but a message."""
    try:
        head, body = receive_frame(channel)
    except FrameError as error:
        raise ReplyError(str(error)) from error
    return _mapping(head), body


def _mapping(packed: bytes) -> dict[str, Any]:
    try:
        head = orjson.loads(packed) if packed else {}
    except orjson.JSONDecodeError as error:
        raise ReplyError("a head that is not JSON") from error
    if not isinstance(head, dict):
        raise ReplyError("a head that is no mapping")
    return head


def encode_array(output: NDArray[Any]) -> tuple[dict[str, Any], bytes]:
    """Return an array as head and body of a reply; raises PredictionError for values that JSON cannot represent."""
    if output.dtype.kind in _PLAIN:
        head = {"kind": "array", "dtype": output.dtype.str, "shape": output.shape}
        return head, np.ascontiguousarray(output).tobytes()
    values = output.ravel().tolist()
    if set(map(type, values)) == {float}:
        return {"kind": "floats", "shape": output.shape}, np.array(values, np.float64).tobytes()
    odd = [[at, repr(float(one))] for at, one in enumerate(values) if isinstance(one, float) and not math.isfinite(one)]
    try:
        content = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise PredictionError(
            "The model returned a value that JSON cannot represent", "Have the model return numbers or text"
        ) from error
    return {"kind": "values", "shape": output.shape, "odd": odd}, content


def decode_array(head: Mapping[str, Any], body: bytes) -> NDArray[Any]:
    """Return the array of a reply; raises ReplyError when head and body do not describe one."""
    try:
        shape = tuple(int(size) for size in head["shape"])
        if head["kind"] == "array":
            return np.frombuffer(body, _plain_type(head["dtype"])).reshape(shape)
        if head["kind"] == "floats":
            return np.frombuffer(body, np.float64).reshape(shape).astype(object)
        return _objects(orjson.loads(body), head["odd"]).reshape(shape)
    except (LookupError, TypeError, ValueError) as error:
        raise ReplyError(f"an array that cannot be read ({type(error).__name__})") from error


def _plain_type(name: Any) -> np.dtype[Any]:
    found = np.dtype(str(name))
    if found.kind not in _PLAIN:
        raise TypeError(name)
    return found


def _objects(values: Any, odd: Any) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        array[at] = value
    for at, number in odd:
        array[at] = float(number)
    return array
