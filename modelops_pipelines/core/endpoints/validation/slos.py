"""Validate objectives: kinds, shares, periods, bounds. Judging them: ``operations.alerting.objectives.slos``."""

import re
from collections.abc import Iterator
from datetime import timedelta

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.issues import Issue, one_of, suggestion
from modelops_pipelines.core.endpoints.spec import TASKS, EndpointSpec, Slo
from modelops_pipelines.core.endpoints.validation.alerts import QUALITY_METRICS

AVAILABILITY, LATENCY, QUALITY = "availability", "latency", "quality"
SLO_KINDS = (AVAILABILITY, LATENCY, QUALITY)
SLO_SEVERITIES = ("error", "warning")
LEAST_OBJECTIVE, SHORTEST, LONGEST = 0.5, timedelta(days=1), timedelta(days=365)
_KEYS_OF = {AVAILABILITY: (), LATENCY: ("under_ms",), QUALITY: ("metric", "at_least", "at_most", "minimum")}
_OWN_KEYS = ("under_ms", "metric", "at_least", "at_most", "minimum")
_URL = re.compile(r"https?://[^\s\"'<>]+")


def slo_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield all issues of the endpoint's objectives, in their order."""
    names = [slo.name for slo in spec.slos]
    for index, slo in enumerate(spec.slos):
        path = f"slos[{index}]"
        yield from one_of(f"{path}.kind", slo.kind, SLO_KINDS)
        yield from _share_issues(slo, path)
        yield from _said_issues(slo, path)
        if slo.kind not in SLO_KINDS:
            continue
        yield from _kept_issues(slo, path, spec)
        if slo.name in names[:index]:
            fix = "Keep one of them"
            yield Issue(path, f"duplicates the objective '{slo.name}' of slos[{names.index(slo.name)}]", fix)
        for key in _OWN_KEYS:
            if getattr(slo, key) is not None and key not in _KEYS_OF[slo.kind]:
                yield Issue(f"{path}.{key}", f"an objective of kind {slo.kind} takes no '{key}'", "Remove it")
        if slo.kind == LATENCY:
            yield from _latency_issues(slo, path)
        if slo.kind == QUALITY:
            yield from _quality_issues(slo, path, spec.task)


def _share_issues(slo: Slo, path: str) -> Iterator[Issue]:
    if not LEAST_OBJECTIVE <= slo.objective < 1:
        problem = f"must be from {LEAST_OBJECTIVE:g} to below 1, and is {slo.objective:g}"
        fix = "Write the share of good events, such as 0.99: an objective of 1 leaves no budget"
        yield Issue(f"{path}.objective", problem, fix)
    if not SHORTEST <= slo.over <= LONGEST:
        problem = f"'{format_duration(slo.over)}' is not a period for an error budget"
        fix = f"Set {format_duration(SHORTEST)} to {format_duration(LONGEST)}, such as 28d"
        yield Issue(f"{path}.over", problem, fix)


def _kept_issues(slo: Slo, path: str, spec: EndpointSpec) -> Iterator[Issue]:
    """Yield an issue if what the objective is counted from is deleted before its period ends."""
    table = "quality_metrics" if slo.kind == QUALITY else "service_metrics"
    kept: timedelta | None = getattr(spec.retention, table)
    if kept is not None and slo.over > kept:
        problem = f"'{format_duration(slo.over)}' is longer than {format_duration(kept)}, for which {table} is kept"
        fix = f"Set at most {format_duration(kept)}, or a longer 'retention.{table}'"
        yield Issue(f"{path}.over", problem, fix)


def _said_issues(slo: Slo, path: str) -> Iterator[Issue]:
    yield from one_of(f"{path}.severity", slo.severity, SLO_SEVERITIES)
    if slo.runbook is not None and not _URL.fullmatch(slo.runbook):
        fix = "Write the address of a page, such as https://wiki.example.com/late-flights"
        yield Issue(f"{path}.runbook", f"{slo.runbook[:80]!r} is not a web address", fix)


def _latency_issues(slo: Slo, path: str) -> Iterator[Issue]:
    if slo.under_ms is None:
        yield Issue(f"{path}.under_ms", "is missing", "Add the latency that is good enough, such as 'under_ms: 300'")
    elif slo.under_ms < 1:
        problem = f"must be at least 1, and is {slo.under_ms:g}"
        yield Issue(f"{path}.under_ms", problem, "Write milliseconds, such as 300")


def _quality_issues(slo: Slo, path: str, task: str) -> Iterator[Issue]:
    allowed = QUALITY_METRICS.get(task, ())
    if slo.metric is None:
        yield Issue(f"{path}.metric", "is missing", f"Add one of: {', '.join(allowed) or 'the metrics of the task'}")
    elif task in TASKS and slo.metric not in allowed:
        yield Issue(f"{path}.metric", f"'{slo.metric}' is not a metric of {task}", suggestion(slo.metric, allowed))
    if (slo.at_least is None) == (slo.at_most is None):
        problem = "a quality objective takes one bound"
        yield Issue(path, problem, "Add either 'at_least' or 'at_most', such as 'at_least: 0.7'")
    if slo.minimum is not None and slo.minimum < 1:
        problem = f"must be at least 1, and is {slo.minimum}"
        yield Issue(f"{path}.minimum", problem, "Set the fewest labelled rows of a window that counts, such as 200")
