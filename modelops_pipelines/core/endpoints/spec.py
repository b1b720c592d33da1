"""What an endpoint is: the values of its YAML, and defaults. What may be wrong with them: ``validate``."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, get_args

from modelops_pipelines.core.evaluation.gate import GateConfig
from modelops_pipelines.core.tables.derivations import Derivation, dependents_of, derivations_for
from modelops_pipelines.core.tables.lake import STREAMS

Task = Literal["binary_classification", "multiclass", "regression"]
Window = Literal["hour", "day"]
Strategy = Literal["direct", "canary"]
AliasPolicy = Literal["report", "adopt"]
DriftMethod = Literal["calibrated", "evidently", "fixed"]
DriftReference = Literal["rolling", "training"]

TASKS: tuple[str, ...] = get_args(Task)
WINDOWS: tuple[str, ...] = get_args(Window)
STRATEGIES: tuple[str, ...] = get_args(Strategy)
ALIAS_POLICIES: tuple[str, ...] = get_args(AliasPolicy)
DRIFT_METHODS: tuple[str, ...] = get_args(DriftMethod)
DRIFT_REFERENCES: tuple[str, ...] = get_args(DriftReference)

DIRECT_STEPS = (100,)
CANARY_STEPS = (5, 25, 50, 100)
SERVICE_ALERT_OVER = timedelta(hours=1)
DRIFTED_SHARES = {"fixed": 0.3, "evidently": 0.5}
"""Share of drifted columns from which a rule of kind drift fails unless it says; calibrated, a single one is enough."""


@dataclass(frozen=True)
class AlertRule:
    """When to raise an alert.

    ``over`` is the time looked back upon, None for the endpoint's own window; ``minimum`` is the fewest rows
    that allow a verdict, None for the project's.
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
    """When to train again. ``automatic`` False means that a person starts it."""

    min_new_labels: int = 5000
    cooldown: timedelta = timedelta(days=7)
    automatic: bool = True


@dataclass(frozen=True)
class Promotion:
    """How a challenger becomes the champion: ``steps`` are its growing shares of the traffic, in percent.

    A canary goes a step further by itself when it has been at its share for ``soak``, has answered ``minimum``
    requests there, and no guard has anything against it. ``automatic`` lets a passed gate begin without a person;
    ``aliases`` is what follows when a person moves MLflow's alias: a report, or a promotion through the gate.
    """

    strategy: Strategy = "direct"
    steps: tuple[int, ...] = DIRECT_STEPS
    automatic: bool = False
    soak: timedelta = timedelta(minutes=10)
    minimum: int = 100
    aliases: AliasPolicy = "report"


@dataclass(frozen=True)
class Guard:
    """When a version is rolled back without a person.

    ``false_alarms`` is the chance that a challenger as good as the champion is ever withdrawn by one of its guards.
    A challenger is withdrawn when beyond that doubt it fails ``errors`` more of its requests (a share) than the
    champion does, or ``slow`` more of them take over ``slower`` times the champion's 95th percentile, or when its
    labelled answers lose more than ``loss`` times the champion's own loss over it, or its mean score is over
    ``score_shift`` from the champion's (None: whatever it is). A new champion whose failed requests pass the endpoint's
    error-rate alert within ``watch`` is rolled back too.
    """

    automatic: bool = True
    false_alarms: float = 0.01
    errors: float = 0.005
    slower: float = 2.0
    slow: float = 0.05
    loss: float = 0.1
    score_shift: float | None = None
    watch: timedelta = timedelta(minutes=30)


@dataclass(frozen=True)
class Limits:
    """How much an endpoint takes; None is without limit.

    Rates are windows in the notation of the library ``limits``, several of them joined by a semicolon:
    "100/minute; 10/second" lets nobody send a minute's quota in one burst. ``concurrent`` is the most requests
    under way at once, ``deadline`` the longest that one may wait for its answer.
    """

    per_key: str | None = None
    per_user: str | None = None
    endpoint: str | None = None
    concurrent: int = 100
    deadline: timedelta = timedelta(seconds=30)
    body_mib: int = 16


@dataclass(frozen=True)
class CapturePolicy:
    """What of a request's content is kept in the log. The row itself is always there.

    ``sample`` is the share of requests whose features are kept, ``max_kib`` the most that one request's features
    may take (beyond it they are replaced by a mark and their hash), ``redact`` the features and callers' fields
    (user_id, session_id, client_request_id) that never reach the disk.
    """

    sample: float = 1.0
    max_kib: int = 4096
    redact: tuple[str, ...] = ()


@dataclass(frozen=True)
class DriftPolicy:
    """How drift is judged.

    ``reference`` is what a window is held against when ``method`` is calibrated: the ``days`` before it (rolling), or
    the last ``days`` of the version's training set (training). The other methods hold it against the whole training
    set. ``minimum`` is the fewest rows that a verdict takes.
    """

    method: DriftMethod = "calibrated"
    reference: DriftReference = "rolling"
    days: int = 28
    minimum: int = 500


@dataclass(frozen=True)
class Metric:
    """A metric of the user's own: one SELECT in a file, or a function ``module:function`` of a window's rows."""

    name: str
    sql: str | None = None
    function: str | None = None


@dataclass(frozen=True)
class EndpointSpec:
    """One endpoint, as its YAML declares it.

    ``features`` are the monitored ones, empty for all of the model's inputs; quality is also measured for each value of
    the ``segments`` among them. ``alerts`` is empty here unless
    given: a YAML that has no such key gets ``default_alerts``. ``allow_pickle`` lets the endpoint's own trainer make
    models that only pickle can store; one that was made elsewhere loads only when ``accept_pickles`` has its hash.
    ``row_wise`` False says that a row's answer depends on the rows beside it: requests are then never merged.
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
    allow_replay: bool = False
    allow_pickle: bool = False
    accept_pickles: tuple[str, ...] = ()
    row_wise: bool = True
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

    @property
    def derivations(self) -> tuple[Derivation, ...]:
        """The tables derived for this endpoint, in order of computing."""
        return derivations_for(self.task, own_metrics=bool(self.metrics))

    @property
    def monitored(self) -> tuple[str, ...]:
        """The names of all tables that follow the endpoint's log: those captured, then those derived."""
        return (*(table.name for table in STREAMS.values()), *(one.name for one in self.derivations))

    def dependents(self, table: str) -> tuple[str, ...]:
        """Return the names of what is marked when windows of ``table`` change: derived tables, and its own verdicts."""
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
    """Return the rule with its kind's defaults where it says nothing."""
    if rule.kind in {"error_rate", "latency_p95_ms"} and rule.over is None:
        return replace(rule, over=SERVICE_ALERT_OVER)
    return rule


def default_alerts(task: str) -> tuple[AlertRule, ...]:
    """Return the rules of an endpoint whose YAML names none."""
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
    """Return the shares of a strategy whose YAML names none."""
    return CANARY_STEPS if strategy == "canary" else DIRECT_STEPS
