"""Loads the versions of an endpoint that have to prove themselves now: what is deployed, or configured anew."""

import logging

from sqlalchemy.exc import SQLAlchemyError

from modelops_pipelines.core.errors import ModelError, ModelOpsError
from modelops_pipelines.core.release.deployment_states import LIVE
from modelops_pipelines.core.release.deployment_states import STOPPED as REPLACED
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.model_runtime.source import Source
from modelops_pipelines.gateway.worker.configuration.endpoint_configurations import EndpointConfigurations
from modelops_pipelines.gateway.worker.crash_book import CrashBook
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.version_processes import Loaded, VersionProcesses
from modelops_pipelines.operations.versions.copies import servable
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops.gateway")


class Versions:
    """The loads of one worker that the state database decides on."""

    def __init__(self, stores: Stores, processes: VersionProcesses, crashes: CrashBook) -> None:
        """Load with these processes."""
        self._stores, self._processes, self._crashes = stores, processes, crashes
        self._reported: dict[str, str] = {}

    def load(
        self,
        served: ServedEndpoint,
        version: str,
        configurations: EndpointConfigurations,
        replaced: Batcher | None = None,
        *,
        anew: bool = False,
    ) -> Batcher:
        """Load a version and have it prove that it answers; raises ModelError.

        With a new configuration (``anew``) it may be no worse than ``replaced``: prove itself, if that does. A version
        that is deployed beside a live one while the newest configuration is refused is refused with it.
        """
        name = served.spec.name
        found = servable(self._stores, required_version(self._stores.deployments, served.spec.model_name, version))
        deploying = any(attempt.version == version for attempt in self._stores.deployments.unsettled(name))
        has_served = self.has_served(name, version)
        is_beside = deploying and not has_served and bool(served.state.variants)
        if is_beside and (why := configurations.refusal(served)) is not None:
            raise ModelError(f"The endpoint's YAML cannot be served with: {why}", "Correct it, then deploy again")
        if anew:
            deploying = replaced is None or replaced.model.classes_fault is None
            has_served = replaced is not None and replaced.model.unproven is not None
        loaded = self._processes.load(Source(found, has_served=has_served, strict=deploying), served.spec)
        if loaded.learned != found:
            self._stores.deployments.record_classes(loaded.learned)
        self.note(served, loaded, found)
        return Batcher(loaded.model, self._crashes.suspects(name, version), loaded.source)

    def note(self, served: ServedEndpoint, loaded: Loaded, recorded: ModelVersion) -> None:
        """Log a load, and a problem with the version's classes, once until it changes."""
        model = loaded.model
        if model.classes_fault is not None:
            self.report(served.spec.name, model.classes_fault)
        _LOG.info("Loaded version %s of %s: %s", recorded.version, recorded.model_name, model.path.describe())

    def note_later(self, served: ServedEndpoint, loaded: Loaded) -> None:
        """Log a load that needed no state, and record what its model says of its classes, if the state is there."""
        recorded = loaded.source.version
        self.note(served, loaded, recorded)
        if loaded.learned != recorded:
            try:
                self._stores.deployments.record_classes(loaded.learned)
            except (ModelOpsError, SQLAlchemyError) as error:
                _LOG.warning("The classes of version %s could not be recorded: %s", recorded.version, error)

    def report(self, endpoint: str, problem: str) -> None:
        """Log a problem with the classes, once until it changes."""
        if self._reported.get(endpoint) != problem:
            self._reported[endpoint] = problem
            _LOG.error("Endpoint %s: %s", endpoint, problem)

    def has_served(self, endpoint: str, version: str) -> bool:
        """Return whether a version served here before: a new release must not end it, nor refuse a rollback to it.

        It has a deployment that became active, or none: then it was deployed by a release that recorded none.
        """
        deployments = [one for one in self._stores.deployments.attempts([endpoint]) if one.version == version]
        return not deployments or any(one.status in (LIVE, REPLACED) for one in deployments)
