"""Pages of the documentation: their fenced blocks, and whether what was printed is what they show."""

import re
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Return each fenced block's language, title and content."""
    yield from BLOCK.findall(page.read_text())


def matches(shown: str, printed: str) -> bool:
    """Tell whether the lines shown were printed, one after the other, whatever the spaces between words."""
    pattern = r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*?") for word in shown.split())
    return re.search(pattern, printed, re.DOTALL) is not None
