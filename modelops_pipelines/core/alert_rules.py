"""What is wrong with alert rules: kinds, metrics, thresholds. Whether a rule fires is ``alerts``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType

from modelops_pipelines.core.complaints import Complaint, one_of, suggestion
from modelops_pipelines.core.endpoint import TASKS, AlertRule

KINDS = ("error_rate", "latency_p95_ms", "drift", "quality")
QUALITY_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "binary_classification": ("auc", "log_loss", "brier", "brier_skill", "accuracy"),
        "multiclass": ("accuracy",),
        "regression": ("mae", "rmse", "bias"),
    }
)


@dataclass(frozen=True)
class _Range:
    """Thresholds that a value can cross. ``open_end`` refuses the top itself: nothing is above it."""

    low: float
    high: float
    open_end: bool
    words: str

    def holds(self, value: float) -> bool:
        return self.low <= value < self.high or (value == self.high and not self.open_end)


_SHARE = _Range(0, 1, open_end=True, words="a share from 0 to below 1, such as 0.1")
_SCORE = _Range(0, 1, open_end=False, words="a number from 0 to 1")
_AMOUNT = _Range(0, inf, open_end=True, words="a number of 0 or more")
_RANGES: Mapping[str, _Range] = MappingProxyType(
    {
        "error_rate": _SHARE,
        "drift": _SHARE,
        "latency_p95_ms": _Range(1, inf, open_end=True, words="milliseconds from 1, such as 10000"),
        "quality_auc": _SCORE,
        "quality_accuracy": _SCORE,
        "quality_brier": _SCORE,
        "quality_brier_skill": _Range(-inf, 1, open_end=False, words="a number up to 1; 0 is the base rate's"),
        "quality_log_loss": _AMOUNT,
        "quality_mae": _AMOUNT,
        "quality_rmse": _AMOUNT,
    }
)


def alert_complaints(rules: Sequence[AlertRule], task: str) -> Iterator[Complaint]:
    """Yield all that is wrong with the rules. An unknown task forgives metrics: it has its own complaint."""
    names = [rule.name for rule in rules]
    for index, rule in enumerate(rules):
        path = f"alerts[{index}]"
        yield from one_of(f"{path}.kind", rule.kind, KINDS)
        if rule.kind not in KINDS:
            continue
        if rule.name in names[:index]:
            first = names.index(rule.name)
            yield Complaint(path, f"repeats the rule '{rule.name}' of alerts[{first}]", "Keep one of them")
        yield from (_quality_complaints(rule, path, task) if rule.kind == "quality" else _plain_complaints(rule, path))
        yield from _threshold_complaints(rule, path)
        yield from _minimum_complaints(rule, path)


def _plain_complaints(rule: AlertRule, path: str) -> Iterator[Complaint]:
    if rule.metric is not None:
        yield Complaint(f"{path}.metric", f"a rule of kind {rule.kind} has no metric", "Remove it, or use kind quality")
    if rule.below is not None:
        yield Complaint(f"{path}.below", f"a rule of kind {rule.kind} has no 'below'", "Use 'above'")
    if rule.kind == "drift":
        for key in ("over", "minimum"):
            if getattr(rule, key) is not None:
                yield Complaint(f"{path}.{key}", "a drift rule judges each window by itself", "Remove it")
    if rule.above is None:
        yield Complaint(f"{path}.above", "is missing", f"Add 'above': {_RANGES[rule.kind].words}")


def _quality_complaints(rule: AlertRule, path: str, task: str) -> Iterator[Complaint]:
    allowed = QUALITY_METRICS.get(task, ())
    if rule.metric is None:
        yield Complaint(f"{path}.metric", "is missing", f"Add one of: {', '.join(allowed)}" if allowed else _none(task))
    elif task in TASKS and rule.metric not in allowed:
        fix = suggestion(rule.metric, allowed) if allowed else _none(task)
        yield Complaint(f"{path}.metric", f"'{rule.metric}' is no metric of {task}", fix)
    if rule.above is None and rule.below is None:
        yield Complaint(path, "a quality rule needs a threshold", "Add 'above' or 'below'")
    if rule.above is not None and rule.below is not None:
        yield Complaint(path, "a quality rule has one threshold, and this has two", "Keep either 'above' or 'below'")


def _none(task: str) -> str:
    return f"Remove the rule: {task} has no quality metrics" if task in TASKS else "Correct the task first"


def _threshold_complaints(rule: AlertRule, path: str) -> Iterator[Complaint]:
    allowed = _RANGES.get(rule.name)
    for key, value in (("above", rule.above), ("below", rule.below)):
        if allowed is not None and value is not None and not allowed.holds(value):
            yield Complaint(f"{path}.{key}", f"{value:g} is no threshold for {rule.name}", f"Write {allowed.words}")


def _minimum_complaints(rule: AlertRule, path: str) -> Iterator[Complaint]:
    if rule.minimum is not None and rule.minimum < 1:
        problem = f"must be at least 1, and is {rule.minimum}"
        yield Complaint(f"{path}.minimum", problem, "Write how many rows allow a verdict, such as 100")
