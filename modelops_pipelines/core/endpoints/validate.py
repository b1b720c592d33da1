"""Validate an endpoint's values: issues by path, each with its fix. Files and lines: ``operations.endpoints``."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from modelops_pipelines.core.endpoints.cache import cache_issues
from modelops_pipelines.core.endpoints.explain import explain_issues, unexplained_issues
from modelops_pipelines.core.endpoints.issues import Issue, one_of, owner_issues, suggestion
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
from modelops_pipelines.core.endpoints.trust import trust_issues
from modelops_pipelines.core.endpoints.validation.alerts import alert_issues
from modelops_pipelines.core.endpoints.validation.classes import class_issues
from modelops_pipelines.core.endpoints.validation.elsewhere import served_issues
from modelops_pipelines.core.endpoints.validation.gate import gate_issues, verdict_age_issues
from modelops_pipelines.core.endpoints.validation.guard import guard_issues
from modelops_pipelines.core.endpoints.validation.label_sources import label_source_issues
from modelops_pipelines.core.endpoints.validation.limits import CALLERS_FIELDS, limits_and_capture_issues
from modelops_pipelines.core.endpoints.validation.monitoring import monitoring_issues
from modelops_pipelines.core.endpoints.validation.retention import retention_issues
from modelops_pipelines.core.endpoints.validation.retraining import retraining_issues
from modelops_pipelines.core.endpoints.validation.review import review_issues
from modelops_pipelines.core.endpoints.validation.slos import slo_issues
from modelops_pipelines.core.endpoints.validation.training import training_issues
from modelops_pipelines.core.endpoints.validation.training_policy import training_policy_issues
from modelops_pipelines.core.tables.feature_columns import column_of, is_named_like

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")
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
    yield from served_issues(spec)
    yield from _label_issues(spec, context)
    yield from class_issues(spec)
    yield from _feature_issues(spec, context)
    yield from _owner_issues(spec)
    yield from _tag_issues(spec)
    yield from monitoring_issues(spec, context.known_features)
    yield from alert_issues(spec.alerts, spec.task, [metric.name for metric in spec.metrics])
    yield from slo_issues(spec)
    yield from label_source_issues(spec, context.known_features)
    yield from training_issues(spec)
    yield from retraining_issues(spec)
    yield from review_issues(spec)
    yield from training_policy_issues(spec)
    yield from promotion_issues(spec.promotion)
    yield from gate_issues(spec.gate)
    yield from verdict_age_issues(spec.gate, spec.promotion)
    yield from guard_issues(spec.guard)
    yield from trust_issues(spec.trust)
    yield from limits_and_capture_issues(spec, context.system_columns, context.known_features)
    yield from cache_issues(spec.cache)
    redacted = [name for name in spec.capture.redact if name not in CALLERS_FIELDS]
    yield from explain_issues(spec.explain, redacted, is_elsewhere=spec.is_elsewhere, row_wise=spec.row_wise)
    yield from unexplained_issues([rule.kind for rule in spec.alerts], is_explained=spec.is_explained)
    yield from retention_issues(spec)


def is_name(text: str) -> bool:
    """Return whether the text can be an endpoint's name."""
    return _NAME.fullmatch(text) is not None


def _name_issues(spec: EndpointSpec) -> Iterator[Issue]:
    if not _NAME.fullmatch(spec.name):
        problem = f"'{spec.name}' cannot be used as asset key, folder and URL"
        fix = f"Use {_better_name(spec.name)}: up to 63 of a-z, 0-9 and _, starting with a letter"
        yield Issue("name", problem, fix)
    if spec.is_elsewhere:
        return
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
    if not spec.label.isprintable():
        yield Issue("label", "has characters that cannot be printed", "Write the column's name in one line")
    if any(is_named_like(name, spec.label) for name in context.known_features or ()):
        problem = f"'{spec.label}' is among the model's inputs"
        yield Issue("label", problem, "Train the model without the label, or correct 'label'")


def _feature_issues(spec: EndpointSpec, context: ValidationContext) -> Iterator[Issue]:
    for index, name in enumerate(spec.features):
        path, known = f"features[{index}]", context.known_features
        if name in spec.features[:index]:
            problem = f"'{name}' is already features[{spec.features.index(name)}]"
            yield Issue(path, problem, "Keep one of them")
        elif is_named_like(name, spec.label):
            yield Issue(path, f"'{name}' is the label", "Remove it: the label is not known at prediction time")
        elif name in context.system_columns:
            yield _clash(path, f"'{name}'", f"Write '{column_of(name)}' for a feature of this name")
        elif known is not None and name not in known:
            yield Issue(path, f"the model has no input '{name}'", suggestion(name, sorted(known)))


def _clash(path: str, culprit: str, fix: str) -> Issue:
    return Issue(path, f"{culprit} is the name of a system column", fix)


def _owner_issues(spec: EndpointSpec) -> Iterator[Issue]:
    for index, owner in enumerate(spec.owners):
        yield from owner_issues(f"owners[{index}]", owner)


def _tag_issues(spec: EndpointSpec) -> Iterator[Issue]:
    for index, tag in enumerate(spec.tags):
        path = f"tags[{index}]"
        if not _TAG.fullmatch(tag) or tag == "endpoint":
            problem = "is the tag of every asset of an endpoint" if tag == "endpoint" else "is not a valid tag"
            yield Issue(path, f"'{tag}' {problem}", "Write another word of 1 to 60 of a-z, 0-9, _, - and '.'")
        elif tag in spec.tags[:index]:
            yield Issue(path, f"'{tag}' is already tags[{spec.tags.index(tag)}]", "Keep one of them")


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
