"""Reads an alert rule from YAML, and writes it as YAML would have it."""

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any, TypeVar

import yaml

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.operations.endpoints.yaml.positions import Place, Report, Section
from modelops_pipelines.operations.endpoints.yaml.types import (
    RefusedError,
    class_of,
    duration,
    number,
    sequence,
    text,
    whole,
)

RULE_KEYS = tuple(str(field.metadata.get("key", field.name)) for field in fields(AlertRule))
"""A rule's keys in YAML, in the order of its fields."""
_ENDS = 2
_BAND: tuple[float, ...] = (0.0, 1.0)
T = TypeVar("T")


def read_rule(place: Place, report: Report) -> AlertRule:
    """Return the rule, with a stand-in for each refused value."""
    rule = report.section(place, RULE_KEYS)
    return AlertRule(
        kind="" if place.path in report.stand_ins else rule.require("kind", "Add 'kind', such as 'kind: drift'"),
        metric=rule.take("metric", text, None),
        above=_given(rule, "above", number, 0.0),
        below=_given(rule, "below", number, 0.0),
        over=rule.take("over", duration, None),
        minimum=rule.take("minimum", whole, None),
        given_name=rule.take("name", text, None),
        operator=rule.take("operator", text, None),
        threshold=_given(rule, "threshold", number, 0.0),
        outside=_given(rule, "outside", _band, _BAND),
        percentile=rule.take("percentile", number, None),
        sql=rule.take("sql", text, None),
        severity=rule.take("severity", text, None),
        for_=rule.take("for", duration, None),
        labels=_labels(rule, report),
        owner=rule.take("owner", text, None),
        runbook=rule.take("runbook", text, None),
    )


def describe_rule(rule: AlertRule) -> dict[str, Any]:
    """Return the rule as JSON-safe values by its YAML keys, without what it leaves out."""
    plain = {key: _plain(getattr(rule, field.name)) for key, field in zip(RULE_KEYS, fields(rule), strict=True)}
    plain["labels"] = dict(rule.labels) or None
    return {key: value for key, value in plain.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return format_duration(value)
    return list(value) if isinstance(value, tuple) else value


def _given(rule: Section, key: str, reader: Callable[[yaml.Node], T], stand_in: T) -> T | None:
    """Return the value of an optional key: None when it is absent, a stand-in when it is refused.

    So a refused threshold is no missing one.
    """
    return rule.take(key, reader, stand_in) if key in rule.places else None


def _band(node: yaml.Node) -> tuple[float, ...]:
    ends = tuple(number(one) for one in sequence(node))
    if len(ends) != _ENDS:
        raise RefusedError("must be two numbers", "Write the lowest and the highest good value, such as [0.2, 0.4]")
    return ends


def _labels(rule: Section, report: Report) -> tuple[tuple[str, str], ...]:
    place = rule.places.get("labels")
    if place is None:
        return ()
    pairs = place.node.value if isinstance(place.node, yaml.MappingNode) else []
    values = report.section(place, [str(key.value) for key, _ in pairs if isinstance(key, yaml.ScalarNode)]).places
    return tuple((name, report.read(value, class_of, "")) for name, value in values.items())
