"""Messages between two processes that share neither memory nor packages: frames of a head in JSON, and of bytes.

Only the standard library: both ends run this module. The frames are those of ``operations.models.messages``.
"""

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

MOST_BYTES = 1024 * 1024 * 1024
"""The longest message; one that claims to be longer is not read."""
SIZES = struct.Struct("!IQ")
CHUNK = 64 * 1024


class FrameError(Exception):
    """Bytes that are no message."""


def send_frame(channel: socket.socket, head: bytes, body: bytes = b"") -> None:
    """Send one frame; raises OSError when the other side is gone."""
    start = SIZES.pack(len(head), len(body)) + head
    if len(body) <= CHUNK:
        channel.sendall(start + body)
    else:
        channel.sendall(start)
        channel.sendall(body)


def receive_frame(channel: socket.socket) -> tuple[bytes, bytes]:
    """Return the next frame's head and body; raises EOFError when the other side is gone, FrameError for other bytes.

    Nothing is sent on a channel before the message before has been answered, so that one read holds no part of a next.
    """
    data = channel.recv(CHUNK)
    if len(data) < SIZES.size:
        data += _read(channel, SIZES.size - len(data))
    head, body = SIZES.unpack_from(data)
    size = SIZES.size + head + body
    if size > MOST_BYTES or len(data) > size:
        raise FrameError(f"a message of {size} bytes")
    if len(data) < size:
        data += _read(channel, size - len(data))
    end = SIZES.size + head
    return data[SIZES.size : end], data[end:]


def send_message(channel: socket.socket, head: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
    """Send a mapping that JSON can hold, with buffers of bytes; raises OSError, FrameError for one that is too long."""
    sizes = [len(one) for one in buffers]
    packed = json.dumps({**head, "sizes": sizes} if sizes else head).encode()
    if len(packed) + sum(sizes) > MOST_BYTES - SIZES.size:
        raise FrameError(f"a message of {len(packed) + sum(sizes)} bytes")
    send_frame(channel, packed, b"".join(buffers))


def receive_message(channel: socket.socket) -> tuple[dict[str, Any], list[memoryview]]:
    """Return the next mapping and its buffers; raises as ``receive_frame`` does."""
    packed, body = receive_frame(channel)
    try:
        head = json.loads(packed)
        sizes = [int(size) for size in head.pop("sizes", ())]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FrameError("a head that is no mapping of JSON") from error
    if sum(sizes) != len(body) or any(size < 0 for size in sizes):
        raise FrameError("buffers of another size than told")
    view, found, start = memoryview(body), [], 0
    for size in sizes:
        found.append(view[start : start + size])
        start += size
    return head, found


def _read(channel: socket.socket, count: int) -> bytes:
    content = bytearray(count)
    view, done = memoryview(content), 0
    while done < count:
        read = channel.recv_into(view[done:])
        if not read:
            raise EOFError
        done += read
    return bytes(content)
