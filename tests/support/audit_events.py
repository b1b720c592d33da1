"""What this process does, by the events that Python audits."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Kept = Callable[[str, tuple[Any, ...]], bool]


class _Hook:
    """A hook stays for ever, so it is told when to listen, and for what."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.found: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.kept is not None and self.kept(event, arguments):
            self.found.append(f"{event} {arguments[:1]}")


_HOOKS: list[_Hook] = []


@contextmanager
def heard(kept: Kept) -> Iterator[list[str]]:
    """Yield the events of the block that ``kept`` keeps, each with its first argument."""
    if not _HOOKS:
        _HOOKS.append(_Hook())
    hook = _HOOKS[0]
    hook.found, hook.kept = [], kept
    try:
        yield hook.found
    finally:
        hook.kept = None
