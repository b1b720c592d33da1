"""How many workers serve, as every worker can read it: a page of memory shared with the processes that are forked."""

import json
import mmap
from dataclasses import asdict, dataclass
from typing import Any

_BYTES = 4096
_MOST_TEXT = 500


@dataclass(frozen=True)
class Workers:
    """How many workers there should be, how many serve and have loaded what fits, and why one cannot start."""

    wanted: int
    serving: int
    problem: str | None = None


class Board:
    """One page of shared memory; the supervisor writes it, workers read it."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._page = mmap.mmap(-1, _BYTES)

    def write(self, workers: Workers) -> None:
        """Replace what is written."""
        problem = None if workers.problem is None else workers.problem[:_MOST_TEXT]
        text = json.dumps({**asdict(workers), "problem": problem}).encode()
        self._page[:_BYTES] = text[:_BYTES].ljust(_BYTES)

    def read(self) -> Workers | None:
        """Return what is written; None before the first write, and while one is under way."""
        try:
            found: dict[str, Any] = json.loads(self._page[:_BYTES].rstrip(b"\0 "))
            return Workers(**found)
        except (ValueError, TypeError):
            return None
