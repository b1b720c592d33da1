"""Brings versions into a worker's memory when they are asked for, and lets others go when the budget is reached.

A request that finds its version absent waits for the load, within its deadline: one load for all that wait, LOADS at a
time, in threads of their own, so that other endpoints answer on. What answers a request never leaves meanwhile. What a
load needs is in the home: neither the state database nor the registry.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import replace

from modelops_pipelines.core.errors import ModelOpsError, NotReadyError, OverloadError
from modelops_pipelines.gateway.model_runtime.batching import Batcher, LoadFault
from modelops_pipelines.gateway.worker.residency.resident_set import Resident, to_leave
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.version_processes import Loaded, VersionProcesses

LOADS = 2
"""Versions that are loaded at a time."""
RETRY_SECONDS = 10.0
"""A version that could not be loaded is not tried again before; callers get the same error meanwhile."""
_LOG = logging.getLogger("modelops.gateway")

Key = tuple[str, str]
"""An endpoint's name and a version."""
OnLoaded = Callable[[ServedEndpoint, Loaded], None]
OnFault = Callable[[ServedEndpoint, str, ModelOpsError], None]


class Residency:
    """The versions of one worker that are in memory, and those that are on their way."""

    def __init__(
        self,
        endpoints: Mapping[str, ServedEndpoint],
        processes: VersionProcesses,
        budget: int | None,
        on_loaded: OnLoaded,
        on_fault: OnFault,
    ) -> None:
        """Keep to ``budget`` bytes; ``on_loaded`` and ``on_fault`` are called, in a thread, for each load that ended.

        ``endpoints`` are the worker's, by their names; they come and go.
        """
        self._endpoints, self._processes, self.budget = endpoints, processes, budget
        self._on_loaded, self._on_fault = on_loaded, on_fault
        self._lock, self._leaving = threading.Lock(), threading.Lock()
        self._loading: dict[Key, Future[None]] = {}
        self._waiting: dict[Key, int] = {}
        self._pool = ThreadPoolExecutor(LOADS, thread_name_prefix="load")
        self._is_over = self._is_closed = False

    async def wait_for(self, served: ServedEndpoint, version: str, seconds: float) -> Batcher:
        """Return the version's batcher once it is in memory; the caller has counted its request as in flight.

        Raises NotReadyError when the version cannot be loaded, OverloadError when it is not loaded in time.
        """
        name = served.spec.name
        fault = served.loaded[version].fault
        if fault is not None and time.monotonic() - fault.at < RETRY_SECONDS:
            raise _cannot_serve(name, version, fault.error)
        key = (name, version)
        load = self.request(key)
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(load)), max(0.0, seconds))
        except TimeoutError as error:
            raise OverloadError(
                f"Version {version} of endpoint {name!r} was not in memory, and not loaded within the deadline",
                "Try again: it is loaded meanwhile. 'min_resident: true' in the endpoint's YAML keeps it in memory",
            ) from error
        except ModelOpsError as error:
            raise _cannot_serve(name, version, error) from error
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                load.cancel()  # one that has not begun, and that nobody waits for any more
        current = self._endpoints.get(name, served)  # the endpoint may have been configured anew meanwhile
        return current.loaded.get(version, served.loaded[version])

    def ensure(self, endpoint: str, version: str) -> None:
        """Return when the version is in memory; raises ModelOpsError when it cannot be loaded. For threads."""
        while True:
            load = self.request((endpoint, version))
            try:
                load.result()
            except CancelledError as error:
                if self._is_closed:
                    raise NotReadyError("The worker is ending", "Try again in a moment") from error
                continue  # the requests that had asked for it gave up
            return

    def request(self, key: Key) -> Future[None]:
        """Return the load of a version: the one that is under way, or a new one."""
        with self._lock:
            known = self._loading.get(key)
            if known is None or known.cancelled():
                known = self._loading[key] = self._pool.submit(self._load, key)
            return known

    def residents(self) -> list[Resident]:
        """Return what is in memory, endpoint by endpoint: the versions that answer, and the others."""
        return [one for served in list(self._endpoints.values()) for one in _residents_of(served)]

    def taken(self) -> int:
        """Return the bytes of all versions in memory."""
        batchers = (batcher for served in list(self._endpoints.values()) for batcher in served.loaded.values())
        return sum(batcher.model.bytes for batcher in batchers if batcher.is_resident)

    def has_room(self, wanted: int) -> bool:
        """Return whether so many bytes fit into the budget without anything leaving."""
        return self.budget is None or self.taken() + wanted <= self.budget

    def make_room(self, wanted: int = 0) -> None:
        """Let versions go until ``wanted`` bytes more fit into the budget, as far as they may."""
        if self.has_room(wanted):
            self._is_over = False
            return
        with self._leaving:
            for one in to_leave(self.residents(), self.budget, wanted):
                served = self._endpoints.get(one.endpoint)
                if served is None:
                    continue
                versions = [version for version in served.loaded if _answers(served, version) == one.answers]
                gone = [version for version in versions if self._let_go(served, version)]
                if gone:
                    _LOG.info("Version %s of %s left the memory", ", ".join(gone), one.endpoint)
        self._tell()

    def close(self) -> None:
        """Load nothing more."""
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self) -> None:
        """Log that the budget is exceeded by what cannot leave, once until it is kept again."""
        taken = self.taken()
        is_over = self.budget is not None and taken > self.budget
        if is_over and not self._is_over:
            text = "Versions take %d MiB, over the budget of %d MiB: the rest is pinned, or answers requests"
            _LOG.warning(text, taken >> 20, (self.budget or 0) >> 20)
        self._is_over = is_over

    def _let_go(self, served: ServedEndpoint, version: str) -> bool:
        """Let one version leave the memory, unless a request has come meanwhile, or it could not come back.

        A request counts as in flight before it looks whether its version is there, and this looks for requests after it
        has said that it is not: so one of the two notices the other.
        """
        batcher = served.loaded[version]
        if not batcher.is_resident or batcher.source is None or not batcher.source.version.folder.is_dir():
            return False
        batcher.is_resident = False
        if served.is_busy:
            batcher.is_resident = True
            return False
        path = batcher.model.path
        batcher.let_go()
        self._processes.end(path)
        return True

    def _load(self, key: Key) -> None:
        served = self._served(key)
        try:
            self._bring(served, key[1])
        except ModelOpsError as error:
            served.loaded[key[1]].fault = LoadFault(error, time.monotonic())
            self._on_fault(served, key[1], error)
            raise
        finally:
            with self._lock:
                self._loading.pop(key, None)

    def _bring(self, served: ServedEndpoint, version: str) -> None:
        batcher = served.loaded[version]
        if batcher.is_resident:
            return
        self.make_room(batcher.model.bytes)
        loaded = self._loaded(served, batcher)
        batcher.put(loaded.model, loaded.source)
        self._on_loaded(served, loaded)
        self.make_room()

    def _loaded(self, served: ServedEndpoint, batcher: Batcher) -> Loaded:
        """Load a version; once more when its names changed meanwhile: then ``batcher.model`` is another.

        It is judged by the keys that are trusted now: some may have been revoked since it was loaded before.
        """
        if batcher.source is None:
            raise AssertionError("what may leave the memory has a source")
        while True:
            before = batcher.model
            spec = replace(before.spec, trust=served.spec.trust)
            loaded = self._processes.load(batcher.source, spec)
            if batcher.model is before:
                return loaded
            self._processes.end(loaded.model.path)

    def _served(self, key: Key) -> ServedEndpoint:
        served = self._endpoints.get(key[0])
        if served is None or key[1] not in served.loaded:
            raise NotReadyError(f"Endpoint {key[0]!r} has changed meanwhile", "Try again")
        return served


def is_pinned(served: ServedEndpoint) -> bool:
    """Return whether the versions that answer never leave the memory."""
    return served.spec.min_resident > 0


def _residents_of(served: ServedEndpoint) -> list[Resident]:
    found = []
    for answers in (True, False):
        loaded = [batcher for name, batcher in served.loaded.items() if _answers(served, name) == answers]
        sizes = [batcher.model.bytes for batcher in loaded if batcher.is_resident]
        if sizes:
            found.append(
                Resident(
                    served.spec.name,
                    answers,
                    sum(sizes),
                    served.live.used_at,
                    served.spec.min_resident,
                    served.is_busy,
                    served.is_new(time.time()),
                )
            )
    return found


def _answers(served: ServedEndpoint, version: str) -> bool:
    return any(variant.version == version for variant in served.state.answering)


def _cannot_serve(endpoint: str, version: str, error: ModelOpsError) -> NotReadyError:
    return NotReadyError(f"Endpoint {endpoint!r} cannot serve version {version}: {error.message}", error.remedy)
