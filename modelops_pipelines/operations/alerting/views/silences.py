"""Silences for people, and which of them a key for some endpoints may see and end."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from modelops_pipelines.core.alerting.silencing.silences import Silence
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.store.stores import Stores

ENDPOINT = "endpoint"


def describe_silence(silence: Silence, now: datetime) -> dict[str, Any]:
    """Return a silence with its status: active, waiting for its time, or over."""
    over = silence.is_over(now)
    status = "over" if over else "active" if silence.is_active(now) else "waiting"
    return {**asdict(silence), "matchers": dict(silence.matchers), "status": status}


def find_silences(stores: Stores, now: datetime, *, all_of_them: bool = False) -> list[Silence]:
    """Return the silences, newest first; those that are over only if asked for."""
    return (stores.silences.all() if all_of_them else stores.silences.not_over(now))[::-1]


def silence_numbered(stores: Stores, number: int, may: Callable[[Silence], bool] = lambda _: True) -> Silence:
    """Return a silence by its number; raises UnknownError, also for one that the caller may not touch."""
    silence = stores.silences.find(number)
    if silence is None or not may(silence):
        raise UnknownError(f"There is no silence {number}", "See the numbers: modelops alert silences")
    return silence


def is_within(matchers: Mapping[str, str], endpoints: frozenset[str] | None) -> bool:
    """Return whether matchers name exactly one of the endpoints; None is all of them, and everything is within."""
    return endpoints is None or matchers.get(ENDPOINT) in endpoints


def concerns(matchers: Mapping[str, str], endpoints: frozenset[str] | None) -> bool:
    """Return whether matchers can match an alert of one of the endpoints."""
    pattern = matchers.get(ENDPOINT, "*").replace("[", "[[]")
    return endpoints is None or any(fnmatchcase(name, pattern) for name in endpoints)
