"""References to values that a file names and does not hold: ``env:NAME`` and ``file:PATH``."""

import re
from pathlib import Path
from typing import Final

import yaml

from modelops_pipelines.operations.endpoints.yaml.types import RefusedError

BY_NAME: Final = "Write env:NAME, and set that variable; or file:PATH of a file that holds it"
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,255}|file:\S.{0,4095}")


def is_reference(text: str) -> bool:
    """Return whether a text names where a value is."""
    return _REFERENCE.fullmatch(text) is not None


def reference(node: yaml.Node) -> str:
    """Read ``env:NAME`` or ``file:PATH``. What it is instead is not quoted: it may be the secret itself."""
    if not isinstance(node, yaml.ScalarNode) or not is_reference(str(node.value)):
        raise RefusedError("must name where its value is; the value itself does not belong into this file", BY_NAME)
    return str(node.value)


def absolute(given: str, folder: Path) -> str:
    """Return a reference to a file with its whole path: a relative one begins at the folder of the file it is in."""
    return f"file:{folder / given.removeprefix('file:')}" if given.startswith("file:") else given
