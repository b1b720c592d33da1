"""Validate alert rules: kinds, metrics, thresholds. Judging them: ``operations.alerting``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from modelops_pipelines.core.endpoints.issues import Issue, one_of, suggestion
from modelops_pipelines.core.endpoints.spec import TASKS, AlertRule
from modelops_pipelines.core.tables.derivations import rule_kinds

MEASURED = ("quality", "estimated_quality", "metric")
"""Kinds that name a metric and one threshold, above or below."""
QUALITY_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "binary_classification": (
            "auc",
            "log_loss",
            "brier",
            "brier_skill",
            "calibration_error",
            "accuracy",
            "precision",
            "recall",
            "f1",
            "confidence",
            "base_rate",
        ),
        "multiclass": ("accuracy", "f1", "confidence"),
        "regression": ("mae", "rmse", "bias", "r2"),
    }
)
ESTIMATED_METRICS = ("auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1")


@dataclass(frozen=True)
class _Range:
    """The valid thresholds of a metric. ``open_end`` excludes the upper end: no value exceeds it."""

    low: float
    high: float
    open_end: bool
    words: str

    def holds(self, value: float) -> bool:
        return self.low <= value < self.high or (value == self.high and not self.open_end)


_SHARE = _Range(0, 1, open_end=True, words="a share of at least 0 and below 1, such as 0.1")
_SCORE = _Range(0, 1, open_end=False, words="a number from 0 to 1")
_AMOUNT = _Range(0, inf, open_end=True, words="a number from 0")
_RANGES: Mapping[str, _Range] = MappingProxyType(
    {
        "error_rate": _SHARE,
        "drift": _SHARE,
        "latency_p95_ms": _Range(1, inf, open_end=True, words="milliseconds from 1, such as 10000"),
    }
)
_METRIC_RANGES: Mapping[str, _Range] = MappingProxyType(
    {
        **dict.fromkeys(("auc", "accuracy", "brier", "precision", "recall", "f1"), _SCORE),
        **dict.fromkeys(("calibration_error", "confidence"), _SCORE),
        "brier_skill": _Range(-inf, 1, open_end=False, words="a number up to 1; the base rate has 0"),
        "r2": _Range(-inf, 1, open_end=False, words="a number up to 1; the mean has 0"),
        **dict.fromkeys(("log_loss", "mae", "rmse"), _AMOUNT),
    }
)


def alert_issues(rules: Sequence[AlertRule], task: str, own: Sequence[str] = ()) -> Iterator[Issue]:
    """Yield all issues of the rules; ``own`` are the names of the custom metrics.

    Quality metrics are not checked when the task is unknown, which is an issue of its own.
    """
    names = [rule.name for rule in rules]
    for index, rule in enumerate(rules):
        path = f"alerts[{index}]"
        yield from one_of(f"{path}.kind", rule.kind, tuple(rule_kinds()))
        if rule.kind not in rule_kinds():
            continue
        if rule.name in names[:index]:
            first = names.index(rule.name)
            yield Issue(path, f"duplicates the rule '{rule.name}' of alerts[{first}]", "Keep one of them")
        if rule.kind in MEASURED:
            yield from _metric_issues(rule, path, task, own)
            yield from _one_threshold_issues(rule, path)
        else:
            yield from _plain_issues(rule, path)
        yield from _threshold_issues(rule, path)
        yield from _minimum_issues(rule, path)


def _plain_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if rule.metric is not None:
        yield Issue(f"{path}.metric", f"a rule of kind {rule.kind} takes no metric", "Remove it, or use kind quality")
    if rule.below is not None:
        fix = "Remove it" if rule.kind == "data_quality" else "Use 'above'"
        yield Issue(f"{path}.below", f"a rule of kind {rule.kind} takes no 'below'", fix)
    if rule.kind in {"drift", "data_quality"}:
        yield from _refused(rule, path, ("over", "minimum"), "judges each window separately")
    if rule.kind == "data_quality":
        yield from _refused(rule, path, ("above",), "has a fixed threshold")
    elif rule.above is None and rule.kind != "drift":
        yield Issue(f"{path}.above", "is missing", f"Add 'above': {_RANGES.get(rule.kind, _AMOUNT).words}")


def _refused(rule: AlertRule, path: str, keys: Sequence[str], why: str) -> Iterator[Issue]:
    for key in keys:
        if getattr(rule, key) is not None:
            yield Issue(f"{path}.{key}", f"a rule of kind {rule.kind} {why}", "Remove it")


def _metric_issues(rule: AlertRule, path: str, task: str, own: Sequence[str]) -> Iterator[Issue]:
    allowed = {
        "quality": QUALITY_METRICS.get(task, ()),
        "estimated_quality": ESTIMATED_METRICS if task == "binary_classification" else (),
        "metric": tuple(own),
    }[rule.kind]
    if rule.metric is None:
        fix = f"Add one of: {', '.join(allowed)}" if allowed else _fix_without_metrics(rule.kind, task)
        yield Issue(f"{path}.metric", "is missing", fix)
    elif rule.kind == "metric" and rule.metric not in allowed:
        fix = suggestion(rule.metric, allowed) if allowed else _fix_without_metrics(rule.kind, task)
        yield Issue(f"{path}.metric", f"'{rule.metric}' is not listed under 'metrics'", fix)
    elif task in TASKS and rule.metric not in allowed:
        fix = suggestion(rule.metric, allowed) if allowed else _fix_without_metrics(rule.kind, task)
        yield Issue(f"{path}.metric", f"'{rule.metric}' is not {_METRIC_TERM[rule.kind]} of {task}", fix)
    if rule.kind != "quality":
        yield from _refused(rule, path, ("over",), "judges each window separately")


_METRIC_TERM = {"quality": "a metric", "estimated_quality": "an estimated metric"}


def _fix_without_metrics(kind: str, task: str) -> str:
    if kind == "metric":
        return "Add it to 'metrics', with a name and 'sql' or 'function'"
    if kind == "estimated_quality":
        return "Remove the rule: quality is estimated for binary_classification only"
    return f"Remove the rule: {task} has no quality metrics" if task in TASKS else "Correct the task first"


def _one_threshold_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if rule.above is None and rule.below is None:
        yield Issue(path, f"a {rule.kind} rule needs a threshold", "Add 'above' or 'below'")
    if rule.above is not None and rule.below is not None:
        problem = f"a {rule.kind} rule takes one threshold, but this one has two"
        yield Issue(path, problem, "Keep either 'above' or 'below'")


def _threshold_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    built_in = rule.kind in {"quality", "estimated_quality"}
    allowed = _METRIC_RANGES.get(str(rule.metric)) if built_in else _RANGES.get(rule.kind)
    for key, value in (("above", rule.above), ("below", rule.below)):
        if allowed is not None and value is not None and not allowed.holds(value):
            problem = f"{value:g} is not a valid threshold for {rule.name}"
            yield Issue(f"{path}.{key}", problem, f"Write {allowed.words}")


def _minimum_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if rule.minimum is not None and rule.minimum < 1:
        problem = f"must be at least 1, and is {rule.minimum}"
        yield Issue(f"{path}.minimum", problem, "Set the fewest rows for a verdict, such as 100")
