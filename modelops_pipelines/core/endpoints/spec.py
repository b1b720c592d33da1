"""An endpoint's YAML as values, with defaults. Validation: ``validate``."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, get_args

from modelops_pipelines.core.endpoints.alert_rules import OUTSIDE, AlertRule, number_slug
from modelops_pipelines.core.endpoints.cache import CachePolicy
from modelops_pipelines.core.endpoints.explain import ExplainPolicy
from modelops_pipelines.core.endpoints.improvement import (
    LabelSource,
    Retraining,
    ReviewPolicy,
    TrainerEnvironment,
    TrainingPolicy,
)
from modelops_pipelines.core.endpoints.trust import Trust
from modelops_pipelines.core.evaluation.gate import GateConfig
from modelops_pipelines.core.maintenance.retention import Retention
from modelops_pipelines.core.tables.derivations import Derivation, dependents_of, derivations_for
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.core.tables.lake import STREAMS

Task = Literal["binary_classification", "multiclass", "regression"]
Window = Literal["hour", "day"]
Strategy = Literal["direct", "canary"]
AliasPolicy = Literal["report", "adopt"]
UndecidedPolicy = Literal["hold", "advance"]
DriftMethod = Literal["calibrated", "evidently", "fixed"]
DriftReference = Literal["rolling", "training"]
Served = Literal["here", "elsewhere"]
Runtime = Literal["in_process", "isolated"]

TASKS: tuple[str, ...] = get_args(Task)
WINDOWS: tuple[str, ...] = get_args(Window)
STRATEGIES: tuple[str, ...] = get_args(Strategy)
ALIAS_POLICIES: tuple[str, ...] = get_args(AliasPolicy)
UNDECIDED_POLICIES: tuple[str, ...] = get_args(UndecidedPolicy)
DRIFT_METHODS: tuple[str, ...] = get_args(DriftMethod)
DRIFT_REFERENCES: tuple[str, ...] = get_args(DriftReference)
SERVED: tuple[str, ...] = get_args(Served)
RUNTIMES: tuple[str, ...] = get_args(Runtime)

MOST_RESIDENT = 2
DIRECT_STEPS = (100,)
CANARY_STEPS = (5, 25, 50, 100)
SLO_OVER = timedelta(days=28)
ELSEWHERE: Served = "elsewhere"
"""An endpoint whose predictions are made by others: it has no model here, and its log is what they send."""
ISOLATED: Runtime = "isolated"
"""A runtime in which each version has an environment with its own Python and packages."""
IMPORTED_LABELS = "imported_labels"
"""The monitored asset of labels that are read from label sources."""


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
    concurrent requests, ``deadline`` the longest that one may wait for its answer. ``memory_mib`` is the most memory
    that the process of an isolated version may set aside; it takes effect when the version is loaded.
    """

    per_key: str | None = None
    per_user: str | None = None
    endpoint: str | None = None
    concurrent: int = 100
    deadline: timedelta = timedelta(seconds=30)
    body_mib: int = 16
    memory_mib: int | None = None


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

    def redacted_among(self, columns: Iterable[str]) -> list[str]:
        """Return the features of these columns that are never written, by their own names."""
        return [feature_of(name) for name in columns if {name, feature_of(name)} & {*self.redact}]


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
class Slo:
    """An objective: the share of events over a period that must be good.

    The events of ``availability`` are requests, good without a server error (5xx); those of ``latency`` are requests,
    good within ``under_ms``; those of ``quality`` are windows older than the label horizon, good with a ``metric`` of
    ``at_least`` or ``at_most`` a bound, given ``minimum`` labelled rows. ``severity`` is that of its fast burn rates.
    """

    kind: str
    objective: float
    over: timedelta = SLO_OVER
    under_ms: float | None = None
    metric: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    minimum: int | None = None
    severity: str = "error"
    owner: str | None = None
    runbook: str | None = None

    @property
    def name(self) -> str:
        """A stable slug, unique in an endpoint: the name of its alert."""
        detail = self.metric if self.under_ms is None else f"under_{number_slug(self.under_ms)}_ms"
        return f"slo_{self.kind}" if detail is None else f"slo_{self.kind}_{detail}"


@dataclass(frozen=True)
class EndpointSpec:
    """One endpoint, as its YAML declares it.

    ``features`` are the monitored ones, empty for all of the model's inputs. ``classes`` are the model's classes in the
    order of its score columns, empty where the model itself says them. ``output`` is which of a regression's several
    values a row is the prediction: its name, or its place where the model names none. ``segments`` are features;
    quality is also measured per value of each. ``alerts`` is empty here unless given: a YAML without that key gets
    ``default_alerts``.
    ``allow_pickle`` lets the endpoint's own trainer return models that need pickle; a pickled model from elsewhere
    loads only when ``accept_pickles`` has its hash, or a key of ``trust`` has signed it. ``row_wise`` False: a row's
    answer depends on the other rows of its request, so requests are never batched together. ``min_resident`` is what
    never leaves a gateway worker's memory: 0 nothing, 1 the versions that answer, 2 the champion before them too.
    ``cache`` None: every request is answered by a version. ``explain`` None: no prediction is explained. ``runtime``
    isolated: each version answers in an environment of its own, made of what its files require.
    ``trainer_environment`` is what the trainer runs with in place of this project's packages.
    ``served`` elsewhere: the endpoint has no model here, and ``model_name`` is ``model_elsewhere`` of its name, under
    which the versions in its log are recorded.
    """

    name: str
    model_name: str
    task: Task
    label: str
    served: Served = "here"
    label_horizon: timedelta = timedelta(hours=48)
    window: Window = "hour"
    trainer: str | None = None
    trainer_environment: TrainerEnvironment | None = None
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""
    features: tuple[str, ...] = ()
    positive_label: str = "1"
    classes: tuple[str, ...] = ()
    output: str | None = None
    allow_replay: bool = False
    allow_pickle: bool = False
    accept_pickles: tuple[str, ...] = ()
    trust: Trust = field(default_factory=Trust)
    row_wise: bool = True
    min_resident: int = 0
    runtime: Runtime = "in_process"
    segments: tuple[str, ...] = ()
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    metrics: tuple[Metric, ...] = ()
    alerts: tuple[AlertRule, ...] = ()
    slos: tuple[Slo, ...] = ()
    label_sources: tuple[LabelSource, ...] = ()
    review: ReviewPolicy = field(default_factory=ReviewPolicy)
    training: TrainingPolicy = field(default_factory=TrainingPolicy)
    retraining: Retraining | None = None
    promotion: Promotion = field(default_factory=Promotion)
    guard: Guard = field(default_factory=Guard)
    gate: GateConfig = field(default_factory=GateConfig)
    limits: Limits = field(default_factory=Limits)
    capture: CapturePolicy = field(default_factory=CapturePolicy)
    cache: CachePolicy | None = None
    explain: ExplainPolicy | None = None
    retention: Retention = field(default_factory=Retention)

    @property
    def is_elsewhere(self) -> bool:
        """Whether others make the predictions: then there is no model here to serve, train or replace."""
        return self.served == ELSEWHERE

    @property
    def is_isolated(self) -> bool:
        """Whether its versions answer in environments of their own."""
        return self.runtime == ISOLATED

    @property
    def is_explained(self) -> bool:
        """Whether a share of its answered rows is explained from the log."""
        return self.explain is not None and self.explain.sample > 0

    @property
    def derivations(self) -> tuple[Derivation, ...]:
        """The tables derived for this endpoint, in order of computing."""
        return derivations_for(self.task, own_metrics=bool(self.metrics), explained=self.is_explained)

    @property
    def monitored(self) -> tuple[str, ...]:
        """The names of the endpoint's monitored assets: captured tables, labels from sources, then derived tables."""
        imported = [IMPORTED_LABELS] if self.label_sources else []
        return (*(table.name for table in STREAMS.values()), *imported, *(one.name for one in self.derivations))

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
        return [limit for rule in mine for limit in rule.limits]

    def upper_limits(self, kind: str) -> list[float]:
        """Return the thresholds that a value of the kind must not exceed, of the endpoint's rules."""
        conditions = [rule.condition for rule in self.alerts if rule.kind == kind]
        return [one.high for one in conditions if one is not None and one.operator in {"gt", "ge", OUTSIDE}]


def without_revoked(before: EndpointSpec, newer: EndpointSpec) -> EndpointSpec:
    """Return the configuration of before with what is revoked at once by the newer one, which is not in force.

    Trust in keys that it leaves out is gone, so such a key loads nothing any more, and the owners are those that it
    names: a team that was taken off reads nothing any more, though nothing else of the newer configuration holds.
    """
    return replace(before, trust=before.trust.narrowed_to(newer.trust), owners=newer.owners)


def model_elsewhere(name: str) -> str:
    """Return the name under which versions of an endpoint served elsewhere are recorded; no registry can have it."""
    return f"{ELSEWHERE}:{name}"


def default_steps(strategy: str) -> tuple[int, ...]:
    """Return a strategy's default steps."""
    return CANARY_STEPS if strategy == "canary" else DIRECT_STEPS
