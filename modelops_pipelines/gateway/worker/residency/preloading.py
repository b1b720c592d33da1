"""Loads versions before they are asked for, as far as they fit: when a worker starts, and what failed then.

The pinned endpoints first, then those that were used last; of each the versions that answer, then, when all of those
are there, the champion before, for a rollback. It makes nothing leave.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.gateway.worker.live_metrics import NEVER
from modelops_pipelines.gateway.worker.residency.residency import RETRY_SECONDS, Residency, is_pinned
from modelops_pipelines.gateway.worker.residency.resident_set import ANSWERING, WITH_PREVIOUS
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint

READY_SECONDS = 15.0
"""A worker that starts is ready when everything that fits is loaded; after so long with the pinned endpoints alone."""
LOOK_SECONDS = 5.0
_LOG = logging.getLogger("modelops.gateway")


class Preloading:
    """The loads that no request waits for, one at a time."""

    def __init__(
        self,
        residency: Residency,
        endpoints: Mapping[str, ServedEndpoint],
        keep_previous: Callable[[ServedEndpoint], None],
        spool: Path,
    ) -> None:
        """Load for these endpoints; ``keep_previous`` adds the champion before to an endpoint, without loading it."""
        self._residency, self._endpoints, self._keep_previous = residency, endpoints, keep_previous
        self._spool = spool
        self._started_at = time.monotonic()
        self._is_done, self._look_at = False, 0.0
        self._ended = threading.Event()

    @property
    def is_warm(self) -> bool:
        """Whether the worker has loaded what it should have before it is called ready."""
        if self._is_done:
            return True
        pinned = (served for served in list(self._endpoints.values()) if is_pinned(served))
        is_late = time.monotonic() - self._started_at > READY_SECONDS
        return is_late and all(served.is_resident or served.load_fault is not None for served in pinned)

    def turn(self) -> None:
        """Load all that fits at the first call; later what is pinned anew, and what could not be loaded before."""
        if not self._is_done:
            self._note_last_uses()
            self._load_all(self._answering(), ANSWERING)
            self._load_all(self._previous(), WITH_PREVIOUS)
            self._is_done = True
            return
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        for served in list(self._endpoints.values()):
            for name in _absent(served, answering=True):
                fault = served.loaded[name].fault
                is_due = fault is not None and time.monotonic() - fault.at > RETRY_SECONDS
                if not self._ended.is_set() and (is_due or (fault is None and is_pinned(served))):
                    self._load(served, name)

    def close(self) -> None:
        """Begin no further load."""
        self._ended.set()

    def _load_all(self, due: Iterator[tuple[ServedEndpoint, str]], pinned_from: int) -> None:
        """Load until nothing more fits; what an endpoint pins, by a ``min_resident`` of at least this, in any case."""
        for served, version in due:
            if self._ended.is_set():
                return
            if served.spec.min_resident < pinned_from and not self._residency.has_room(self._expected(served, version)):
                return
            started = time.monotonic()
            self._load(served, version)
            if time.monotonic() - self._started_at > READY_SECONDS:
                self._ended.wait(time.monotonic() - started)  # half of a core at most, now that callers are served

    def _load(self, served: ServedEndpoint, version: str) -> None:
        try:
            self._residency.ensure(served.spec.name, version)
        except ModelOpsError as error:
            _LOG.debug("Version %s of %s is not loaded yet: %s", version, served.spec.name, error)

    def _answering(self) -> Iterator[tuple[ServedEndpoint, str]]:
        for served in self._in_order():
            for version in _absent(served, answering=True):
                yield served, version

    def _previous(self) -> Iterator[tuple[ServedEndpoint, str]]:
        for served in self._in_order():
            if served.state.variants and served.is_resident:
                self._keep_previous(served)
                for version in _absent(self._endpoints.get(served.spec.name, served), answering=False):
                    yield served, version

    def _in_order(self) -> list[ServedEndpoint]:
        found = list(self._endpoints.values())
        return sorted(found, key=lambda one: (not is_pinned(one), -one.live.used_at, one.spec.name))

    def _expected(self, served: ServedEndpoint, version: str) -> int:
        """Return the bytes that a version will probably take: what it took before, else what the others take."""
        known = served.loaded[version].model.bytes if version in served.loaded else 0
        if known:
            return known
        sizes = [one.bytes for one in self._residency.residents()] if self._residency.budget is not None else []
        return sum(sizes) // len(sizes) if sizes else 0

    def _note_last_uses(self) -> None:
        """Take for an endpoint's last use when its spool changed: each worker that captures makes a folder there."""
        now, now_monotonic = time.time(), time.monotonic()
        for name, served in list(self._endpoints.items()):
            try:
                changed_at = (self._spool / name / "predictions").stat().st_mtime
            except OSError:
                continue
            if served.live.used_at == NEVER:
                served.live.used_at = now_monotonic - max(0.0, now - changed_at)


def _absent(served: ServedEndpoint, *, answering: bool) -> list[str]:
    """Return the versions that are not in memory: those that answer, or the others."""
    names = {variant.version for variant in served.state.answering}
    batchers = list(served.loaded.items())
    return [name for name, batcher in batchers if not batcher.is_resident and (name in names) == answering]
