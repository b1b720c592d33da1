"""The flavours of an MLmodel file, read as data: whatever stands there, a mapping comes back."""

import math
from typing import Any

FUNCTION = "python_function"


def written_out(value: Any) -> float:
    """Return how many characters and parts a value read from YAML has when aliases are written out; inf for a circle.

    A file of some hundred bytes can be larger than any memory: what compares, copies or quotes its values takes that.
    """
    return _written_out(value, {})


def _written_out(value: Any, known: dict[int, float]) -> float:
    if not isinstance(value, dict | list | tuple | set):
        return len(value) + 1 if isinstance(value, str | bytes) else 1
    if id(value) not in known:
        known[id(value)] = math.inf
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(value)]


def flavor(described: dict[str, Any], name: str) -> dict[Any, Any]:
    """Return what an MLmodel file says of a flavour; empty where it says nothing, or no mapping."""
    return mapping(mapping(described.get("flavors")).get(name))


def mapping(value: Any) -> dict[Any, Any]:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}
