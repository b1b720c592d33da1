"""How a segment's bytes prove that they are whole: a checksum a line, and a seal over all lines as the last one.

The seal is a line too: ``{"seal":{"lines":N,"crc":"........"},"crc":"........"}``, the number of lines before it and
the CRC-32 over their bytes. A file cut off between two lines has lost its seal; lines that were lost, repeated or
changed no longer match it. ``"orphan":true`` marks the seal of a segment whose writer died: it was set afterwards, by
a reader, over what was there; the last line may be torn, and never was acknowledged. Knows no folders: see spool.py.
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
    """Lines counted so far: how many, the CRC-32 over their bytes, and how many bytes these are."""

    lines: int = 0
    crc: int = 0
    size: int = 0

    def plus(self, lines: bytes, number: int) -> "Tally":
        """Return the tally with so many lines more."""
        return Tally(self.lines + number, zlib.crc32(lines, self.crc), self.size + len(lines))


@dataclass(frozen=True)
class Seal:
    """What a seal says: the lines it was set over, and whether the writer itself or a reader set it."""

    lines: int
    crc: str
    orphan: bool

    def fits(self, tally: Tally) -> bool:
        """Return whether it was set over just these lines."""
        return (self.lines, self.crc) == (tally.lines, f"{tally.crc:08x}")


def encode_line(body: bytes) -> bytes:
    """Return a JSON object that lacks its closing brace as a line with its checksum."""
    return body + _CRC % zlib.crc32(body)


def decode_line(raw: bytes) -> dict[str, Any] | None:
    """Return the object of a line, without its checksum; None when the line is damaged in any way."""
    body = raw[:-_CRC_LENGTH]
    if _CRC % zlib.crc32(body) != raw[-_CRC_LENGTH:]:
        return None
    try:
        record: dict[str, Any] = orjson.loads(body + b"}")
    except orjson.JSONDecodeError:
        return None  # nothing, with the checksum of nothing: zeros may well end so
    return record


def seal_line(tally: Tally, *, orphan: bool = False) -> bytes:
    """Return the seal over the lines of the tally."""
    said = {"lines": tally.lines, "crc": f"{tally.crc:08x}", **({"orphan": True} if orphan else {})}
    return encode_line(orjson.dumps({"seal": said})[:-1])


def parse_seal(record: dict[str, Any] | None) -> Seal | None:
    """Return what the object says as a seal; None when it is a record."""
    said = record["seal"] if record is not None and list(record) == ["seal"] else None
    if not isinstance(said, dict) or not {"lines", "crc"} <= set(said) <= {"lines", "crc", "orphan"}:
        return None
    return Seal(said["lines"], said["crc"], said.get("orphan", False))


def tally_lines(handle: BinaryIO) -> tuple[Tally, bytes]:
    """Return the tally of all lines but the last, and the last one; from where the file stands to its end."""
    lines, crc, size, last = -1, 0, 0, b""
    for raw in handle:
        lines, crc, size, last = lines + 1, zlib.crc32(last, crc), size + len(last), raw
    return Tally(max(lines, 0), crc, size), last


def seal_orphan(handle: BinaryIO) -> None:
    """Write the seal of a segment whose writer died, durably; a seal that is there, whole or begun, is completed.

    Killed at any instant and run again it leaves the same bytes. Raises OSError.
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
    """Return whether the last bytes are the beginning of a seal over the lines before: its writer died writing it."""
    return any(seal_line(tally, orphan=orphan).startswith(last) for orphan in (False, True))
