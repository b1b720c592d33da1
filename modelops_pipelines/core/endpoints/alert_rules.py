"""Alert rules of an endpoint, as its YAML declares them or as they were added at run time. Validity: ``validate``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, get_args

from modelops_pipelines.core.number_words import limit_text

Operator = Literal["gt", "ge", "lt", "le", "eq", "ne"]
Severity = Literal["error", "warning"]
OPERATORS: tuple[str, ...] = get_args(Operator)
SEVERITIES: tuple[str, ...] = get_args(Severity)
OUTSIDE = "outside"
"""The condition of a band: fails for a value below its lower or above its upper end."""
SERVICE_ALERT_OVER = timedelta(hours=1)
SERVICE_KINDS = ("error_rate", "availability", "latency_p95_ms", "latency", "volume", "throughput", "sql")
"""Kinds that judge a span of hours, by default one, whatever the endpoint's window is."""
VOLUME_KINDS = ("volume", "throughput")
"""Kinds that count requests: an hour without any says most."""
ARRIVAL_SLACK = timedelta(seconds=30)
"""How long requests may be on their way to the lake, beyond what the settings of capture say."""
SQL_PARAMETERS = frozenset({"start", "end"})
"""The parameters of a rule's SQL file: the bounds of the span that is judged."""
DEFAULT_PERCENTILE = 95.0
DRIFTED_SHARES = {"fixed": 0.3, "evidently": 0.5}
"""Default share of drifted columns at which a drift rule fails; with calibrated verdicts one column is enough."""
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "gt": "above",
        "ge": "at or above",
        "lt": "below",
        "le": "at or below",
        "eq": "equal to",
        "ne": "different from",
        OUTSIDE: "outside",
    }
)


def number_slug(number: float) -> str:
    """Return a number as a part of a name: all its digits, without an exponent, and ``_`` for the point."""
    return format(Decimal(repr(number)).normalize(), "f").replace(".", "_")


@dataclass(frozen=True)
class Condition:
    """When a value fails: by an operator and ``low``, or outside the band from ``low`` to ``high``.

    The ends of a band are inside it.
    """

    operator: str
    low: float
    high: float

    def fails(self, value: float) -> bool:
        """Return whether a value fails the rule."""
        holds: Mapping[str, bool] = {
            "gt": value > self.low,
            "ge": value >= self.low,
            "lt": value < self.low,
            "le": value <= self.low,
            "eq": value == self.low,
            "ne": value != self.low,
            OUTSIDE: not self.low <= value <= self.high,
        }
        return holds[self.operator]

    def limit(self, value: float) -> float:
        """Return the threshold that the value is compared with: of a band, the nearer end."""
        return self.low if abs(value - self.low) <= abs(value - self.high) else self.high

    @property
    def words(self) -> str:
        """The condition in words, such as ``above 0.1`` or ``outside 0.2 to 0.4``."""
        band = f" to {limit_text(self.high)}" if self.operator == OUTSIDE else ""
        return f"{_WORDS[self.operator]} {limit_text(self.low)}{band}"

    @property
    def grows_into_failure(self) -> bool:
        """Whether a count that fails now fails whatever is still added to it."""
        return self.operator in {"gt", "ge"}


@dataclass(frozen=True)
class AlertRule:
    """When to raise an alert, how bad it is, whose it is, and what to do.

    The condition is ``operator`` with ``threshold``, one of their short forms ``above`` (gt) and ``below`` (lt), or
    ``outside`` a band. ``over`` is the time span that the rule judges, None for one window of the endpoint;
    ``minimum`` is the fewest rows for a verdict, None for the project's default; ``for_`` is how long the rule must
    fail before its alert opens, None: it opens at once. ``severity`` None is that of the kind. ``percentile`` belongs
    to the kind latency, ``sql``, a file's path, to the kind sql.
    """

    kind: str
    metric: str | None = None
    above: float | None = None
    below: float | None = None
    over: timedelta | None = None
    minimum: int | None = None
    given_name: str | None = field(default=None, metadata={"key": "name"})
    operator: str | None = None
    threshold: float | None = None
    outside: tuple[float, ...] | None = None
    percentile: float | None = None
    sql: str | None = None
    severity: str | None = None
    for_: timedelta | None = field(default=None, metadata={"key": "for"})
    labels: tuple[tuple[str, str], ...] = ()
    owner: str | None = None
    runbook: str | None = None

    @property
    def name(self) -> str:
        """A stable slug, unique in an endpoint: the name of its check and of its alert. Its own, or by its kind."""
        if self.given_name:
            return self.given_name
        if self.kind == "latency":
            return f"latency_p{number_slug(self.percentile or DEFAULT_PERCENTILE)}"
        return self.kind if self.metric is None else f"{self.kind}_{self.metric}"

    @property
    def condition(self) -> Condition | None:
        """When a value fails; None for a rule without a threshold."""
        if self.outside is not None:
            return Condition(OUTSIDE, self.outside[0], self.outside[-1])
        for operator, limit in (("gt", self.above), ("lt", self.below), (self.operator, self.threshold)):
            if operator is not None and limit is not None:
                return Condition(operator, limit, limit)
        return None

    @property
    def limits(self) -> list[float]:
        """The numbers that a value is compared with."""
        given = (self.above, self.below, self.threshold, *(self.outside or ()))
        return [limit for limit in given if limit is not None]


def with_defaults(rule: AlertRule) -> AlertRule:
    """Return the rule with its kind's defaults for what it leaves out."""
    if rule.kind in SERVICE_KINDS and rule.over is None:
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
        rules.append(AlertRule("quality", metric="excess_errors", above=0))
    return tuple(with_defaults(rule) for rule in rules)
