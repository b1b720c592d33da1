"""Validate the condition of an alert rule: its one threshold, the operator, and which numbers make sense."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from modelops_pipelines.core.endpoints.alert_rules import OPERATORS, OUTSIDE, AlertRule, Condition
from modelops_pipelines.core.endpoints.issues import Issue, suggestion


@dataclass(frozen=True)
class _Range:
    """The values that a metric can have. ``words`` say which thresholds are valid."""

    low: float
    high: float
    words: str
    open_end: bool = True
    """Whether a threshold at the upper end is refused: no value exceeds it."""

    def holds(self, value: float) -> bool:
        return self.low <= value < self.high or (value == self.high and not self.open_end)

    def decides(self, operator: str, value: float) -> bool:
        """Return whether some values of the metric fail by this operator and threshold, and others pass."""
        if operator in {"gt", "le"}:
            return self.low <= value < self.high
        if operator in {"lt", "ge"}:
            return self.low < value <= self.high
        return self.low <= value <= self.high


_SHARE = _Range(0, 1, "a share of at least 0 and below 1, such as 0.1")
_SCORE = _Range(0, 1, "a number from 0 to 1", open_end=False)
_MOST = 1e15
"""No amount reaches it: a rule with such a threshold never fails, or always."""
_AMOUNT = _Range(0, _MOST, "a number from 0, below 1e15")
_TIME = _Range(1, _MOST, "milliseconds from 1, such as 10000")
_RANGES: Mapping[str, _Range] = MappingProxyType(
    {
        **dict.fromkeys(("error_rate", "drift", "attribution_drift"), _SHARE),
        **dict.fromkeys(("latency_p95_ms", "latency"), _TIME),
        **dict.fromkeys(("volume", "throughput"), _AMOUNT),
        **dict.fromkeys(("availability", "label_coverage"), _SCORE),
    }
)
_METRIC_RANGES: Mapping[str, _Range] = MappingProxyType(
    {
        **dict.fromkeys(("auc", "accuracy", "brier", "precision", "recall", "f1"), _SCORE),
        **dict.fromkeys(("calibration_error", "confidence"), _SCORE),
        "brier_skill": _Range(-inf, 1, "a number up to 1; the base rate has 0", open_end=False),
        "r2": _Range(-inf, 1, "a number up to 1; the mean has 0", open_end=False),
        **dict.fromkeys(("log_loss", "mae", "rmse"), _AMOUNT),
    }
)
_SIGNS: Mapping[str, str] = MappingProxyType(
    {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "=": "eq", "==": "eq", "!=": "ne", "<>": "ne"}
)
_NEEDS_NONE = {"drift", "data_quality", "sql"}
_TWO_SIDED = {"quality", "estimated_quality", "metric"}
_BELOW = {"availability", "label_coverage", "volume", "throughput"}
"""Kinds that are bad when they are low, as a rule."""
_FORMS = "Write 'above' or 'below', 'operator' with 'threshold', or 'outside' with two numbers"


def condition_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    """Yield the issues of a rule's condition."""
    if rule.kind == "data_quality":
        yield from _refused_for_data(rule, path)
        return
    yield from _operator_issues(rule, path)
    given = _given(rule)
    if len(given) > 1:
        problem = f"a {rule.kind} rule takes one threshold, but this one has {len(given)}"
        yield Issue(path, problem.replace("has 2", "has two"), f"Keep either {' or '.join(map(repr, given))}")
    elif not given and rule.kind not in _NEEDS_NONE:
        yield _missing(rule, path)
    elif rule.kind == "drift":
        yield from _drift_issues(rule, path)
    yield from _number_issues(rule, path)


def _given(rule: AlertRule) -> list[str]:
    """Return the keys of the conditions that the rule has."""
    keys = [key for key in ("above", "below", "outside") if getattr(rule, key) is not None]
    return [*keys, *(["threshold"] if rule.operator is not None or rule.threshold is not None else [])]


def _missing(rule: AlertRule, path: str) -> Issue:
    if rule.kind in _TWO_SIDED:
        return Issue(path, f"a {rule.kind} rule needs a threshold", "Add 'above' or 'below'")
    key = "below" if rule.kind in _BELOW else "above"
    return Issue(f"{path}.{key}", "is missing", f"Add '{key}': {_RANGES.get(rule.kind, _AMOUNT).words}")


def _operator_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    operator = rule.operator
    if operator is not None and operator not in OPERATORS:
        meant = _SIGNS.get(operator.strip())
        fix = f"Did you mean '{meant}'?" if meant else suggestion(operator.lower(), OPERATORS)
        yield Issue(f"{path}.operator", f"'{operator}' is not a valid value", fix)
    elif operator is not None and rule.threshold is None:
        yield Issue(f"{path}.operator", "needs 'threshold', which is missing", "Add 'threshold', a number")
    elif operator is None and rule.threshold is not None:
        yield Issue(f"{path}.threshold", "needs 'operator', which is missing", f"Add one of: {', '.join(OPERATORS)}")


def _refused_for_data(rule: AlertRule, path: str) -> Iterator[Issue]:
    for key in ("above", "below", "operator", "threshold", "outside"):
        if getattr(rule, key) is not None:
            yield Issue(f"{path}.{key}", "a rule of kind data_quality has a fixed threshold", "Remove it")


def _drift_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    """Yield the issues of a condition on drift: it fails for many drifted columns, never for few."""
    if rule.below is not None:
        yield Issue(f"{path}.below", "a rule of kind drift takes no 'below'", "Use 'above'")
    elif rule.outside is not None or rule.operator in set(OPERATORS) - {"gt", "ge"}:
        key = "outside" if rule.outside is not None else "operator"
        yield Issue(f"{path}.{key}", "a rule of kind drift fails for many drifted columns", "Use 'above', gt or ge")


def _number_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    built_in = rule.kind in {"quality", "estimated_quality"}
    allowed = _METRIC_RANGES.get(str(rule.metric)) if built_in else _RANGES.get(rule.kind)
    if rule.outside is not None:
        yield from _band_issues(rule, path, rule.outside, allowed)
    elif allowed is not None:
        yield from _single_issues(rule, path, allowed)


def _single_issues(rule: AlertRule, path: str, allowed: _Range) -> Iterator[Issue]:
    """Yield the issues of one threshold: it is none of the metric's values, or one that all or none fail by."""
    threshold = rule.threshold
    invalid = {
        "above": rule.above is not None and not allowed.holds(rule.above),
        "below": rule.below is not None and not allowed.low <= rule.below <= allowed.high,
        "threshold": threshold is not None and not allowed.low <= threshold <= allowed.high,
    }
    for key in (key for key, wrong in invalid.items() if wrong):
        problem = f"{getattr(rule, key):g} is not a valid threshold for {rule.name}"
        yield Issue(f"{path}.{key}", problem, f"Write {allowed.words}")
    for key, operator, limit in _compared(rule):
        if not invalid[key] and not allowed.decides(operator, limit):
            words = Condition(operator, limit, limit).words
            problem = f"{rule.name} is {'always' if operator in {'le', 'ge', 'ne'} else 'never'} {words}"
            yield Issue(f"{path}.{key}", problem, "Write a threshold that some values reach and others do not")


def _compared(rule: AlertRule) -> Iterator[tuple[str, str, float]]:
    """Yield the rule's thresholds: the key of each, its operator and its number."""
    above = "ge" if rule.kind == "drift" else "gt"
    for key, operator, limit in (("above", above, rule.above), ("below", "lt", rule.below)):
        if limit is not None:
            yield key, operator, limit
    if rule.threshold is not None and rule.operator in OPERATORS:
        yield "threshold", rule.operator, rule.threshold


def _band_issues(rule: AlertRule, path: str, band: tuple[float, ...], allowed: _Range | None) -> Iterator[Issue]:
    low, high = band[0], band[-1]
    key = f"{path}.{OUTSIDE}"
    if low > high:
        yield Issue(key, f"ends at {high:g}, below its start {low:g}", f"Write [{high:g}, {low:g}]")
    elif allowed is not None and not allowed.low <= low <= high <= allowed.high:
        problem = f"{low:g} to {high:g} is not a valid band for {rule.name}"
        yield Issue(key, problem, f"Write two numbers, each {allowed.words}")
    elif allowed is not None and (low, high) == (allowed.low, allowed.high):
        yield Issue(key, f"{rule.name} is never outside {low:g} to {high:g}", "Write a narrower band")
