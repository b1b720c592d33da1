"""Validate an endpoint's segments, drift policy and custom metrics: issues by path, each with its fix."""

import re
from collections.abc import Collection, Iterator

from modelops_pipelines.core.endpoints.issues import Issue, one_of, suggestion
from modelops_pipelines.core.endpoints.reserved_metrics import RESERVED
from modelops_pipelines.core.endpoints.spec import DRIFT_METHODS, DRIFT_REFERENCES, DriftPolicy, EndpointSpec, Metric
from modelops_pipelines.core.tables.lake import WHOLE

MOST_SEGMENTS = 10
FEWEST_DAYS, MOST_DAYS = 7, 366
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def monitoring_issues(spec: EndpointSpec, known_features: Collection[str] | None) -> Iterator[Issue]:
    """Yield all issues of the spec's segments, drift policy and metrics."""
    yield from _segment_issues(spec, known_features)
    yield from _drift_issues(spec.drift)
    for index, metric in enumerate(spec.metrics):
        yield from _metric_issues(metric, f"metrics[{index}]", [one.name for one in spec.metrics[:index]])


def _segment_issues(spec: EndpointSpec, known: Collection[str] | None) -> Iterator[Issue]:
    for index, name in enumerate(spec.segments):
        path = f"segments[{index}]"
        if name in spec.segments[:index]:
            yield Issue(path, f"duplicates segments[{spec.segments.index(name)}]", "Keep one of them")
        elif name == WHOLE:
            yield Issue(path, f"'{name}' is reserved for the rows of all predictions", "Rename the feature")
        elif name in spec.capture.redact:
            problem = f"'{name}' is one of 'capture.redact', and a redacted feature cannot be a segment"
            yield Issue(path, problem, "Remove it here, or from 'capture.redact'")
        elif known is not None and name not in known:
            yield Issue(path, f"the model has no input '{name}'", suggestion(name, sorted(known)))
    if len(spec.segments) > MOST_SEGMENTS:
        problem = f"lists {len(spec.segments)}, and each is measured in every window"
        yield Issue("segments", problem, f"Keep at most {MOST_SEGMENTS}")


def _drift_issues(policy: DriftPolicy) -> Iterator[Issue]:
    yield from one_of("drift.method", policy.method, DRIFT_METHODS)
    yield from one_of("drift.reference", policy.reference, DRIFT_REFERENCES)
    if not FEWEST_DAYS <= policy.days <= MOST_DAYS:
        problem = f"must be from {FEWEST_DAYS} to {MOST_DAYS}, and is {policy.days}"
        yield Issue("drift.days", problem, "Set the length of the reference in days, such as 28")
    if policy.minimum < 1:
        problem = f"must be at least 1, and is {policy.minimum}"
        yield Issue("drift.minimum", problem, "Set the fewest rows for a verdict, such as 1000")


def _metric_issues(metric: Metric, path: str, earlier: list[str]) -> Iterator[Issue]:
    if metric.name and not _NAME.fullmatch(metric.name):
        problem = f"'{metric.name}' is not a valid metric name"
        yield Issue(f"{path}.name", problem, "Use up to 63 of a-z, 0-9 and _, starting with a letter")
    if metric.name in RESERVED:
        problem = f"'{metric.name}' is a built-in column of 'modelops metrics'"
        yield Issue(f"{path}.name", problem, f"Use another name, such as 'own_{metric.name}'")
    if metric.name in earlier:
        yield Issue(f"{path}.name", f"duplicates metrics[{earlier.index(metric.name)}]", "Rename one of them")
    if (metric.sql is None) == (metric.function is None):
        problem = "has both 'sql' and 'function'" if metric.sql is not None else "has neither 'sql' nor 'function'"
        yield Issue(path, problem, "Set either 'sql', a file with one SELECT, or 'function', module:function")
    if metric.sql is not None and not metric.sql.isprintable():
        yield Issue(f"{path}.sql", "has a character that cannot be shown", "Write the path in plain characters")
    if metric.function is not None and not _FUNCTION.fullmatch(metric.function):
        problem = f"'{metric.function}' is not of the form module:function"
        yield Issue(f"{path}.function", problem, "Write it as module:function, such as my_metrics:late_share")
