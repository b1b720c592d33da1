"""An endpoint's YAML as values, with defaults. Validation: ``validate``."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, get_args

from modelops_pipelines.core.evaluation.gate import GateConfig
from modelops_pipelines.core.maintenance.retention import Retention
from modelops_pipelines.core.tables.derivations import Derivation, dependents_of, derivations_for
from modelops_pipelines.core.tables.lake import STREAMS

Task = Literal["binary_classification", "multiclass", "regression"]
Window = Literal["hour", "day"]
Strategy = Literal["direct", "canary"]
AliasPolicy = Literal["report", "adopt"]
UndecidedPolicy = Literal["hold", "advance"]
DriftMethod = Literal["calibrated", "evidently", "fixed"]
DriftReference = Literal["rolling", "training"]

TASKS: tuple[str, ...] = get_args(Task)
WINDOWS: tuple[str, ...] = get_args(Window)
STRATEGIES: tuple[str, ...] = get_args(Strategy)
ALIAS_POLICIES: tuple[str, ...] = get_args(AliasPolicy)
UNDECIDED_POLICIES: tuple[str, ...] = get_args(UndecidedPolicy)
DRIFT_METHODS: tuple[str, ...] = get_args(DriftMethod)
DRIFT_REFERENCES: tuple[str, ...] = get_args(DriftReference)

MOST_RESIDENT = 2
DIRECT_STEPS = (100,)
CANARY_STEPS = (5, 25, 50, 100)
SERVICE_ALERT_OVER = timedelta(hours=1)
DRIFTED_SHARES = {"fixed": 0.3, "evidently": 0.5}
"""Default share of drifted columns at which a drift rule fails; with calibrated verdicts one column is enough."""


@dataclass(frozen=True)
class AlertRule:
    """When to raise an alert.

    ``over`` is the time span that the rule judges, None for one window of the endpoint; ``minimum`` is the fewest rows
    for a verdict, None for the project's default.
    """

    kind: str
    metric: str | None = None
    above: float | None = None
    below: float | None = None
    over: timedelta | None = None
    minimum: int | None = None

    @property
    def name(self) -> str:
        """A stable slug, unique in an endpoint: the name of its check and of its alert."""
        return self.kind if self.metric is None else f"{self.kind}_{self.metric}"


@dataclass(frozen=True)
class Retraining:
    """When to retrain. ``automatic`` False: a person starts each retraining."""

    min_new_labels: int = 5000
    cooldown: timedelta = timedelta(days=7)
    automatic: bool = True


@dataclass(frozen=True)
class Promotion:
    """How a challenger becomes the champion: ``steps`` are its growing shares of the traffic, in percent.

    A canary advances to its next step automatically after ``soak`` at its share, ``minimum`` answered requests there,
    and no failed guard. While its quality is undecided it holds its share; after ``ask_after`` there an alert asks a
    person. With ``undecided: advance`` it advances all the same. With ``automatic`` a passed gate starts the promotion
    without a person. ``aliases`` says what happens when a person moves MLflow's alias: a report, or a promotion through
    the gate.
    """

    strategy: Strategy = "direct"
    steps: tuple[int, ...] = DIRECT_STEPS
    automatic: bool = False
    soak: timedelta = timedelta(minutes=10)
    minimum: int = 100
    aliases: AliasPolicy = "report"
    undecided: UndecidedPolicy = "hold"
    ask_after: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class Guard:
    """When a version is rolled back without a person.

    ``false_alarms`` is the probability that one of the guards ever withdraws a challenger as good as the champion. At
    that error rate, a challenger is withdrawn when its share of failed requests exceeds the champion's by ``errors``;
    when the share that takes over ``slower`` times the champion's p95 latency exceeds the champion's by ``slow``; when
    its loss on labelled answers exceeds the champion's by over ``loss`` times the champion's loss; or when its mean
    score is over ``score_shift`` from the champion's (None: not checked). A new champion is rolled back when, within
    ``watch``, its error rate exceeds the endpoint's error-rate alert or it is ``slower`` on the same rows than the
    champion before; or when, within ``probation``, its loss on labelled answers is that much worse on the same rows.
    """

    automatic: bool = True
    false_alarms: float = 0.01
    errors: float = 0.005
    slower: float = 2.0
    slow: float = 0.05
    loss: float = 0.1
    score_shift: float | None = None
    watch: timedelta = timedelta(minutes=30)
    probation: timedelta = timedelta(days=7)


@dataclass(frozen=True)
class Limits:
    """An endpoint's limits; None is unlimited.

    Rate limits use the notation of the library ``limits``, several of them joined by a semicolon:
    "100/minute; 10/second" keeps a caller from sending a minute's quota in one burst. ``concurrent`` is the most
    concurrent requests, ``deadline`` the longest that one may wait for its answer.
    """

    per_key: str | None = None
    per_user: str | None = None
    endpoint: str | None = None
    concurrent: int = 100
    deadline: timedelta = timedelta(seconds=30)
    body_mib: int = 16


@dataclass(frozen=True)
class CapturePolicy:
    """Which of a request's content the log keeps. The row itself is always logged.

    ``sample`` is the share of requests whose features are kept, ``max_kib`` the largest size of one request's features
    (larger ones are dropped, marked as truncated, and only their hash is kept), ``redact`` the features and caller
    fields (user_id, session_id, client_request_id, request_params) that are never written to disk.
    """

    sample: float = 1.0
    max_kib: int = 4096
    redact: tuple[str, ...] = ()


@dataclass(frozen=True)
class DriftPolicy:
    """How drift is judged.

    ``reference`` is what a window is compared with when ``method`` is calibrated: the ``days`` before it (rolling), or
    the last ``days`` of the version's training set (training). The other methods compare it with the whole training
    set. ``minimum`` is the fewest rows for a verdict.
    """

    method: DriftMethod = "calibrated"
    reference: DriftReference = "rolling"
    days: int = 28
    minimum: int = 500


@dataclass(frozen=True)
class Metric:
    """A custom metric: one SELECT in a file, or a function ``module:function`` of a window's rows."""

    name: str
    sql: str | None = None
    function: str | None = None


@dataclass(frozen=True)
class EndpointSpec:
    """One endpoint, as its YAML declares it.

    ``features`` are the monitored ones, empty for all of the model's inputs. ``classes`` are the model's classes in the
    order of its score columns, empty where the model itself says them. ``segments`` are features; quality is also
    measured per value of each. ``alerts`` is empty here unless given: a YAML without that key gets ``default_alerts``.
    ``allow_pickle`` lets the endpoint's own trainer return models that need pickle; a pickled model from elsewhere
    loads only when ``accept_pickles`` has its hash. ``row_wise`` False: a row's answer depends on the other rows of its
    request, so requests are never batched together. ``min_resident`` is what never leaves a gateway worker's memory: 0
    nothing, 1 the versions that answer, 2 the champion before them too.
    """

    name: str
    model_name: str
    task: Task
    label: str
    label_horizon: timedelta = timedelta(hours=48)
    window: Window = "hour"
    trainer: str | None = None
    owners: tuple[str, ...] = ()
    description: str = ""
    features: tuple[str, ...] = ()
    positive_label: str = "1"
    classes: tuple[str, ...] = ()
    allow_replay: bool = False
    allow_pickle: bool = False
    accept_pickles: tuple[str, ...] = ()
    row_wise: bool = True
    min_resident: int = 0
    segments: tuple[str, ...] = ()
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    metrics: tuple[Metric, ...] = ()
    alerts: tuple[AlertRule, ...] = ()
    retraining: Retraining | None = None
    promotion: Promotion = field(default_factory=Promotion)
    guard: Guard = field(default_factory=Guard)
    gate: GateConfig = field(default_factory=GateConfig)
    limits: Limits = field(default_factory=Limits)
    capture: CapturePolicy = field(default_factory=CapturePolicy)
    retention: Retention = field(default_factory=Retention)

    @property
    def derivations(self) -> tuple[Derivation, ...]:
        """The tables derived for this endpoint, in order of computing."""
        return derivations_for(self.task, own_metrics=bool(self.metrics))

    @property
    def monitored(self) -> tuple[str, ...]:
        """The names of the endpoint's monitored tables: the captured ones, then the derived ones."""
        return (*(table.name for table in STREAMS.values()), *(one.name for one in self.derivations))

    def dependents(self, table: str) -> tuple[str, ...]:
        """Return what is marked when windows of ``table`` change: the names of derived tables, and its own verdicts."""
        judged = [one.verdict_mark for one in self.derivations if one.name == table and self.rules_of(one)]
        return (*dependents_of(self.derivations, table), *judged)

    def rules_of(self, derivation: Derivation) -> list[AlertRule]:
        """Return the endpoint's alert rules that judge a derived table."""
        kinds = {kind.name for kind in derivation.judged_by}
        return [rule for rule in self.alerts if rule.kind in kinds]

    def thresholds(self, kind: str, metric: str | None = None) -> list[float]:
        """Return the thresholds of the endpoint's alert rules of a kind."""
        mine = [rule for rule in self.alerts if rule.kind == kind and rule.metric == metric]
        return [limit for rule in mine for limit in (rule.above, rule.below) if limit is not None]


def with_defaults(rule: AlertRule) -> AlertRule:
    """Return the rule with its kind's defaults for what it leaves out."""
    if rule.kind in {"error_rate", "latency_p95_ms"} and rule.over is None:
        return replace(rule, over=SERVICE_ALERT_OVER)
    return rule


def default_alerts(task: str) -> tuple[AlertRule, ...]:
    """Return the alert rules of an endpoint whose YAML has none."""
    rules = [
        AlertRule("error_rate", above=0.10),
        AlertRule("latency_p95_ms", above=10_000),
        AlertRule("drift"),
        AlertRule("data_quality"),
    ]
    if task == "binary_classification":
        rules.append(AlertRule("quality", metric="brier_skill", below=0))
    return tuple(with_defaults(rule) for rule in rules)


def default_steps(strategy: str) -> tuple[int, ...]:
    """Return a strategy's default steps."""
    return CANARY_STEPS if strategy == "canary" else DIRECT_STEPS
