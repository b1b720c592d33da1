"""Delivers messages to channels, in one process at a time; another one takes over when it ends or stands still.

The gateway's workers and Dagster's sensor both call this; whoever has the lease delivers. Each channel has a thread of
its own while there is something to send, so a receiver that hangs holds up no other.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from modelops_pipelines.core.alerting.messages import Message
from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.operations.alerting.configuration import alerting_configuration
from modelops_pipelines.operations.alerting.delivery.gather import gather
from modelops_pipelines.operations.alerting.delivery.sending import send
from modelops_pipelines.operations.alerting.delivery.tries import Send, Tries, try_channel
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.stores import Stores

LEASE, LEASE_SECONDS = "delivery", 30.0
CHANNEL_LEASE, SEND_SECONDS = "delivery to ", 120.0
"""A channel's lease, kept while its messages are sent: half of it is longer than the longest try of one takes."""
TURN_SECONDS = 0.5
MOST_THREADS = 16
_JOIN_SECONDS = 3.0
_SENDING: set[tuple[str, str]] = set()
"""Homes and channels that a thread of this process sends to: a lease is the process's, and knows no threads."""
_SENDING_LOCK = threading.Lock()
_LOG = logging.getLogger("modelops.delivery")


class Deliverer:
    """Delivers what is due while this process has the lease."""

    def __init__(
        self,
        stores: Stores,
        *,
        clock: Callable[[], datetime] | None = None,
        owner: str | None = None,
        send: Send = send,
    ) -> None:
        """Deliver nothing yet: each ``turn`` does. ``owner`` is this process unless it is given.

        ``has_due`` says whether the last turn found something to send.
        """
        self._stores, self._clock, self._send = stores, clock or stores.now, send
        self._owner = owner or this_process()
        self._threads: dict[str, threading.Thread] = {}
        self._has_lease = self.has_due = False

    def turn(self) -> bool:
        """Gather what is due, and begin to send it; it waits for no receiver. Return whether this process delivers."""
        self.has_due = False
        if not self._may_go_on():
            return False
        gather(self._stores, self._clock(), self._may_go_on)
        due: dict[str, list[Message]] = {}
        for message in self._stores.messages.due(self._clock()):
            due.setdefault(message.channel, []).append(message)
        self.has_due = bool(due)
        for channel, messages in due.items():
            self._begin(channel, messages)
        return True

    def is_idle(self) -> bool:
        """Return whether nothing is being sent by this process."""
        return not any(thread.is_alive() for thread in self._threads.values())

    def close(self) -> None:
        """Wait a little for what is being sent, and let another process deliver."""
        ends = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads.values():
            thread.join(timeout=max(0.0, ends - time.monotonic()))
        if self._has_lease and self.is_idle():  # else it runs out: two processes would send the same message
            self._stores.leases.release(LEASE, self._owner)
            self._has_lease = False

    def _may_go_on(self) -> bool:
        self._has_lease = self._stores.leases.take(LEASE, self._owner, self._clock(), LEASE_SECONDS)
        return self._has_lease

    def _begin(self, channel: str, messages: list[Message]) -> None:
        """Send a channel's messages in its thread, unless it is at work already."""
        self._threads = {name: thread for name, thread in self._threads.items() if thread.is_alive()}
        if channel in self._threads or len(self._threads) >= MOST_THREADS:
            return
        thread = threading.Thread(target=self._run, args=(channel, messages), name=f"to {channel}", daemon=True)
        self._threads[channel] = thread
        thread.start()

    def _run(self, channel: str, messages: list[Message]) -> None:
        configuration = alerting_configuration(self._stores.settings)
        try:
            with self._alone(channel) as may_send:
                tries = Tries(self._stores, configuration, self._clock, may_send, self._send)
                try_channel(tries, channel, messages)
        except Exception as error:  # noqa: BLE001 - the next turn tries again
            what = error_text(error)  # a trace may quote an address
            _LOG.error("Delivery to channel %s stopped until the next turn: %s", channel, what)

    @contextmanager
    def _alone(self, channel: str) -> Iterator[Callable[[], bool]]:
        """Send to a channel as its only sender, also where a try outlives the lease; yield whether this may go on."""
        name, key = CHANNEL_LEASE + channel, (str(self._stores.settings.home), channel)
        with _SENDING_LOCK:
            is_mine = key not in _SENDING
            _SENDING.add(key)
        if not is_mine:
            yield lambda: False
            return
        leases = self._stores.leases
        try:
            yield lambda: self._may_go_on() and leases.take(name, self._owner, self._clock(), SEND_SECONDS)
        finally:
            with _SENDING_LOCK:
                _SENDING.discard(key)
            leases.release(name, self._owner)


def deliver_due(stores: Stores, now: datetime | None = None, *, seconds: float = 20.0, send: Send = send) -> bool:
    """Deliver what is due, and wait for it at most so long; return whether this process was the one that delivers.

    ``now`` is the time for all of it; without it, the clock's.
    """
    deliverer = Deliverer(stores, clock=None if now is None else lambda: now, send=send)
    ends = time.monotonic() + seconds
    try:
        while is_mine := deliverer.turn():
            if not deliverer.has_due or time.monotonic() >= ends:
                break
            while not deliverer.is_idle() and time.monotonic() < ends:
                time.sleep(0.01)
    finally:
        deliverer.close()
    return is_mine
