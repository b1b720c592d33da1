"""Reads a mapping from a YAML file; what options of a command say goes before it."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
from modelops_pipelines.core.endpoints.issues import suggestion
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.store.filesystem.files import open_regular

_LARGEST = 1024 * 1024
_LISTS = frozenset({"id", "probabilities", "classes", "features"})
_MAPS = frozenset({"rename", "types"})
_KEYS = tuple(field.name for field in fields(LogMapping))


def read_mapping(path: Path) -> LogMapping:
    """Return the file's mapping; raises InputError that names the key of what is wrong."""
    try:
        with open_regular(path) as handle:
            text = handle.read(_LARGEST + 1)
        read = yaml.safe_load(text.decode()) if len(text) <= _LARGEST else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(
            f"The mapping {path.name} cannot be read ({type(error).__name__})", "Correct the file"
        ) from error
    if not isinstance(read, dict):
        raise InputError(f"The mapping {path.name} is no mapping of keys", "Write lines such as 'time: asked_at'")
    return LogMapping(**{str(key): _value(str(key), value) for key, value in read.items()})


def with_options(mapping: LogMapping, given: Mapping[str, Any]) -> LogMapping:
    """Return the mapping with what was given as options in its place; what is empty was not given."""
    return replace(mapping, **{name: value for name, value in given.items() if value not in (None, (), {})})


def _value(key: str, value: Any) -> Any:
    if key not in _KEYS:
        raise InputError(f"The mapping has an unknown key {key[:80]!r}", suggestion(key, _KEYS))
    if key in _LISTS:
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str | int | float) for one in listed):
            raise InputError(f"The mapping's {key!r} is no list of texts", f"Write '{key}: [first, second]'")
        return tuple(str(one) for one in listed)
    if key in _MAPS:
        if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
            raise InputError(f"The mapping's {key!r} is no mapping of texts", f"Write '{key}: {{column: value}}'")
        return dict(value)
    if not isinstance(value, str):
        raise InputError(f"The mapping's {key!r} is no text", f"Write '{key}: column', quoted if it is a number")
    return value
