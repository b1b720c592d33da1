"""Silences: which alerts are not sent to people, and when.

A silence withholds messages; it changes no verdict and no alert.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import Alert, Traits
from modelops_pipelines.core.alerting.configuration import MaintenanceWindow
from modelops_pipelines.core.alerting.silencing.maintenance_times import parse_times
from modelops_pipelines.core.alerting.silencing.matchers import fields_of, matches
from modelops_pipelines.core.windows import text

NEVER_SILENCED = frozenset({"capture", "security", "keys", "watchers"})
"""Kinds of alerts that no silence or maintenance window withholds: lost rows, stolen keys, nobody watches."""
SILENCE, MAINTENANCE = "silence", "maintenance window"


@dataclass(frozen=True)
class Silence:
    """A silence that a person made: from ``starts_at``, up to ``until`` or in its weekly times, until it is ended."""

    matchers: Mapping[str, str]
    reason: str
    created_at: datetime
    created_by: str
    starts_at: datetime
    until: datetime | None = None
    weekly: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    id: int | None = None

    def is_active(self, now: datetime) -> bool:
        """Return whether it withholds messages now."""
        if self.is_over(now) or now < self.starts_at:
            return False
        return self.weekly is None or _covers(self.weekly, now)

    def is_over(self, now: datetime) -> bool:
        """Return whether it will never withhold anything again."""
        return self.ended_at is not None or (self.until is not None and self.until <= now)


def silenced_by(
    alert: Alert,
    traits: Traits,
    silences: Iterable[Silence],
    windows: Iterable[MaintenanceWindow],
    now: datetime,
) -> str | None:
    """Return why the alert's messages are withheld now, None when they are sent."""
    if alert.kind in NEVER_SILENCED:
        return None
    known = fields_of(alert, traits)
    for silence in silences:
        if silence.is_active(now) and matches(silence.matchers, known):
            until = f" until {text(silence.until)[:16]}Z" if silence.until is not None else ""
            return f"{SILENCE} {silence.id}{until}: {silence.reason}"
    for window in windows:
        if _covers(window.weekly, now) and matches(window.matchers, known):
            return f"{MAINTENANCE} {window.weekly}: {window.reason}"
    return None


def is_silence(withheld: str | None) -> bool:
    """Return whether a notification is withheld by a silence or a maintenance window: it may be sent when that ends."""
    return withheld is not None and withheld.startswith((f"{SILENCE} ", f"{MAINTENANCE} "))


def _covers(times: str, now: datetime) -> bool:
    parsed = parse_times(times)
    return parsed is not None and parsed.cover(now)
