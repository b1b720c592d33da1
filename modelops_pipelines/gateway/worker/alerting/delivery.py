"""Delivers messages and the heartbeat from a worker, beside Dagster or without it; one process does at a time."""

from contextlib import suppress

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.operations.alerting.delivery.deliver import Deliverer
from modelops_pipelines.operations.alerting.delivery.heartbeat import Heart
from modelops_pipelines.store.stores import Stores


class Delivery:
    """What a worker delivers, in threads of its own: never on the event loop."""

    def __init__(self, stores: Stores) -> None:
        """Deliver nothing yet: each ``turn`` does."""
        self._stores, self._deliverer, self._heart = stores, Deliverer(stores), Heart(stores)

    def turn(self) -> None:
        """Begin to send what is due, if this is the process that delivers. Call it every TURN_SECONDS."""
        if self._deliverer.turn():
            self._heart.turn(self._stores.now())

    def close(self) -> None:
        """Let another process deliver at once; without the state, one finds that this process has ended."""
        with suppress(ModelOpsError):
            self._deliverer.close()
