"""The JSON schema of an endpoint's attributes, for editors and ``dg check yaml``; what judges a file is its parser.

The schema is what the parser asks for: it is run over places that stand for every key, and what it reads each one with
is written down. So a key that the parser learns is in the schema, and a reader that is not known here refuses nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from modelops_pipelines.core.endpoints.spec import ELSEWHERE, EndpointSpec
from modelops_pipelines.operations.endpoints.yaml import types
from modelops_pipelines.operations.endpoints.yaml.positions import Place, Report, Section
from modelops_pipelines.operations.endpoints.yaml.spec import parse_endpoint

T = TypeVar("T")
Schema = dict[str, Any]
_ITEM = "[]"
_TEMPLATE: Schema = {"type": "string", "pattern": r"\{\{"}
"""What Dagster puts a value in the place of; it may stand for any value."""
_DURATION: Schema = {
    "type": "string",
    "pattern": f"^([0-9]{{1,9}}[dhms]|{types.NEVER})$",
    "description": "a number and s, m, h or d, such as 90s, 30m, 48h or 7d",
}
_OF_READERS: Mapping[Callable[..., Any], Schema] = {
    types.text: {"type": "string"},
    types.any_text: {"type": "string"},
    types.rate: {"type": "string", "description": "a number, a slash and a unit, such as 100/minute"},
    types.release: {"type": ["string", "number"], "description": "a release, such as 3.11"},
    types.class_of: {"type": ["string", "number", "boolean"]},
    types.whole: {"type": "integer"},
    types.whole_or_all: {"type": ["integer", "boolean"]},
    types.number: {"type": "number"},
    types.boolean: {"type": "boolean"},
    types.duration: _DURATION,
    types.duration_or_never: {**_DURATION, "type": ["string", "null"]},
}
_NODES = (
    yaml.ScalarNode("tag:yaml.org,2002:str", ""),
    yaml.SequenceNode("tag:yaml.org,2002:seq", []),
    yaml.MappingNode("tag:yaml.org,2002:map", []),
)
"""The shapes that a value may have: a parser may look before it reads."""


@dataclass
class _Recorder(Report):
    """A file that has every key. What is read from it is written down by path, list items as one.

    ``values`` are what its keys say, by path; others say what they say by default.
    """

    node: yaml.Node = _NODES[0]
    values: Mapping[str, Any] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    readers: dict[str, list[Callable[..., Any]]] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)

    def read(self, place: Place, reader: Callable[[yaml.Node], T], default: T) -> T:
        """Write down how the value is read."""
        self.readers.setdefault(place.path, []).append(reader)
        found: T = self.values.get(place.path, default)
        return found

    def items(self, place: Place) -> list[Place]:
        """Write down that the value is a list."""
        self.lists.add(place.path)
        return [Place(self.node, 1, place.path + _ITEM)]

    def section(self, place: Place, allowed: Sequence[str], hints: Mapping[str, str] | None = None) -> Section:  # noqa: ARG002 - the overridden method's
        """Write down that the value is a mapping, and its keys."""
        self.keys[place.path] = tuple(allowed)
        inside = f"{place.path}." if place.path else ""
        return _EverySection(self, place.path, {key: Place(self.node, 1, inside + key) for key in allowed})


@dataclass(frozen=True)
class _EverySection(Section):
    """A mapping that has every key."""

    def require(self, key: str, fix: str) -> str:
        """Write down that the key must be there."""
        if isinstance(self.report, _Recorder):
            self.report.required.add(self.places[key].path)
        return super().require(key, fix)


@cache
def attributes_schema() -> Schema:
    """Return the JSON schema of the ``attributes`` of an endpoint's YAML.

    It refuses nothing that the parser accepts; what values mean is not in it, nor does it know files and columns.
    """
    recorders = [_recorded(node, {}) for node in _NODES]
    elsewhere = [_recorded(node, {"served": ELSEWHERE}) for node in _NODES]
    for one, other in zip(recorders, elsewhere, strict=True):
        one.required &= other.required
    return _mapping("", recorders, _choices(EndpointSpec, ""))


def _recorded(node: yaml.Node, values: Mapping[str, Any]) -> _Recorder:
    recorder = _Recorder("", node=node, values=values)
    parse_endpoint(Place(node, 1, ""), recorder)
    return recorder


def _schema(path: str, recorders: Sequence[_Recorder], choices: Mapping[str, list[str]]) -> Schema:
    """Return the schema of a value: any of the shapes that it was read as, or a template."""
    readers = [reader for one in recorders for reader in one.readers.get(path, [])]
    found = [_OF_READERS.get(one, {}) for one in dict.fromkeys(readers)]
    if any(path in one.lists for one in recorders):
        found.append({"type": "array", "items": _schema(path + _ITEM, recorders, choices)})
    if any(path in one.keys for one in recorders):
        found.append(_mapping(path, recorders, choices))
    if not all(found) or not found:
        return {}
    if path in choices and found == [_OF_READERS[types.text]]:
        found = [{"enum": choices[path]}]
    return found[0] if found == [{"type": "string"}] else {"anyOf": [*found, _TEMPLATE]}


def _mapping(path: str, recorders: Sequence[_Recorder], choices: Mapping[str, list[str]]) -> Schema:
    keys = dict.fromkeys(key for one in recorders for key in one.keys.get(path, ()))
    inside = f"{path}." if path else ""
    required = [key for key in keys if any(inside + key in one.required for one in recorders)]
    schema: Schema = {
        "type": "object",
        "properties": {key: _schema(inside + key, recorders, choices) for key in keys},
        "additionalProperties": not keys,
    }
    return {**schema, "required": required} if required else schema


def _choices(section: type, inside: str) -> dict[str, list[str]]:
    """Return the values of those keys that have a few, by path."""
    found: dict[str, list[str]] = {}
    for name, hint in get_type_hints(section).items():
        if get_origin(hint) is Literal:
            found[inside + name] = list(get_args(hint))
        elif isinstance(hint, type) and is_dataclass(hint):
            found |= _choices(hint, f"{inside}{name}.")
    return found
