"""What a worker begins to serve with when it starts: versions that are described, not loaded, however many."""

from collections.abc import Callable, Iterable, Mapping

from modelops_pipelines.core.release.deployment_states import Deployment
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.model_runtime.source import Source, describe_unloaded
from modelops_pipelines.gateway.worker.crash_book import CrashBook
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.versions.copies import servable
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

HasServed = Callable[[str, str], bool]


class Beginning:
    """Makes batchers of versions that are loaded later: at their first request, or when there is time."""

    def __init__(self, stores: Stores, crashes: CrashBook, has_served: HasServed) -> None:
        """Read nothing yet; ``has_served`` says whether an endpoint's version served before."""
        self._stores, self._crashes, self._has_served = stores, crashes, has_served
        self._records: Mapping[tuple[str, str], ModelVersion] = {}
        self._unsettled: list[Deployment] = []

    def read(self, due: Iterable[tuple[ServedEndpoint, DesiredState]]) -> None:
        """Read in two queries what the batchers of these endpoints need."""
        wanted = {(served.spec.model_name, one.version) for served, state in due for one in state.answering}
        if wanted:
            self._records = self._stores.deployments.find_versions(wanted)
            self._unsettled = self._stores.deployments.unsettled()

    def is_deploying(self, endpoint: str) -> bool:
        """Return whether a deployment of the endpoint waits for this worker: its version must prove itself at once."""
        return any(one.endpoint == endpoint for one in self._unsettled)

    def batchers(self, served: ServedEndpoint, state: DesiredState) -> dict[str, Batcher]:
        """Return a batcher for each version that is to answer; raises UnknownError, ModelError without files."""
        return {one.version: self.batcher(served, one.version) for one in state.answering}

    def batcher(self, served: ServedEndpoint, version: str) -> Batcher:
        """Return the batcher of one version; raises as ``batchers``."""
        name, model_name = served.spec.name, served.spec.model_name
        record = self._records.get((model_name, version))
        if record is None:
            record = required_version(self._stores.deployments, model_name, version)
        record = servable(self._stores, record)
        deploying = any((one.endpoint, one.version) == (name, version) for one in self._unsettled)
        source = Source(record, None, not deploying or self._has_served(name, version), strict=deploying)
        return Batcher(describe_unloaded(record, served.spec), self._crashes.suspects(name, version), source)
