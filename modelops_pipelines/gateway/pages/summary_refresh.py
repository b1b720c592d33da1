"""Makes summaries that are missing or old, in the background, while somebody looks at the overview.

Monitoring runs make them as well. Without a run for a while (Dagster is down, or has nothing to do) the numbers of "the
last 24 hours" would be those of another day.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.store.stores import Stores

OLD = timedelta(minutes=10)
_RETRY_SECONDS = 600.0
_LOG = logging.getLogger("modelops.gateway")


class SummaryRefresh:
    """One thread at most, which ends when all summaries are young."""

    def __init__(self, stores: Stores) -> None:
        """Make nothing until somebody looks."""
        self._stores = stores
        self._busy = threading.Lock()
        self._failed: dict[str, float] = {}

    def look(self, specs: Sequence[EndpointSpec], rows: Sequence[Mapping[str, Any]]) -> None:
        """Begin to make the old summaries among these rows of the overview, the oldest first, unless that goes on."""
        now = self._stores.now()
        known = {spec.name: spec for spec in specs}
        aged = sorted((row["measured_at"] or "", row["name"]) for row in rows if _is_old(row["measured_at"], now))
        due = [known[name] for _, name in aged if self._may_try(name)]
        if due and self._busy.acquire(blocking=False):
            threading.Thread(target=self._make, args=(due,), name="summaries", daemon=True).start()

    def _make(self, specs: Sequence[EndpointSpec]) -> None:
        from modelops_pipelines.operations.reports.summaries import write_summary

        try:
            for spec in specs:
                try:
                    write_summary(self._stores, spec)
                except Exception:  # noqa: BLE001 - the others have theirs, and the log says why
                    self._failed[spec.name] = time.monotonic()
                    _LOG.exception("The summary of endpoint %s could not be made", spec.name)
        finally:
            self._busy.release()

    def _may_try(self, name: str) -> bool:
        return time.monotonic() - self._failed.get(name, -_RETRY_SECONDS) >= _RETRY_SECONDS


def _is_old(measured_at: str | None, now: datetime) -> bool:
    return measured_at is None or now - datetime.fromisoformat(measured_at) > OLD
