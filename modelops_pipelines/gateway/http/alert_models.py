"""Bodies of the routes about alerts, silences, alert rules and messages, as the OpenAPI document shows them."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictStr

from modelops_pipelines.gateway.http.response_models import Moment

State = Literal["pending", "open", "acknowledged", "resolved"]
Severity = Literal["error", "warning"]
Text = Annotated[StrictStr, Field(max_length=2000)]
Short = Annotated[StrictStr, Field(max_length=200)]
MOST_MATCHERS = 20
MOST_LETTERS = 1000


class NoteMessage(BaseModel):
    """What the person who takes the alert on does about it."""

    model_config = ConfigDict(extra="forbid")
    note: Text = ""


class ResolveMessage(BaseModel):
    """Why the alert is over."""

    model_config = ConfigDict(extra="forbid")
    reason: Text


class SilenceMessage(BaseModel):
    """Which alerts nobody is told of, and until when: 'until', or 'weekly' (which may have an 'until')."""

    model_config = ConfigDict(extra="forbid")
    matchers: Annotated[dict[Short, Short], Field(min_length=1, max_length=MOST_MATCHERS)] = Field(
        description="field of an alert (endpoint, rule, kind, severity, owner, labels.NAME) to a pattern with * and ?",
        examples=[{"endpoint": "flights", "rule": "error_rate"}],
    )
    reason: Text
    until: AwareDatetime | None = None
    weekly: Short | None = Field(None, examples=["Sun 02:00-04:00 Europe/Berlin"])
    starts_at: AwareDatetime | None = Field(None, description="default: now")


class RuleMessage(BaseModel):
    """An alert rule, with the keys of 'alerts' in an endpoint's YAML."""

    model_config = ConfigDict(extra="forbid")
    rule: dict[Short, Any] = Field(examples=[{"kind": "latency", "percentile": 99, "above": 800, "for": "5m"}])


class ResendMessage(BaseModel):
    """The dead letters to send again."""

    model_config = ConfigDict(extra="forbid")
    message_ids: Annotated[list[Short], Field(min_length=1, max_length=MOST_LETTERS)]


class AlertInfo(BaseModel):
    """An alert of a rule. Times are null until they come; 'state' is that of the alert as people see it."""

    id: int
    endpoint: str
    rule: str
    kind: str
    state: State
    severity: str
    message: str
    value: float | None
    threshold: float | None
    n: int | None = Field(description="rows or requests behind the newest verdict")
    count: int = Field(description="how often its rule has failed since it opened")
    opened_at: Moment
    last_seen_at: Moment
    resolved_at: Moment | None
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    note: str | None
    resolved_by: str | None = Field(description="null where it was resolved by its rule's verdicts")
    resolution: str | None
    reopened: int
    escalations: int
    flapping: bool
    data_window: str
    silenced: str | None = Field(description="by which silence or maintenance window now, and until when; else null")


class AlertEventInfo(BaseModel):
    """An entry of an alert's history; the actor is null where the rule's verdict or the clock did it."""

    at: Moment
    event: str
    actor: str | None
    note: str | None
    detail: dict[str, Any]


class AlertMessageInfo(BaseModel):
    """A message to a channel that told of the alert."""

    message_id: str
    channel: str
    created_at: Moment
    status: Literal["pending", "delivered", "dead"]
    attempts: int
    last_error: str | None
    finished_at: Moment | None


class WithheldInfo(BaseModel):
    """What a channel is not told of the alert, and why."""

    at: Moment
    channel: str
    reason: str


class CauseInfo(BaseModel):
    """A likely cause of an alert, or where the damage is; 'command' undoes it, where a command does."""

    endpoint: str
    kind: str
    text: str
    command: str


class LinkInfo(BaseModel):
    """A page about the alert."""

    label: str
    url: str


class AlertDetails(AlertInfo):
    """An alert with its history, the messages that told of it, likely causes, and pages."""

    lasted: str
    owner: str
    runbook: str
    labels: dict[str, str]
    history: list[AlertEventInfo]
    messages: list[AlertMessageInfo]
    withheld: list[WithheldInfo]
    causes: list[CauseInfo]
    links: list[LinkInfo]


SilenceStatus = Literal["active", "waiting", "over"]


class SilenceInfo(BaseModel):
    """A silence: which alerts nobody is told of, when, by whom and why."""

    id: int
    status: SilenceStatus
    matchers: dict[str, str]
    reason: str
    created_at: Moment
    created_by: str
    starts_at: Moment
    until: Moment | None
    weekly: str | None
    ended_at: Moment | None
    ended_by: str | None


class RuleInfo(BaseModel):
    """An alert rule in force with its newest verdict; 'source' says where it is from."""

    rule: str
    state: Literal["passed", "failed", "not judged"]
    severity: str
    source: Literal["yaml", "run time"]
    version: int | None = Field(description="of a rule made at run time; null for one of the YAML")
    actor: str | None = Field(description="who made that version")
    window: str
    value: float | None
    threshold: float | None
    n: int
    message: str
    definition: dict[str, Any] = Field(description="the rule as the YAML would have it")


class RuleVersionInfo(BaseModel):
    """A change of a rule made at run time; 'rule' is null where it was removed."""

    endpoint: str
    name: str
    version: int
    rule: dict[str, Any] | None
    at: Moment
    actor: str


class WouldBeInfo(BaseModel):
    """An alert that a rule would have opened; times are those of the ends of windows."""

    opened_at: Moment
    resolved_at: Moment | None = Field(description="null: it would be open")
    message: str


class PastDaysInfo(BaseModel):
    """What a rule would have said of the last days."""

    days: int
    counts: dict[Literal["passed", "failed", "not judged"], int] = Field(description="verdicts by their state")
    alerts: list[WouldBeInfo]
    newest_failure: str | None
    newest: str | None = Field(description="what the newest verdict says")
    why_none: str = Field(description="why there is no verdict; empty where there are some")


class RuleTrialInfo(BaseModel):
    """What synthetic requests say of a rule, and the channels that would be told of its alert."""

    result: Literal["fires", "does not fire", "always fires", "could not be tried", "fails"]
    reason: str
    told: list[str]


class RuleTryInfo(BaseModel):
    """What a rule that is not saved would do. Nothing was written, and nobody was told."""

    rule: str
    definition: dict[str, Any] = Field(description="the rule as the YAML would have it, with its defaults")
    past: PastDaysInfo
    before: PastDaysInfo | None = Field(description="the same of the rule in force of this name; null without one")
    trial: RuleTrialInfo


class DeadLetterInfo(BaseModel):
    """A message that no channel took, and that is not tried any more."""

    message_id: str
    channel: str
    endpoint: str
    created_at: Moment
    attempts: int
    last_error: str | None
    finished_at: Moment | None
    title: str
    alerts: list[int]


class Resent(BaseModel):
    """The ids of the messages that will be tried again."""

    resent: list[str]
