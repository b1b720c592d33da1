"""Validate an endpoint's values: issues by path, each with its fix. Files and lines: ``operations.endpoints``."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from modelops_pipelines.core.endpoints.issues import Issue, one_of, suggestion
from modelops_pipelines.core.endpoints.spec import (
    ALIAS_POLICIES,
    DIRECT_STEPS,
    STRATEGIES,
    TASKS,
    UNDECIDED_POLICIES,
    WINDOWS,
    EndpointSpec,
    Promotion,
)
from modelops_pipelines.core.endpoints.validate_alerts import alert_issues
from modelops_pipelines.core.endpoints.validate_classes import class_issues
from modelops_pipelines.core.endpoints.validate_gate import gate_issues, verdict_age_issues
from modelops_pipelines.core.endpoints.validate_guard import guard_issues
from modelops_pipelines.core.endpoints.validate_limits import limits_and_capture_issues
from modelops_pipelines.core.endpoints.validate_monitoring import monitoring_issues
from modelops_pipelines.core.endpoints.validate_retention import retention_issues

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OWNER = re.compile(r"team:.*\S.*|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TRAINER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_LONGEST_MODEL_NAME = 200
_NOT_IN_MODEL_NAMES = re.compile(r"[/:]|\s$|^\s")
_LARGEST_SHARE = 100
PLANNED_TASKS = ("llm",)


@dataclass(frozen=True)
class ValidationContext:
    """The names that a spec may clash with or refer to. ``known_features`` is None while the model is not known."""

    system_columns: Collection[str]
    known_features: Collection[str] | None = None


def endpoint_issues(spec: EndpointSpec, context: ValidationContext) -> Iterator[Issue]:
    """Yield all issues of the spec, in the order of its keys."""
    yield from _name_issues(spec)
    if str(spec.task) in PLANNED_TASKS:
        yield Issue("task", f"'{spec.task}' is not supported yet", f"Use one of: {', '.join(TASKS)}")
    else:
        yield from one_of("task", spec.task, TASKS)
    yield from one_of("window", spec.window, WINDOWS)
    yield from _label_issues(spec, context)
    yield from class_issues(spec)
    yield from _known_feature_issues(spec, context)
    yield from _feature_issues(spec, context)
    yield from _owner_issues(spec)
    yield from monitoring_issues(spec, context.known_features)
    yield from alert_issues(spec.alerts, spec.task, [metric.name for metric in spec.metrics])
    yield from _training_issues(spec)
    yield from promotion_issues(spec.promotion)
    yield from gate_issues(spec.gate)
    yield from verdict_age_issues(spec.gate, spec.promotion)
    yield from guard_issues(spec.guard)
    yield from limits_and_capture_issues(spec, context.system_columns, context.known_features)
    yield from retention_issues(spec)


def is_name(text: str) -> bool:
    """Return whether the text can be an endpoint's name."""
    return _NAME.fullmatch(text) is not None


def _name_issues(spec: EndpointSpec) -> Iterator[Issue]:
    if not _NAME.fullmatch(spec.name):
        problem = f"'{spec.name}' cannot be used as asset key, folder and URL"
        fix = f"Use {_better_name(spec.name)}: up to 63 of a-z, 0-9 and _, starting with a letter"
        yield Issue("name", problem, fix)
    if _NOT_IN_MODEL_NAMES.search(spec.model_name):
        problem = f"'{spec.model_name}' is not a valid registered model name"
        yield Issue("model_name", problem, "Remove '/', ':', surrounding spaces, and the version")
    elif not _is_model_name(spec.model_name):
        problem = f"{spec.model_name[:80]!r} is not a model name that every command can use"
        limit = f"up to {_LONGEST_MODEL_NAME} bytes, not dots alone"
        fix = f"Use {limit}, without backslashes, unprintable characters, or two kinds of quotes"
        yield Issue("model_name", problem, fix)


def _is_model_name(text: str) -> bool:
    """Return whether the name can be part of a path, a filter and a printed line."""
    plain = text.isprintable() and "\\" not in text and not ("'" in text and '"' in text)
    return plain and bool(text.strip(".")) and not text.startswith("..") and len(text.encode()) <= _LONGEST_MODEL_NAME


def _better_name(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:63]
    return f"'{slug}'" if _NAME.fullmatch(slug) else "a name such as 'flights'"


def _label_issues(spec: EndpointSpec, context: ValidationContext) -> Iterator[Issue]:
    if spec.label in context.system_columns:
        yield _clash("label", f"'{spec.label}'", "Rename the label's column")
    if spec.label in (context.known_features or ()):
        problem = f"'{spec.label}' is among the model's inputs"
        yield Issue("label", problem, "Train the model without the label, or correct 'label'")


def _known_feature_issues(spec: EndpointSpec, context: ValidationContext) -> Iterator[Issue]:
    declared = set(spec.features)
    for name in sorted(context.known_features or ()):
        if name in context.system_columns and name not in declared:
            yield _clash("model_name", f"the model's input '{name}'", "Rename the column and retrain the model")


def _feature_issues(spec: EndpointSpec, context: ValidationContext) -> Iterator[Issue]:
    for index, name in enumerate(spec.features):
        path, known = f"features[{index}]", context.known_features
        if name in spec.features[:index]:
            problem = f"'{name}' is already features[{spec.features.index(name)}]"
            yield Issue(path, problem, "Keep one of them")
        elif name == spec.label:
            yield Issue(path, f"'{name}' is the label", "Remove it: the label is not known at prediction time")
        elif name in context.system_columns:
            yield _clash(path, f"'{name}'", "Rename the column and retrain the model")
        elif known is not None and name not in known:
            yield Issue(path, f"the model has no input '{name}'", suggestion(name, sorted(known)))


def _clash(path: str, culprit: str, fix: str) -> Issue:
    return Issue(path, f"{culprit} is the name of a system column", fix)


def _owner_issues(spec: EndpointSpec) -> Iterator[Issue]:
    for index, owner in enumerate(spec.owners):
        if not _OWNER.fullmatch(owner):
            fix = "Write an e-mail address or a team, such as 'team:data-science'"
            yield Issue(f"owners[{index}]", f"'{owner}' is not a valid owner", fix)


def _training_issues(spec: EndpointSpec) -> Iterator[Issue]:
    if spec.trainer is not None and not _TRAINER.fullmatch(spec.trainer):
        problem = f"'{spec.trainer}' is not of the form module:function"
        yield Issue("trainer", problem, "Write it as module:function, such as examples.flights.trainer:train")
    if spec.retraining is None:
        return
    if spec.trainer is None:
        fix = "Add 'trainer: module:function', or remove 'retraining'"
        yield Issue("retraining", "needs 'trainer', which is missing", fix)
    if spec.retraining.min_new_labels < 1:
        problem = f"must be at least 1, and is {spec.retraining.min_new_labels}"
        fix = "Set the number of new labels that starts a retraining, such as 5000"
        yield Issue("retraining.min_new_labels", problem, fix)


def promotion_issues(promotion: Promotion) -> Iterator[Issue]:
    """Yield all issues of a promotion's settings."""
    if promotion.minimum < 1:
        problem = f"must be at least 1, and is {promotion.minimum}"
        yield Issue("promotion.minimum", problem, "Set the fewest requests per step, such as 100")
    yield from one_of("promotion.aliases", promotion.aliases, ALIAS_POLICIES)
    yield from one_of("promotion.undecided", promotion.undecided, UNDECIDED_POLICIES)
    yield from one_of("promotion.strategy", promotion.strategy, STRATEGIES)
    if promotion.strategy not in STRATEGIES:
        return
    steps, path = promotion.steps, "promotion.steps"
    if promotion.strategy == "direct":
        if steps != DIRECT_STEPS:
            yield Issue(path, "a direct promotion has no steps", "Remove 'steps', or write 'strategy: canary'")
    elif not steps:
        yield Issue(path, "is empty", "List increasing percentages, such as [5, 25, 50, 100], or remove 'steps'")
    else:
        yield from _canary_issues(path, steps)


def _canary_issues(path: str, steps: tuple[int, ...]) -> Iterator[Issue]:
    for index, (before, step) in enumerate(zip((0, *steps), steps, strict=False)):
        if not 1 <= step <= _LARGEST_SHARE:
            yield Issue(f"{path}[{index}]", f"{step} is not a share of the traffic", "Write a percentage from 1 to 100")
        elif step <= before:
            fix = "List each percentage once, in ascending order"
            yield Issue(f"{path}[{index}]", f"{step} is not greater than {before}", fix)
    if steps[-1] != _LARGEST_SHARE:
        yield Issue(path, f"ends at {steps[-1]}, so the challenger never becomes the champion", "End the list with 100")
