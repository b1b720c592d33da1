"""What a worker acknowledges of the desired state: it stands, or it is sent again.

A deploy waits for it. One that failed once, or was lost with the state that a backup replaced, would make a change that
has taken effect fail.
"""

import logging

from sqlalchemy.exc import SQLAlchemyError

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.gateway.worker.background_tasks import Pace
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops.gateway")


class Acknowledgements:
    """The acknowledgements of one worker."""

    def __init__(self, stores: Stores, worker: str) -> None:
        """Have acknowledged nothing yet."""
        self._stores, self._worker = stores, worker
        self._due: dict[str, tuple[int, str | None]] = {}
        self._unsent: set[str] = set()
        self._pace = Pace()

    def send(self, endpoint: str, generation: int, error: str | None) -> None:
        """Record the generation of an endpoint that the worker serves, or why it cannot; ``resend`` if that fails."""
        self._due[endpoint] = generation, error
        try:
            self._stores.deployments.acknowledge(self._worker, endpoint, generation, error, self._stores.now())
            self._unsent.discard(endpoint)
        except (ModelOpsError, SQLAlchemyError) as failure:
            self._unsent.add(endpoint)
            _LOG.warning("Generation %d of %s is acknowledged again in a second: %s", generation, endpoint, failure)

    def send_change(self, endpoint: str, generation: int, error: str | None) -> None:
        """Send what differs from what was sent last."""
        if self._due.get(endpoint) != (generation, error):
            self.send(endpoint, generation, error)

    def forget(self, endpoint: str) -> None:
        """Send nothing of an endpoint again: the state has another past than what was acknowledged, from a backup."""
        self._due.pop(endpoint, None)
        self._unsent.discard(endpoint)

    def resend(self) -> None:
        """Record again what could not be recorded, and what is recorded no longer; called every second."""
        for endpoint in list(self._unsent):
            self.send(endpoint, *self._due[endpoint])
        if self._pace.is_due():
            with self._pace.turn():
                self._send_lost()

    def _send_lost(self) -> None:
        due = dict(self._due)
        recorded = self._stores.deployments.acknowledged(self._worker)
        for endpoint, what in due.items():
            if recorded.get(endpoint) != what and self._due.get(endpoint) == what:
                self.send(endpoint, *what)
