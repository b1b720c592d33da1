"""Matchers: patterns for the fields of an alert, in routes, silences and maintenance windows."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from modelops_pipelines.core.alerting.alerts import Alert, Traits

FIELDS = ("endpoint", "rule", "kind", "severity", "owner")
"""The fields of an alert that a matcher may name, beside ``labels.NAME``."""
LABELS = "labels."


def fields_of(alert: Alert, traits: Traits) -> dict[str, str]:
    """Return the fields of an alert that matchers see; one that it does not have is missing."""
    known = {"endpoint": alert.endpoint, "rule": alert.rule, "kind": alert.kind, "severity": alert.severity}
    owner = {} if traits.owner is None else {"owner": traits.owner}
    return {**known, **owner, **{f"{LABELS}{name}": value for name, value in traits.labels.items()}}


def matches(matchers: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """Return whether each matcher's field is there and matches its pattern: ``*`` is any text, ``?`` one character."""
    return all(name in fields and fnmatchcase(fields[name], _literal(pattern)) for name, pattern in matchers.items())


def unknown_fields(matchers: Mapping[str, str]) -> list[str]:
    """Return the names in matchers that no alert can have."""
    return [name for name in matchers if name not in FIELDS and not (name.startswith(LABELS) and name != LABELS)]


def _literal(pattern: str) -> str:
    """Return the pattern for ``fnmatch``, in which a bracket is a bracket."""
    return pattern.replace("[", "[[]")
