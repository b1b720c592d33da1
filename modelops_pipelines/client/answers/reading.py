"""Reads the gateway's JSON into answers. Fields that are not declared are ignored: a newer gateway may send more.

Readers raise ValueError, TypeError or LookupError for what no gateway answers.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from modelops_pipelines.client.answers.result import Listing, Result
from modelops_pipelines.client.connection.errors import UnreadableAnswerError

T = TypeVar("T")
R = TypeVar("R", bound=Result)
Read = Callable[[bytes], T]


def one(kind: type[T]) -> Read[T]:
    """Return the reader of one answer."""

    def read(content: bytes) -> T:
        built: T = _built(kind, json.loads(content))
        return built

    return read


def many(kind: type[R], items: str | None = None, cursor: str | None = None) -> Read[Listing[R]]:
    """Return the reader of a list: the whole answer, or its field ``items``, with the next page's ``cursor``."""

    def read(content: bytes) -> Listing[R]:
        answer = json.loads(content)
        page = answer if items is not None else {}
        found = tuple(_built(kind, item) for item in (answer if items is None else answer[items]))
        return Listing(found, kind, page.get(cursor) if cursor else None, page.get("complete", True))

    return read


def _built(kind: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"{kind.__name__} is read from an object")
    hints = _hints(kind)
    given = {name: _converted(hint, value[name]) for name, hint in hints.items() if name in value}
    absent = [name for name in _required(kind) if name not in given]
    if absent:
        raise UnreadableAnswerError(
            f"The answer has no {', '.join(absent)}: the gateway is of another release than this client",
            "Install the same release of modelops_pipelines on both sides",
        )
    return kind(**given)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}


@cache
def _required(kind: type[Any]) -> list[str]:
    return [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]


def _converted(hint: Any, value: Any) -> Any:
    """Return JSON's value as its hint says: times as datetime, objects as answers, lists as tuples."""
    origin, arguments = get_origin(hint), get_args(hint)
    if value is None:
        return None
    if origin in (Union, UnionType):
        kinds = [argument for argument in arguments if argument is not NoneType]
        return _converted(kinds[0], value) if len(kinds) == 1 else value
    if origin is not None and isinstance(value, list):
        return tuple(_converted(arguments[0], item) for item in value)
    if origin is not None and isinstance(value, dict):
        return {name: _converted(arguments[1], item) for name, item in value.items()}
    if is_dataclass(hint):
        return _built(hint, value)
    return datetime.fromisoformat(value) if hint is datetime else value
