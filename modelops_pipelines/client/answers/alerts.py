"""Alerts, their rules, silences, and messages that nobody took."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class Alert(Result):
    """An alert of a rule. Times are null until they come; 'state' is that of the alert as people see it."""

    id: int
    endpoint: str
    rule: str
    kind: str
    state: str
    severity: str
    message: str
    value: float | None
    threshold: float | None
    n: int | None
    """Rows or requests behind the newest verdict."""
    count: int
    """How often its rule has failed since it opened."""
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    resolved_by: str | None
    """Null where it was resolved by its rule's verdicts."""
    resolution: str | None
    reopened: int
    escalations: int
    flapping: bool
    data_window: str
    silenced: str | None
    """By which silence or maintenance window now, and until when; else null."""


@dataclass(frozen=True)
class AlertEvent(Result):
    """An entry of an alert's history; the actor is null where the rule's verdict or the clock did it."""

    at: datetime
    event: str
    actor: str | None
    note: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class AlertMessage(Result):
    """A message to a channel that told of the alert."""

    message_id: str
    channel: str
    created_at: datetime
    status: str
    attempts: int
    last_error: str | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Withheld(Result):
    """What a channel is not told of the alert, and why."""

    at: datetime
    channel: str
    reason: str


@dataclass(frozen=True)
class Cause(Result):
    """A likely cause of an alert, or where the damage is; 'command' undoes it, where a command does."""

    endpoint: str
    kind: str
    text: str
    command: str


@dataclass(frozen=True)
class Link(Result):
    """A page about the alert."""

    label: str
    url: str


@dataclass(frozen=True)
class AlertDetails(Alert):
    """An alert with its history, the messages that told of it, likely causes, and pages."""

    lasted: str
    owner: str
    runbook: str
    labels: Mapping[str, str]
    history: tuple[AlertEvent, ...]
    messages: tuple[AlertMessage, ...]
    withheld: tuple[Withheld, ...]
    causes: tuple[Cause, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Silence(Result):
    """A silence: which alerts nobody is told of, when, by whom and why."""

    id: int
    status: str
    matchers: Mapping[str, str]
    reason: str
    created_at: datetime
    created_by: str
    starts_at: datetime
    until: datetime | None
    weekly: str | None
    ended_at: datetime | None
    ended_by: str | None


@dataclass(frozen=True)
class Rule(Result):
    """An alert rule in force with its newest verdict; 'source' says where it is from."""

    rule: str
    state: str
    severity: str
    source: str
    version: int | None
    """Of a rule made at run time; null for one of the YAML."""
    actor: str | None
    """Who made that version."""
    window: str
    value: float | None
    threshold: float | None
    n: int
    message: str
    definition: Mapping[str, Any]
    """The rule as the YAML would have it."""


@dataclass(frozen=True)
class RuleVersion(Result):
    """A change of a rule made at run time; 'rule' is null where it was removed."""

    endpoint: str
    name: str
    version: int
    rule: Mapping[str, Any] | None
    at: datetime
    actor: str


@dataclass(frozen=True)
class WouldBe(Result):
    """An alert that a rule would have opened; times are those of the ends of windows."""

    opened_at: datetime
    resolved_at: datetime | None
    """Null: it would be open."""
    message: str


@dataclass(frozen=True)
class PastDays(Result):
    """What a rule would have said of the last days; ``counts`` are verdicts by their state."""

    days: int
    counts: Mapping[str, int]
    alerts: tuple[WouldBe, ...]
    newest_failure: str | None
    newest: str | None
    why_none: str
    """Why there is no verdict; empty where there are some."""


@dataclass(frozen=True)
class RuleTrial(Result):
    """What synthetic requests say of a rule, and the channels that would be told of its alert."""

    result: str
    reason: str
    told: tuple[str, ...]


@dataclass(frozen=True)
class RuleTry(Result):
    """What a rule that is not saved would do; ``before`` is the same of the rule in force of its name."""

    rule: str
    definition: Mapping[str, Any]
    past: PastDays
    before: PastDays | None
    trial: RuleTrial


@dataclass(frozen=True)
class DeadLetter(Result):
    """A message that no channel took, and that is not tried any more."""

    message_id: str
    channel: str
    endpoint: str
    created_at: datetime
    attempts: int
    last_error: str | None
    finished_at: datetime | None
    title: str
    alerts: tuple[int, ...]


@dataclass(frozen=True)
class Resent(Result):
    """The ids of the messages that will be tried again."""

    resent: tuple[str, ...]
