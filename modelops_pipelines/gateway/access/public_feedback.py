"""How much feedback a key may send that stands in a web page: whoever opens the page can read it."""

import time
from typing import Final

from modelops_pipelines.core.access.rates import Rate
from modelops_pipelines.core.errors import LimitError
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.access.sliding_windows import NANO, Quota, Scope

MOST: Final = Rate(300, 60, "300/minute")
"""Of each key and worker, by the form and by the route."""


class PublicFeedback:
    """Counts the feedback of keys that permit nothing else. For one event loop."""

    def __init__(self) -> None:
        """Have counted none."""
        self._quota = Quota(Scope("feedback", "", ""), MOST, MOST.amount, shared=False)

    def count(self, caller: Caller) -> None:
        """Count a piece of feedback; raises LimitError."""
        if caller.key_id is None or caller.permitted != {"feedback"}:
            return
        now = time.monotonic_ns()
        wait = self._quota.wait(caller.key_id, now, self._quota.part)
        if wait:
            seconds = -(-wait // NANO)
            raise LimitError(f"This key sends more than {MOST.text} of feedback", f"Try again in {seconds} s", seconds)
        self._quota.hit(caller.key_id, now)
