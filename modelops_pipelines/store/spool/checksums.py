"""Integrity of a segment: a checksum per line, and a seal over all lines as the last line.

The seal is a line too: ``{"seal":{"lines":N,"crc":"........"},"crc":"........"}``, the number of lines before it and
the CRC-32 of their bytes. A file that is truncated between two lines has no seal; lost, repeated or changed lines do
not match it. ``"orphan":true`` marks the seal of a segment whose writer died: a reader wrote it later, over the
existing lines. The last of these may be torn; it was never acknowledged. Folders: ``segments.py``.
"""

import os
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

_CRC = b',"crc":"%08x"}\n'
_CRC_LENGTH = len(_CRC % 0)


@dataclass(frozen=True)
class Tally:
    """A running count: the lines, the CRC-32 of their bytes, and the number of bytes."""

    lines: int = 0
    crc: int = 0
    size: int = 0

    def plus(self, lines: bytes, number: int) -> "Tally":
        """Return the tally with ``number`` more lines."""
        return Tally(self.lines + number, zlib.crc32(lines, self.crc), self.size + len(lines))


@dataclass(frozen=True)
class Seal:
    """A seal: the lines before it, their CRC-32, and whether a reader wrote it after the writer died."""

    lines: int
    crc: str
    orphan: bool

    def fits(self, tally: Tally) -> bool:
        """Return whether it matches these lines."""
        return (self.lines, self.crc) == (tally.lines, f"{tally.crc:08x}")


def encode_line(body: bytes) -> bytes:
    """Return a JSON object, given without its closing brace, as a line with its checksum."""
    return body + _CRC % zlib.crc32(body)


def decode_line(raw: bytes) -> dict[str, Any] | None:
    """Return the object of a line, without its checksum; None when the line is damaged."""
    body = raw[:-_CRC_LENGTH]
    if _CRC % zlib.crc32(body) != raw[-_CRC_LENGTH:]:
        return None
    try:
        record: dict[str, Any] = orjson.loads(body + b"}")
    except orjson.JSONDecodeError:
        return None  # an empty body with a matching checksum, as in a block of zeros
    return record


def seal_line(tally: Tally, *, orphan: bool = False) -> bytes:
    """Return the seal over the lines of the tally."""
    content = {"lines": tally.lines, "crc": f"{tally.crc:08x}", **({"orphan": True} if orphan else {})}
    return encode_line(orjson.dumps({"seal": content})[:-1])


def parse_seal(record: dict[str, Any] | None) -> Seal | None:
    """Return the object as a seal; None when it is a record."""
    content = record["seal"] if record is not None and list(record) == ["seal"] else None
    if not isinstance(content, dict) or not {"lines", "crc"} <= set(content) <= {"lines", "crc", "orphan"}:
        return None
    return Seal(content["lines"], content["crc"], content.get("orphan", False))


def tally_lines(handle: BinaryIO) -> tuple[Tally, bytes]:
    """Return the tally of all lines but the last, and the last line, from the current position to the end."""
    lines, crc, size, last = -1, 0, 0, b""
    for raw in handle:
        lines, crc, size, last = lines + 1, zlib.crc32(last, crc), size + len(last), raw
    return Tally(max(lines, 0), crc, size), last


def seal_orphan(handle: BinaryIO) -> None:
    """Write the seal of a segment whose writer died, durably; an incomplete seal is completed.

    Idempotent: killed at any time and run again, it writes the same bytes. Raises OSError.
    """
    tally, last = tally_lines(handle)
    seal = parse_seal(decode_line(last))
    if seal is None or not seal.fits(tally):
        end = b"" if last.endswith(b"\n") else b"\n"
        if _begins_a_seal(last, tally):
            last = end = b""
        handle.seek(tally.size + len(last))
        handle.write(end + seal_line(tally.plus(last + end, 1) if last else tally, orphan=True))
        handle.truncate()
        handle.flush()
    os.fsync(handle.fileno())


def _begins_a_seal(last: bytes, tally: Tally) -> bool:
    """Return whether the last bytes are the start of a seal of the lines before, which its writer did not complete."""
    return any(seal_line(tally, orphan=orphan).startswith(last) for orphan in (False, True))
