"""Validate an endpoint's retention: nothing is deleted that a verdict, a label or a training still needs."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.maintenance.retention import REFERRING, SHORTEST

_RESPONSES = ("predictions", "labels", "feedback")
_REFERENCES = ("profiles", "drift", "data_quality")


def retention_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield the issues of every table that keeps its rows for too short a time."""
    for field in fields(spec.retention):
        kept: timedelta | None = getattr(spec.retention, field.name)
        least, why = _least(spec, field.name)
        if kept is not None and kept < least:
            problem = f"'{format_duration(kept)}' is shorter than {format_duration(least)}, {why}"
            fix = f"Set at least {format_duration(least)}, or 'never' to keep them for ever"
            yield Issue(f"retention.{field.name}", problem, fix)
    yield from _referring_issues(spec)


def _referring_issues(spec: EndpointSpec) -> Iterator[Issue]:
    most = spec.retention.predictions
    for name in REFERRING:
        kept: timedelta | None = getattr(spec.retention, name)
        if most is not None and (kept is None or kept > most):
            shown = "'never'" if kept is None else f"'{format_duration(kept)}'"
            problem = f"{shown} is longer than {format_duration(most)}, for which 'predictions' are kept"
            fix = f"Remove it, or set at most {format_duration(most)}: an erasure finds them by the prediction"
            yield Issue(f"retention.{name}", problem, fix)


def _least(spec: EndpointSpec, name: str) -> tuple[timedelta, str]:
    if name in _RESPONSES:
        return spec.label_horizon + SHORTEST, "the label horizon and two days"
    if name in _REFERENCES:
        days = timedelta(days=spec.drift.days)
        return days + SHORTEST, "the days of the drift's reference and two days"
    return SHORTEST, "the time in which rows still arrive"
