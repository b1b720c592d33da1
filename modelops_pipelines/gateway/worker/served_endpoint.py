"""One endpoint in one worker: configuration, desired state, loaded versions, live metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError, NotReadyError, OverloadError, UnknownError
from modelops_pipelines.core.release.desired_state import DELETED, STOPPED, DesiredState, Variant
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.model_runtime.prediction_cache import PredictionCache
from modelops_pipelines.gateway.worker.live_metrics import LiveMetrics
from modelops_pipelines.gateway.worker.replays import Replays
from modelops_pipelines.operations.model_runtime.prediction_paths import ABSENT
from modelops_pipelines.store.state.release.model_versions import ModelVersion

EXPLAINING = 4
"""The part of the requests in progress that may be explained is one in so many."""


@dataclass(frozen=True)
class Probation:
    """The time in which a new champion is compared with the one before; ``until`` in seconds since 1970."""

    previous: str
    until: float


@dataclass
class ServedEndpoint:
    """One endpoint: configuration, desired state, loaded versions, live metrics. A swap replaces the whole object.

    ``unserved`` is why nothing is served although a version should be. ``cache`` holds kept answers, None where the
    configuration wants none: each object begins with an empty one, so that no answer outlives a swap.
    """

    spec: EndpointSpec
    state: DesiredState
    loaded: dict[str, Batcher]
    live: LiveMetrics = field(default_factory=LiveMetrics)
    recorded_classes: tuple[str, ...] = ()
    replays: Replays = field(default_factory=Replays)
    probation: Probation | None = None
    unserved: NotReadyError | None = None

    def __post_init__(self) -> None:
        """Compute once what every request needs."""
        self.is_answering = bool(self.state.answering)
        self.cache = None if self.spec.cache is None else PredictionCache(self.spec.cache)

    def choose(self, sticky: bytes) -> tuple[Variant, Batcher]:
        """Return this caller's variant and its batcher; raises NotReadyError or UnknownError when none may answer."""
        if not self.is_answering:
            raise self.unserved_error()
        variant = self.state.choose(sticky)
        return variant, self.loaded[variant.version]

    @property
    def unproven(self) -> str | None:
        """Why a version that answers does not prove itself; None when each does."""
        answering = (self.loaded[variant.version].model for variant in self.state.answering)
        return next((model.unproven for model in answering if model.unproven is not None), None)

    def unserved_error(self) -> ModelOpsError:
        """Return the error that says why no variant may answer: not loaded, stopped, deleted, or nothing deployed."""
        if self.unserved is not None and not self.state.variants:
            return NotReadyError(self.unserved.message, self.unserved.remedy)
        return _unserved_error(self.state)

    def compared_with(self, version: str, now: float) -> str | None:
        """Return the loaded version that a version is judged against at this time; None if it is not judged."""
        state, other = self.state, None
        if state.challenger is not None:
            other = {state.challenger: state.champion, state.champion: state.challenger}.get(version)
        elif version == state.champion and self.probation is not None and now < self.probation.until:
            other = self.probation.previous
        return other if other in self.loaded and self.loaded[other].is_resident else None

    def is_new(self, now: float) -> bool:
        """Return whether a version is on trial, or a champion in its watch period: it may be rolled back any moment."""
        return self.state.challenger is not None or (self.probation is not None and now < self.probation.until)

    @property
    def is_busy(self) -> bool:
        """Whether requests, or their replays, are under way: no version of it may leave the memory."""
        return self.live.in_flight > 0 or self.replays.is_busy

    @property
    def is_resident(self) -> bool:
        """Whether every version that answers is in memory; True where none does."""
        return all(self.loaded[variant.version].is_resident for variant in self.state.answering)

    @property
    def is_proven(self) -> bool:
        """Whether every version that answers has been loaded, and so proved itself, in this worker."""
        return all(self.loaded[variant.version].model.path is not ABSENT for variant in self.state.answering)

    @property
    def is_deploying(self) -> bool:
        """Whether a version that is to answer is being deployed, and has not been loaded here yet."""
        batchers = (self.loaded[variant.version] for variant in self.state.answering)
        return any(not one.is_resident and one.source is not None and one.source.strict for one in batchers)

    @property
    def load_fault(self) -> ModelOpsError | None:
        """Why a version that answers could not be loaded when that was tried last; None where each could."""
        faults = (self.loaded[variant.version].fault for variant in self.state.answering)
        return next((fault.error for fault in faults if fault is not None), None)

    def version_of(self, version: str | None) -> ModelVersion | None:
        """Return the description of a loaded version, or None when it is not loaded."""
        batcher = self.loaded.get(version or "")
        return batcher.model.version if batcher else None

    @contextmanager
    def admit(self, workers: int) -> Iterator[None]:
        """Count a request as in flight; raises OverloadError at the endpoint's concurrency limit.

        Each worker admits its part of the limit, at least one request.
        """
        most = self._most(workers)
        if self.live.in_flight >= most:
            raise OverloadError(
                f"Endpoint {self.spec.name!r} has {self.live.in_flight} requests in flight, this worker's limit",
                "Try again in a moment, or raise 'limits: {concurrent: ...}' in the endpoint's YAML",
            )
        self.live.in_flight += 1
        self.live.used_at = time.monotonic()
        try:
            yield
        finally:
            self.live.in_flight -= 1

    @contextmanager
    def admit_explaining(self, workers: int) -> Iterator[None]:
        """Count a request as one that is explained; raises OverloadError where a quarter of the limit already are.

        The rest stays for predictions, which are short.
        """
        most = max(1, self._most(workers) // EXPLAINING)
        if self.live.explaining >= most:
            raise OverloadError(
                f"Endpoint {self.spec.name!r} explains {self.live.explaining} requests already, this worker's limit",
                "Try again in a moment, leave explain=true out, or raise 'limits: {concurrent: ...}', of which a "
                f"{EXPLAINING}th may be explained at once",
            )
        self.live.explaining += 1
        try:
            yield
        finally:
            self.live.explaining -= 1

    def _most(self, workers: int) -> int:
        return max(1, self.spec.limits.concurrent // workers)


def not_loaded_error(state: DesiredState, failure: ModelOpsError) -> NotReadyError:
    """Return what callers are told while the state's versions cannot be loaded."""
    names = ", ".join(variant.version for variant in state.answering)
    return NotReadyError(f"Endpoint {state.endpoint!r} cannot serve version {names}: {failure.message}", failure.remedy)


def _unserved_error(state: DesiredState) -> ModelOpsError:
    """Return the error that says why no variant may answer: stopped, deleted, or nothing deployed."""
    name = state.endpoint
    if state.status == STOPPED:
        return NotReadyError(f"Endpoint {name!r} is stopped", f"Start it: modelops endpoint start {name}")
    if state.status == DELETED:
        return UnknownError(f"Endpoint {name!r} was deleted", f"Deploy to it again: modelops deploy {name} VERSION")
    return NotReadyError(f"Endpoint {name!r} serves no version yet", f"Deploy one: modelops deploy {name} VERSION")
