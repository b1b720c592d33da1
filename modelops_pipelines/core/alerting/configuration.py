"""Who is told of which alert, as ``alerting.yaml`` says it: channels, routes, maintenance windows, the heartbeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

GROUP_WAIT = timedelta(seconds=3)
"""What changes on an endpoint within it is told in one message."""
HEARTBEAT_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Channel:
    """A way to tell people: a signed webhook, or one of the addresses that ``apprise`` knows.

    ``url`` and ``secrets`` say where the value is (``env:NAME`` or ``file:PATH``), never the value itself; a webhook
    without secrets is not signed, one with two is signed with both. ``allow_private`` lets a webhook reach addresses of
    this machine and of private networks. ``form`` is how the message is written: json, text, slack or html.
    """

    name: str
    kind: str
    url: str
    secrets: tuple[str, ...] = ()
    allow_private: bool = False
    form: str = "json"


@dataclass(frozen=True)
class Route:
    """Which alerts go to which channels: the first route whose matchers all match an alert is its route.

    ``matchers`` are patterns (``*`` and ``?``) for fields of the alert: endpoint, rule, kind, severity, owner, or
    ``labels.NAME``. An alert that nobody has acknowledged after ``escalate_after`` is told to ``escalate_to`` too.
    """

    channels: tuple[str, ...]
    matchers: Mapping[str, str] = field(default_factory=dict)
    escalate_after: timedelta | None = None
    escalate_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaintenanceWindow:
    """A weekly time without messages, such as ``Sun 02:00-04:00 Europe/Berlin``."""

    weekly: str
    reason: str
    matchers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlertingConfiguration:
    """The content of ``alerting.yaml``; empty where there is none: alerts are listed then, and sent to nobody."""

    channels: tuple[Channel, ...] = ()
    routes: tuple[Route, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    heartbeat: Channel | None = None
    heartbeat_every: timedelta = HEARTBEAT_EVERY
    group_wait: timedelta = GROUP_WAIT
