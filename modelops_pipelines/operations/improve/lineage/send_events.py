"""Sends OpenLineage events to a file or an address: at least once, in order, by one process at a time.

An event that cannot be sent is tried again, at longer and longer pauses, and the later ones wait for it. One that its
receiver refuses for good is left out, with the reason on record.
"""

import json
import os
import random
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from modelops_pipelines.channels.outcome import DELIVERED, Outcome, failed
from modelops_pipelines.channels.webhook import post_webhook
from modelops_pipelines.core.alerting.messages import pause_after
from modelops_pipelines.operations.improve.lineage.gather_events import gather_events
from modelops_pipelines.store.filesystem.appended_lines import append_line
from modelops_pipelines.store.filesystem.process_identity import this_process
from modelops_pipelines.store.settings import Settings
from modelops_pipelines.store.state.improve.lineage_events import LineageEvent
from modelops_pipelines.store.stores import Stores

API_KEY = "MODELOPS_OPENLINEAGE_API_KEY"
"""The variable with the receiver's key. It is read for each try, kept nowhere, and in no message."""
LEASE, LEASE_SECONDS = "lineage", 30.0
LONGEST_ERROR = 300


class LineageSender:
    """Sends what is due while this process has the lease; it remembers what it has gathered."""

    def __init__(self, stores: Stores, owner: str | None = None) -> None:
        """Send nothing yet: each ``turn`` does. ``owner`` is this process unless it is given."""
        self._stores, self._owner = stores, owner or this_process()
        self._gathered: tuple[int, ...] | None = None

    def turn(self, seconds: float = 20.0, now: datetime | None = None) -> int:
        """Gather what is new and send what is due, for at most so long; return how many events were sent.

        Nothing is written and nothing sent without the setting ``openlineage``.
        """
        if self._stores.settings.openlineage is None or not self._has_lease(now):
            return 0
        self._gather(now or self._stores.now())
        ends, sent = time.monotonic() + seconds, 0
        while time.monotonic() < ends and self._has_lease(now):
            event = self._stores.lineage_events.next()
            at = now or self._stores.now()
            if event is None or event.due_at > at or not self._send(event, at):
                break
            sent += 1
        return sent

    def close(self) -> None:
        """Let another process send at once."""
        self._stores.leases.release(LEASE, self._owner)

    def _has_lease(self, now: datetime | None) -> bool:
        return self._stores.leases.take(LEASE, self._owner, now or self._stores.now(), LEASE_SECONDS)

    def _gather(self, now: datetime) -> None:
        mark = self._stores.lineage_records.mark()
        if mark != self._gathered:
            gather_events(self._stores, now)
            self._gathered = mark

    def _send(self, event: LineageEvent, now: datetime) -> bool:
        """Try once; return whether the next event may be tried."""
        outcome = deliver(self._stores.settings, event)
        events, error = self._stores.lineage_events, outcome.error[:LONGEST_ERROR]
        if outcome.is_delivered:
            events.finish(event.id, now)
            return True
        if outcome.is_refused:
            events.finish(event.id, now, refused=error)
            return True
        jitter = random.random()  # noqa: S311 - no secret
        events.postpone(event.id, error, now + pause_after(event.attempts + 1, jitter, outcome.retry_after))
        return False


def deliver(settings: Settings, event: LineageEvent) -> Outcome:
    """Write an event to the file, or post it; the outcome's words have neither the address nor the key."""
    place = str(settings.openlineage)
    body = json.dumps(event.event, ensure_ascii=False, separators=(",", ":"))
    if not urlsplit(place).hostname:
        try:
            append_line(Path(place), body, settings.home / "locks" / "lineage.lock")
        except OSError as error:
            return failed(f"the file cannot be written ({error.strerror})")
        return DELIVERED
    key = os.environ.get(API_KEY, "").strip()
    authorized = {"authorization": f"Bearer {key}"} if key else {}
    headers = {"user-agent": "modelops_pipelines", "content-type": "application/json", **authorized}
    return post_webhook(place, body.encode(), headers, allow_private=settings.openlineage_private)


def send_lineage(stores: Stores, seconds: float = 20.0) -> int:
    """Send what is due once, and let another process go on; return how many events were sent."""
    sender = LineageSender(stores)
    try:
        return sender.turn(seconds)
    finally:
        if stores.settings.openlineage is not None:
            sender.close()
