"""Reading a content of a backup, and comparing it with its hash on the way."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from modelops_pipelines.store.filesystem.files import NotRegularError, open_regular

BLOCK = 1 << 20


def verified(path: Path, content: str, size: int, take: Callable[[bytes], object]) -> str | None:
    """Hand the blocks of a content on, as far as its size; return what was wrong with it, or None."""
    whole, read = hashlib.sha256(), 0
    try:
        with open_regular(path, follow=False) as opened:
            while read <= size and (block := opened.read(BLOCK)):
                whole.update(block)
                read += len(block)
                take(block)
    except FileNotFoundError:
        return "is missing"
    except NotRegularError:
        return "is no file"
    if (whole.hexdigest(), read) != (content, size):
        return f"does not have its hash ({content[:12]}...)"
    return None
