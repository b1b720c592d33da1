"""The champion before the present one: kept, so that a rollback is quick, and in memory as long as it fits."""

import logging

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.release.event_log import champions, replacement
from modelops_pipelines.gateway.worker.residency.beginning import Beginning
from modelops_pipelines.gateway.worker.residency.residency import Residency
from modelops_pipelines.gateway.worker.served_endpoint import Probation, ServedEndpoint
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops.gateway")


class PreviousChampions:
    """Knows from the history which champion was before."""

    def __init__(self, stores: Stores, beginning: Beginning, residency: Residency) -> None:
        """Read the history at each call."""
        self._stores, self._beginning, self._residency = stores, beginning, residency

    def keep(self, served: ServedEndpoint) -> None:
        """Keep the previous champion; whether it is loaded is another matter.

        For some time the new champion is compared with it (``guard: {watch: ...}``).
        """
        events = self._stores.deployments.events(served.spec.name)
        line, release = champions(events), replacement(events, served.state.champion)
        if len(line) > 1 and release is not None:
            served.probation = Probation(line[-2], (release.at + served.spec.guard.watch).timestamp())
        if len(line) > 1 and line[-2] not in served.loaded:
            try:
                served.loaded = {**served.loaded, line[-2]: self._beginning.batcher(served, line[-2])}
            except ModelOpsError as error:
                text = "Endpoint %s: the previous champion cannot be loaded, so that a rollback would fail: %s"
                _LOG.warning(text, served.spec.name, error)

    def load(self, served: ServedEndpoint) -> None:
        """Have the versions loaded that do not answer, as far as they fit; a failure is only logged."""
        for version, batcher in served.loaded.items():
            if not batcher.is_resident and self._residency.has_room(batcher.model.bytes):
                self._residency.request((served.spec.name, version))
