"""Reads a file of JSON lines, perhaps packed by gzip, line by line; a bad line is its fault alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from modelops_pipelines.store.filesystem.files import open_unpacked

SUFFIXES = (".jsonl", ".ndjson", ".json")
LONGEST_LINE = 16 * 1024 * 1024
Numbered = tuple[int, Any]
NOT_JSON, TOO_LONG, NO_OBJECT = "it is not JSON", f"it is over {LONGEST_LINE // 2**20} MiB", "it is no JSON object"


class BadLine(str):  # noqa: SLOT000 - a reason that stands where a record would
    """Why a line could not be read."""


def json_records(path: Path) -> Iterator[Numbered]:
    """Yield each line's number, from 1, with its object, or with why it is none; empty lines are passed over."""
    with open_unpacked(path) as handle:
        number = 0
        while line := handle.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                while line and not line.endswith(b"\n"):
                    line = handle.readline(LONGEST_LINE)
                yield number, BadLine(TOO_LONG)
            elif line.strip():
                yield number, _parsed(line)


def _parsed(line: bytes) -> Any:
    try:
        found = orjson.loads(line)
    except ValueError:
        return BadLine(NOT_JSON)
    return found if isinstance(found, dict) else BadLine(NO_OBJECT)
