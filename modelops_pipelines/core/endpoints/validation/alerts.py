"""Validate alert rules: kinds, names, metrics, and what people read. Their thresholds: ``validate_conditions``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from modelops_pipelines.core.endpoints.alert_rules import SERVICE_KINDS, SEVERITIES, AlertRule
from modelops_pipelines.core.endpoints.issues import Issue, one_of, owner_issues, suggestion
from modelops_pipelines.core.endpoints.spec import TASKS
from modelops_pipelines.core.endpoints.validation.conditions import condition_issues
from modelops_pipelines.core.tables.derivations import rule_kinds

MEASURED = ("quality", "estimated_quality", "metric")
"""Kinds that name a metric."""
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
EXCESS_ERRORS = "excess_errors"
RULE_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType({"binary_classification": (EXCESS_ERRORS,)})
"""Further metrics that a rule of kind quality may name: judged on several tables, so a column of none."""
ESTIMATED_METRICS = ("auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1")
RESERVED_NAMES = frozenset(
    {
        *("pipeline", "capture", "configuration", "code_location", "canary", "crashes", "registry", "gate", "security"),
        *(
            "keys",
            "capture_refused",
            "watchers",
            "delivery",
            "heartbeat",
            "alerting",
            "channel",
            "storage",
            "disk_full",
            "maintenance",
            "table_files",
            "runs",
            "ticks",
        ),
    }
)
"""Names of the alerts that no rule of an endpoint raises."""
RESERVED_PREFIXES = ("slo_", "watchers_")
"""How the names of further ones begin: those of objectives, and of who watches."""
MOST_LABELS = 20
_NAME, _MADE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}"), re.compile(r"[a-z][a-z0-9_]{0,99}")
_LONGEST = 200
_HUNDRED = 100
_SPANNED = (*SERVICE_KINDS, "quality", "label_coverage")
_COUNTING = {"volume", "throughput"}
_CAPTURE = (
    "its limits are the same for every endpoint, so that no configuration hides a loss. "
    "The alert 'capture' is raised without a rule"
)


def alert_issues(rules: Sequence[AlertRule], task: str, own: Sequence[str] = ()) -> Iterator[Issue]:
    """Yield all issues of the rules; ``own`` are the names of the custom metrics.

    Quality metrics are not checked when the task is unknown, which is an issue of its own.
    """
    names = [rule.name for rule in rules]
    for index, rule in enumerate(rules):
        path = f"alerts[{index}]"
        if rule.kind == "capture":
            yield Issue(f"{path}.kind", f"capture takes no rule: {_CAPTURE}", "Remove it")
            continue
        yield from one_of(f"{path}.kind", rule.kind, tuple(rule_kinds()))
        if rule.kind not in rule_kinds():
            continue
        if rule.name in names[:index]:
            first = names.index(rule.name)
            fix = "Keep one of them" if rule.given_name else "Keep one of them, or give this one a 'name' of its own"
            yield Issue(path, f"duplicates the rule '{rule.name}' of alerts[{first}]", fix)
        yield from _name_issues(rule, path)
        if rule.kind in MEASURED:
            yield from _metric_issues(rule, path, task, own)
        else:
            yield from _unmeasured_issues(rule, path)
        yield from _span_issues(rule, path)
        yield from condition_issues(rule, path)
        yield from _sql_issues(rule, path)
        yield from _people_issues(rule, path)


def _name_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    name = rule.given_name
    if name is None:
        yield from _issues_of_made_name(rule, path)
        return
    if not _NAME.fullmatch(name):
        fix = "Use up to 63 of a-z, 0-9 and _, starting with a letter"
        yield Issue(f"{path}.name", f"'{name}' is not a valid name of a rule", fix)
    elif name.endswith("_now") or name.startswith(RESERVED_PREFIXES):
        yield Issue(f"{path}.name", f"'{name}' is the name of an alert of the product", "Use another name")
    elif name in RESERVED_NAMES or (name in rule_kinds() and name != rule.kind):
        whose = "an alert of the product" if name in RESERVED_NAMES else "a kind of rule"
        yield Issue(f"{path}.name", f"'{name}' is the name of {whose}", f"Use another name, such as 'own_{name}'")


def _issues_of_made_name(rule: AlertRule, path: str) -> Iterator[Issue]:
    """Yield an issue if the name that a valid kind, metric and percentile make is not a valid one."""
    is_valid_metric = rule.metric is None or _NAME.fullmatch(rule.metric)
    is_valid_percentile = rule.percentile is None or 0 < rule.percentile < _HUNDRED
    if is_valid_metric and is_valid_percentile and (not _MADE_NAME.fullmatch(rule.name) or rule.name.endswith("_now")):
        shown = rule.name if len(rule.name) <= _HUNDRED else f"{rule.name[:_HUNDRED]}…"
        yield Issue(f"{path}.name", f"is missing, and would be '{shown}', which it cannot be", "Add 'name', one word")


def _unmeasured_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if rule.metric is not None:
        yield Issue(f"{path}.metric", f"a rule of kind {rule.kind} takes no metric", "Remove it, or use kind quality")
    if rule.percentile is None:
        return
    if rule.kind != "latency":
        fix = "Remove it, or use kind latency"
        yield Issue(f"{path}.percentile", f"a rule of kind {rule.kind} takes no percentile", fix)
    elif not 0 < rule.percentile < _HUNDRED:
        problem = f"must be above 0 and below 100, and is {rule.percentile:g}"
        yield Issue(f"{path}.percentile", problem, "Set a percentile of the latency, such as 99")


def _span_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if rule.kind not in _SPANNED:
        yield from _refused(rule, path, ("over",), "judges each window separately")
    if rule.kind in {"drift", "data_quality"}:
        yield from _refused(rule, path, ("minimum",), "judges each window separately")
    elif rule.kind in _COUNTING:
        yield from _refused(rule, path, ("minimum",), "counts the requests itself")
    elif rule.minimum is not None and rule.minimum < 1:
        problem = f"must be at least 1, and is {rule.minimum}"
        yield Issue(f"{path}.minimum", problem, "Set the fewest rows for a verdict, such as 100")


def _refused(rule: AlertRule, path: str, keys: Sequence[str], why: str) -> Iterator[Issue]:
    for key in keys:
        if getattr(rule, key) is not None:
            yield Issue(f"{path}.{key}", f"a rule of kind {rule.kind} {why}", "Remove it")


def _sql_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if rule.kind != "sql":
        yield from _refused(rule, path, ("sql",), "takes no 'sql'")
        return
    if rule.sql is None:
        yield Issue(f"{path}.sql", "is missing", "Add 'sql', a file with one SELECT, such as alerts/no_carrier.sql")
    elif rule.sql.startswith(("/", "~")) or ".." in re.split(r"[/\\]", rule.sql):
        yield Issue(f"{path}.sql", "leads out of the project", "Write a path inside the project's folder")
    elif not rule.sql.isprintable():
        yield Issue(f"{path}.sql", "has a character that cannot be shown", "Write the path in plain characters")
    if rule.given_name is None:
        yield Issue(f"{path}.name", "is missing", "Add 'name', such as 'name: no_carrier'")
    if rule.condition is None and rule.minimum is not None:
        problem = "belongs to a threshold; a query without one lists culprits"
        yield Issue(f"{path}.minimum", problem, "Remove it, or add a threshold")


def _people_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if rule.severity is not None:
        yield from one_of(f"{path}.severity", rule.severity, SEVERITIES)
    if rule.owner is not None:
        yield from owner_issues(f"{path}.owner", rule.owner)
    if rule.runbook is not None and not _is_web_page(rule.runbook):
        fix = "Write its URL, such as https://wiki.example.com/late-flights, without a password"
        yield Issue(f"{path}.runbook", f"'{rule.runbook[:80]}' is not the URL of a page", fix)
    yield from _label_issues(rule, path)


def _label_issues(rule: AlertRule, path: str) -> Iterator[Issue]:
    if len(rule.labels) > MOST_LABELS:
        yield Issue(f"{path}.labels", f"has {len(rule.labels)} labels", f"Keep at most {MOST_LABELS}")
    for name, value in rule.labels:
        if not _NAME.fullmatch(name):
            fix = "Use up to 63 of a-z, 0-9 and _, starting with a letter"
            yield Issue(f"{path}.labels.{name}", f"'{name}' is not a valid name of a label", fix)
        elif not value.isprintable() or len(value) > _LONGEST:
            fix = f"Use up to {_LONGEST} printable characters"
            yield Issue(f"{path}.labels.{name}", "has a value that cannot be shown on one line", fix)


def _is_web_page(address: str) -> bool:
    try:
        found = urlsplit(address)
        _ = found.port
    except ValueError:
        return False
    plain = address.isprintable() and not re.search(r"[\s<>\"'\\]", address) and len(address) <= 10 * _LONGEST
    return plain and found.scheme in {"http", "https"} and bool(found.hostname) and "@" not in found.netloc


def _metric_issues(rule: AlertRule, path: str, task: str, own: Sequence[str]) -> Iterator[Issue]:
    allowed = {
        "quality": (*QUALITY_METRICS.get(task, ()), *RULE_METRICS.get(task, ())),
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
    if rule.percentile is not None:
        yield Issue(f"{path}.percentile", f"a rule of kind {rule.kind} takes no percentile", "Remove it")


_METRIC_TERM = {"quality": "a metric", "estimated_quality": "an estimated metric"}


def _fix_without_metrics(kind: str, task: str) -> str:
    if kind == "metric":
        return "Add it to 'metrics', with a name and 'sql' or 'function'"
    if kind == "estimated_quality":
        return "Remove the rule: quality is estimated for binary_classification only"
    return f"Remove the rule: {task} has no quality metrics" if task in TASKS else "Correct the task first"
