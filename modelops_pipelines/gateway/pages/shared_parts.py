"""Parts of pages that many viewers refresh every few seconds: made once for all who see the same."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from starlette.responses import HTMLResponse

from modelops_pipelines.gateway.pages.rendering import HEADERS

KEPT_SECONDS = 2.5
"""Half of the time between two refreshes: what is shown is at most so much older."""
MOST = 50


@dataclass(frozen=True)
class _Kept:
    content: bytes
    until: float


class SharedParts:
    """Parts by who sees them and what was asked; nothing in a part may be of one person alone."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def show(self, key: Hashable, make: Callable[[], bytes]) -> HTMLResponse:
        """Return the part that is kept under this key, or make it. ``key`` has all that the part depends on."""
        now = time.monotonic()
        found = self._kept.get(key)
        if found is None or now >= found.until:
            found = _Kept(make(), now + KEPT_SECONDS)
            self._kept[key] = found
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return HTMLResponse(found.content, headers=dict(HEADERS))
