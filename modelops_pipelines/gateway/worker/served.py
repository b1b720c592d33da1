"""One endpoint as a worker serves it: configuration, desired state, loaded versions, live metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError, NotReadyError, OverloadError, UnknownError
from modelops_pipelines.core.release.desired_state import DELETED, STOPPED, DesiredState, Variant
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.worker.live_metrics import LiveMetrics
from modelops_pipelines.store.state.release.deployments import ModelVersion


@dataclass
class Served:
    """One endpoint: its configuration, what it serves, and its live metrics. Replaced as a whole on a swap."""

    spec: EndpointSpec
    state: DesiredState
    loaded: dict[str, Batcher]
    live: LiveMetrics = field(default_factory=LiveMetrics)

    def __post_init__(self) -> None:
        """Keep at hand what every request asks for."""
        self.is_answering = bool(self.state.answering)

    def choose(self, sticky: bytes) -> tuple[Variant, Batcher]:
        """Return the variant that answers this caller; raises NotReadyError when nothing is loaded, or may answer."""
        if not self.is_answering:
            raise _not_served(self.state)
        variant = self.state.choose(sticky)
        return variant, self.loaded[variant.version]

    def version_of(self, version: str | None) -> ModelVersion | None:
        """Return what is known of a version in memory, or None."""
        batcher = self.loaded.get(version or "")
        return batcher.model.version if batcher else None

    @contextmanager
    def admitted(self, workers: int) -> Iterator[None]:
        """Count a request as under way; raises OverloadError when there are as many as the endpoint takes.

        The workers divide the endpoint's concurrency among them.
        """
        most = max(1, self.spec.limits.concurrent // workers)
        if self.live.under_way >= most:
            raise OverloadError(
                f"Endpoint {self.spec.name!r} has {self.live.under_way} requests under way, as many as it takes",
                "Try again in a moment, or raise 'limits: {concurrent: ...}' in the endpoint's YAML",
            )
        self.live.under_way += 1
        try:
            yield
        finally:
            self.live.under_way -= 1


def _not_served(state: DesiredState) -> ModelOpsError:
    """Return why nobody is answered."""
    name = state.endpoint
    if state.status == STOPPED:
        return NotReadyError(f"Endpoint {name!r} is stopped", f"Start it: modelops endpoint start {name}")
    if state.status == DELETED:
        return UnknownError(f"Endpoint {name!r} was deleted", f"Deploy to it again: modelops deploy {name} VERSION")
    return NotReadyError(f"Endpoint {name!r} serves no version yet", f"Deploy one: modelops deploy {name} VERSION")
