"""Refuses a column that is given twice: which of the two values is meant, nobody can know."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelops_pipelines.core.errors import InputError, MalformedError

_BEFORE_COLON = (b'":', b" :", b"\t:", b"\n:", b"\r:")
_REMEDY = "Send each feature once"


def check_given_once(names: Iterable[str], given: Sequence[Any], where: str) -> None:
    """Raise InputError for the first of the names that is given more than once."""
    if len(given) == len(set(map(str, given))):
        return
    twice = next((name for name in names if given.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"Feature {twice!r} is given {given.count(twice)} times in {where}", _REMEDY)


def check_keys_once(body: bytes, parsed: Mapping[str, Any]) -> None:
    """Raise InputError for a key that an object of the JSON body has twice; the parser has kept the last value.

    A key ends with a quote, and a colon after it: a body with as many of these as there are keys has none twice. Any
    other body (a text with a colon, an object as a value) is parsed again, key by key.
    """
    if sum(map(body.count, _BEFORE_COLON)) <= _keys_of(parsed):
        return
    try:
        json.loads(body, object_pairs_hook=_object, parse_int=_unread, parse_float=_unread)
    except RecursionError:
        raise MalformedError("The body is nested too deeply", "Send plain values in each row") from None


def _keys_of(parsed: Mapping[str, Any]) -> int:
    """Return the number of keys of the body's object, and of the objects that are its values, or in a list of it."""
    count = len(parsed)
    for value in parsed.values():
        inner = value if isinstance(value, list) else [value]
        count += sum(len(one) for one in inner if type(one) is dict)
    return count


def _object(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"The key {twice[:60]!r} is given {names.count(twice)} times in one object", _REMEDY)


def _unread(_: str) -> None:
    return None
