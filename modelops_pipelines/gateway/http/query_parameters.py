"""Refuses what a route would ignore in a query: a misspelt filter would list everything, a repeated one half of it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant

from modelops_pipelines.core.errors import InputError

_SHOWN = 80


def declared_parameters(route: Dependant) -> Mapping[str, bool]:
    """Return the names of a route's query parameters, and whether each may be given several times."""
    return {field.alias: _is_list(field.field_info.annotation) for field in _fields(route)}


def check_query(request: Request, declared: Mapping[str, bool]) -> None:
    """Raise InputError for a query parameter that the route does not have, or has once and was given twice."""
    counted = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in counted.items():
        if name not in declared:
            raise InputError(f"There is no query parameter {name[:_SHOWN]!r}", _remedy(name, declared))
        if count > 1 and not declared[name]:
            raise InputError(f"The query parameter {name!r} is given {count} times", "Give it once")


def _remedy(name: str, declared: Mapping[str, bool]) -> str:
    if not declared:
        return "This route takes no query parameters"
    close = get_close_matches(name[:_SHOWN], declared, n=1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return f"{meant}This route takes {', '.join(declared)}"


def _fields(route: Dependant) -> Iterator[Any]:
    yield from route.query_params
    for dependency in route.dependencies:
        yield from _fields(dependency)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
