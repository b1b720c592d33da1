"""The dead man's switch: an address outside is asked for every so often while alerts are watched and delivered.

Who listens there says when that stops: the machine is off, the network is down, or this software does not work.
"""

import logging
import threading
from datetime import datetime

from modelops_pipelines.channels.outcome import Outcome, failed
from modelops_pipelines.channels.secret_values import value_of
from modelops_pipelines.channels.webhook import post_webhook
from modelops_pipelines.core.alerting.configuration import Channel
from modelops_pipelines.core.errors import SettingsError
from modelops_pipelines.operations.alerting.configuration import alerting_configuration
from modelops_pipelines.operations.alerting.delivery.channel_watch import DELIVERY
from modelops_pipelines.operations.alerting.delivery.home_verdicts import apply_home_verdicts, home_verdict
from modelops_pipelines.operations.alerting.delivery.watchers import has_watcher
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.stores import Stores

HEARTBEAT = "heartbeat"
REFUSED_TIMES = 3
_LOG = logging.getLogger("modelops.delivery")


class Heart:
    """Sends the heartbeat when it is due; it is called by the process that delivers."""

    def __init__(self, stores: Stores) -> None:
        """Send nothing yet."""
        self._stores = stores
        self._thread: threading.Thread | None = None
        self._fault, self._failed, self._told = "", 0, True

    def turn(self, now: datetime) -> bool:
        """Begin to send a heartbeat if one is due and a watcher works; return whether it was."""
        configuration = alerting_configuration(self._stores.settings)
        channel = configuration.heartbeat
        if channel is None or (self._thread is not None and self._thread.is_alive()):
            return False
        self._tell(now)
        last = self._stores.leases.beats().get(HEARTBEAT)
        is_due = last is None or now - last.beat_at >= configuration.heartbeat_every or last.beat_at > now
        if not is_due or not has_watcher(self._stores, now):
            return False
        self._stores.leases.beat(HEARTBEAT, this_process(), now, 0)
        self._thread = threading.Thread(target=self._send, args=(channel,), name=HEARTBEAT, daemon=True)
        self._thread.start()
        return True

    def wait(self, seconds: float) -> None:
        """Wait for a heartbeat that is being sent."""
        if self._thread is not None:
            self._thread.join(timeout=seconds)

    def _send(self, channel: Channel) -> None:
        outcome = send_heartbeat(channel)
        if outcome.error != self._fault:
            _LOG.warning("The heartbeat %s", f"is not sent: {outcome.error}" if outcome.error else "is received again")
        self._failed = self._failed + 1 if outcome.error else 0
        self._fault, self._told = outcome.error, False

    def _tell(self, now: datetime) -> None:
        """Open an alert when the heartbeat was refused so often in a row, and resolve it when it is received."""
        if self._told or 0 < self._failed < REFUSED_TIMES:
            return
        problem = (
            f"the heartbeat was not received {self._failed} times in a row: {self._fault}" if self._failed else None
        )
        verdict = home_verdict(HEARTBEAT, DELIVERY, now, problem, "the heartbeat is received")
        apply_home_verdicts(self._stores, HEARTBEAT, [verdict], now)
        self._told = True


def send_heartbeat(channel: Channel) -> Outcome:
    """Ask for the heartbeat's address once."""
    try:
        url = value_of(channel.url)
    except SettingsError as error:
        return failed(str(error))
    headers = {"user-agent": "modelops_pipelines"}
    return post_webhook(url, b"", headers, allow_private=channel.allow_private, method="GET")
