"""Sends OpenLineage events from a worker; one process does at a time. Nothing is imported where none are sent."""

from contextlib import suppress
from typing import TYPE_CHECKING

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.operations.improve.lineage.send_events import LineageSender

TURN_SECONDS = 5.0


class Lineage:
    """What a worker sends, in a thread of its own."""

    def __init__(self, stores: Stores) -> None:
        """Send nothing yet: each ``turn`` does."""
        self._stores = stores
        self._sender: LineageSender | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether events are sent anywhere."""
        return self._stores.settings.openlineage is not None

    def turn(self) -> None:
        """Gather what is new and send what is due, if this is the process that does. Call it every TURN_SECONDS."""
        from modelops_pipelines.operations.improve.lineage.send_events import LineageSender

        self._sender = self._sender or LineageSender(self._stores)
        self._sender.turn()

    def close(self) -> None:
        """Let another process send at once; without the state, one finds that this process has ended."""
        if self._sender is not None:
            with suppress(ModelOpsError):
                self._sender.close()
