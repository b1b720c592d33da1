"""Values of any size between two Pythons, in two files of a folder: ``neutral_values``, which both sides can read."""

import json
import mmap
from pathlib import Path
from typing import Any

from modelops_pipelines.store.registry.environments.neutral_values import decode, encode

_TREE, _BYTES = "values.json", "values.bin"


def write_values(folder: Path, value: Any) -> None:
    """Write a value to the folder: numbers, text, lists, dicts, arrays and DataFrames."""
    buffers: list[Any] = []
    tree = encode(value, buffers)
    with (folder / _BYTES).open("wb") as opened:
        for one in buffers:
            opened.write(one)
    content = {"tree": tree, "sizes": [len(one) for one in buffers]}
    (folder / _TREE).write_text(json.dumps(content))


def read_values(folder: Path) -> Any:
    """Return the value in the folder; raises NeutralError for other files. Arrays of it may lie in the file."""
    content = json.loads((folder / _TREE).read_bytes())
    found, start = [], 0
    view = _mapped(folder / _BYTES)
    for size in content["sizes"]:
        found.append(view[start : start + size])
        start += size
    return decode(content["tree"], found)


def _mapped(path: Path) -> memoryview:
    """Return the bytes of a file, which are read when they are looked at; no file of no bytes can be mapped."""
    with path.open("rb") as opened:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
