"""One request, described: where to, with what, how its answer is read, and when it may be sent again."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from modelops_pipelines.core.errors import InputError

T = TypeVar("T")
JSON = "application/json"
HEADER_LENGTH = 200


class Retry(Enum):
    """When a request is sent again. What was never sent (no connection) and what a limit refused always is."""

    ALWAYS = "always"
    """Twice is as good as once: also after a connection that ended, and after 503."""
    REFUSED = "refused"
    """After 503 too, for then nothing was done; not after a connection that ended: it may have been."""
    UNSENT = "unsent"
    """Neither: a change whose 503 may mean that a worker was late."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request; ``path`` is a route with the names of ``parts`` in braces. Query values that are None are left out."""

    method: str
    path: str
    read: Callable[[bytes], T]
    parts: Mapping[str, str | int] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = JSON
    headers: Mapping[str, str | None] = field(default_factory=dict)
    retry: Retry = Retry.ALWAYS
    right: frozenset[int] = frozenset({200, 201, 202})

    @property
    def target(self) -> str:
        """The path with its parts; raises InputError for a part that would lead to another route."""
        return self.path.format(**{name: _part(name, str(part)) for name, part in self.parts.items()})

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query's names and texts; a list has its name once for each item."""
        return [
            (name, _text(name, item))
            for name, value in self.query.items()
            if value is not None
            for item in (value if isinstance(value, list) else [value])
        ]

    @property
    def fields(self) -> dict[str, bytes]:
        """The headers in UTF-8; raises InputError for a text that a header cannot carry whole."""
        given = {name: _header(name, value) for name, value in self.headers.items() if value is not None}
        return given if self.content is None else {"Content-Type": self.content_type.encode(), **given}


def body_of(message: Mapping[str, Any], *, nulls: bool = False) -> bytes:
    """Return a message as JSON, its times with their offset. Fields that are None are left out, unless ``nulls``.

    Raises InputError for what JSON does not have.
    """
    given = {name: value for name, value in message.items() if nulls or value is not None}
    try:
        return json.dumps(given, default=_time, allow_nan=False).encode()
    except ValueError:
        raise InputError("A number is NaN or infinite, which JSON does not have", "Give another, or none") from None


def time_text(name: str, moment: datetime | str | None) -> str | None:
    """Return a time as ISO 8601; raises InputError for one without an offset. A text stays as it is."""
    if moment is None or isinstance(moment, str):
        return moment
    if moment.tzinfo is None:
        raise InputError(f"{name} is {moment}, without a time zone", "Give it one, such as datetime.now(UTC)")
    return moment.isoformat()


def _part(name: str, part: str) -> str:
    if part in ("", ".", ".."):
        raise InputError(f"{part!r} is no {name}", f"Give the {name.replace('_', ' ')} as the gateway lists it")
    return quote(part, safe="")


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(time_text(name, value) if isinstance(value, datetime) else value)


def _header(name: str, value: str) -> bytes:
    if len(value) > HEADER_LENGTH or value != value.strip() or not value.isprintable() or not value:
        raise InputError(
            f"{name} is {value[:60]!r}, which a header cannot carry whole",
            f"Give 1 to {HEADER_LENGTH} printable characters, without a space at either end",
        )
    return value.encode()


def _time(value: Any) -> str:
    if isinstance(value, datetime):
        return str(time_text("A time", value))
    raise InputError(f"{str(value)[:60]!r} is a {type(value).__name__}", "Give texts, numbers, true, false or times")
