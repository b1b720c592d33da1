"""Reads single YAML values by type; a value of another type is refused with a fix. Knows no lines or paths."""

import re
from datetime import timedelta
from math import isfinite, nan
from typing import NoReturn

import yaml

from modelops_pipelines.core.durations import parse_duration
from modelops_pipelines.core.endpoints.spec import MOST_RESIDENT
from modelops_pipelines.core.models.class_names import class_name

_WORDS = {"str": "text", "int": "a number", "float": "a number", "bool": "a yes or no", "timestamp": "a date"}
_WHOLE = re.compile(r"[-+]?(0|[1-9](_?[0-9]){0,17})")
_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
_SHOWN = 40
_QUOTING = ("Quote it", "Remove the quotes")
"""Fixes that go on with the value."""
NEVER = "never"


class RefusedError(Exception):
    """A value of the wrong type; the caller adds its position."""

    def __init__(self, problem: str, fix: str, discreet: tuple[str, str] | None = None) -> None:
        """Keep problem and fix apart, for a fault; ``discreet`` says the same without the value."""
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.discreet = discreet or (problem, fix)


def tag_of(node: yaml.Node) -> str:
    """Return the short name of the type that YAML gives the value."""
    return str(node.tag).removeprefix("tag:yaml.org,2002:")


def _found(node: yaml.Node) -> str:
    tag = tag_of(node)
    if isinstance(node, yaml.ScalarNode) and tag != "null":
        value = node.value if len(node.value) <= _SHOWN else f"{node.value[:_SHOWN]}..."
        return f"{_WORDS.get(tag, f'tagged {tag}')} ({value})" if value else "empty"
    return {"null": "empty", "seq": "a list", "map": "a mapping"}.get(tag, f"tagged {tag}")


def _kind(node: yaml.Node) -> str:
    kinds = _WORDS | {"null": "empty", "seq": "a list", "map": "a mapping"}
    return kinds.get(tag_of(node), "something else")


def _refuse(wanted: str, node: yaml.Node, fix: str) -> NoReturn:
    problem = f"must be {wanted}, but is {_found(node)}"
    plain = next((words for words in _QUOTING if fix.startswith(words)), fix)
    raise RefusedError(problem, fix, (f"must be {wanted}, but is {_kind(node)}", plain))


def mapping(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    """Read a mapping's keys and values."""
    if not isinstance(node, yaml.MappingNode) or tag_of(node) != "map":
        _refuse("a mapping", node, "Write 'key: value' lines indented below it, or remove it for the default")
    return list(node.value)


def sequence(node: yaml.Node) -> list[yaml.Node]:
    """Read a list's items."""
    if not isinstance(node, yaml.SequenceNode) or tag_of(node) != "seq":
        _refuse("a list", node, "Write [ ] around the items, or '- ' before each item")
    return list(node.value)


def text(node: yaml.Node) -> str:
    """Read a text with something in it."""
    if tag_of(node) == "str" and node.value.strip():
        return str(node.value)
    plain = isinstance(node, yaml.ScalarNode) and node.value and tag_of(node) in _WORDS and tag_of(node) != "str"
    _refuse("text", node, f'Quote it: "{node.value}"' if plain else "Write a text")


def any_text(node: yaml.Node) -> str:
    """Read a text that may be empty."""
    return "" if tag_of(node) == "str" and not node.value else text(node)


def class_of(node: yaml.Node) -> str:
    """Read a class as the log writes it: a text, a number, true or false. YAML's other booleans, as no, are refused."""
    if tag_of(node) == "bool" and node.value.lower() in {"true", "false"}:
        return class_name(boolean(node))
    if tag_of(node) == "int" and _WHOLE.fullmatch(node.value):
        return class_name(int(node.value))
    if tag_of(node) == "float" and isfinite(_float(node)):
        return class_name(_float(node))
    return text(node)


def release(node: yaml.Node) -> str:
    """Read a release as it is written, which YAML takes for a number where it has one dot: 3.10 stays 3.10."""
    return str(node.value) if isinstance(node, yaml.ScalarNode) and tag_of(node) in {"int", "float"} else text(node)


def rate(node: yaml.Node) -> str:
    """Read a rate's text, such as 100/minute; its meaning is not checked here."""
    if tag_of(node) != "str" or not node.value.strip():
        _refuse("a rate", node, "Write a number, a slash and a unit, such as 100/minute")
    return str(node.value)


def _unquoted(node: yaml.Node, otherwise: str) -> str:
    quoted = isinstance(node, yaml.ScalarNode) and node.style in {"'", '"'}
    return f"Remove the quotes: {node.value}" if quoted and tag_of(node) == "str" and node.value else otherwise


def whole(node: yaml.Node) -> int:
    """Read a whole number in plain decimal digits."""
    if tag_of(node) != "int" or not _WHOLE.fullmatch(node.value):
        _refuse("a whole number", node, _unquoted(node, "Write decimal digits only, such as 5000"))
    return int(node.value)


def whole_or_all(node: yaml.Node) -> int:
    """Read how much of an endpoint stays in memory: a whole number, or true for all of it and false for nothing."""
    if tag_of(node) == "bool":
        return MOST_RESIDENT if _BOOLEANS[node.value.lower()] else 0
    if tag_of(node) != "int":
        _refuse("a whole number, true or false", node, _unquoted(node, f"Write true, false, or 0 to {MOST_RESIDENT}"))
    return whole(node)


def number(node: yaml.Node) -> float:
    """Read a finite number."""
    value = _float(node)
    if not isfinite(value):
        _refuse("a finite number", node, _unquoted(node, "Write digits and at most one point, such as 0.1"))
    return value


def _float(node: yaml.Node) -> float:
    if tag_of(node) != "float" and not (tag_of(node) == "int" and _WHOLE.fullmatch(node.value)):
        return nan
    try:
        return float(node.value)
    except ValueError:  # base 60 and YAML's own spellings of infinity
        return nan


def boolean(node: yaml.Node) -> bool:
    """Read true or false."""
    if tag_of(node) != "bool":
        _refuse("true or false", node, _unquoted(node, "Write true or false"))
    return _BOOLEANS[node.value.lower()]


def duration(node: yaml.Node) -> timedelta:
    """Read a duration such as 48h."""
    found = parse_duration(node.value) if tag_of(node) == "str" else None
    if found is None:
        _refuse("a duration", node, "Write a number and s, m, h or d, such as 90s, 30m, 48h or 7d (at most 3650d)")
    return found


def duration_or_never(node: yaml.Node) -> timedelta | None:
    """Read a duration such as 400d; None for null or never."""
    if tag_of(node) == "null" or (tag_of(node) == "str" and node.value == NEVER):
        return None
    found = parse_duration(node.value) if tag_of(node) == "str" else None
    if found is None:
        fix = f"Write a number and s, m, h or d, such as 400d (at most 3650d), or {NEVER}"
        _refuse(f"a duration or '{NEVER}'", node, fix)
    return found
