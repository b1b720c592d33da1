"""What a message to people says about alerts: the same content for every channel. How it is written: ``channels``.

Every text in it is bounded, on one line, and shows what a terminal or a mail program would obey or hide: names, reasons
and errors come from models, rows and callers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any, TypeVar, cast

from modelops_pipelines.core.escaping import visible

MOST_ALERTS, MOST_CAUSES, MOST_LINKS, MOST_LABELS = 200, 12, 12, 20
"""What one message has at most; ``left_out`` says how many alerts are not in it."""
LONGEST_TITLE, LONGEST_NAME, LONGEST_TEXT = 140, 100, 800
_CUT = "…"
_LONGEST_URL = 2000
_WEB = ("http://", "https://")
_T = TypeVar("_T")
_Plain = str | int | float | bool | None


@dataclass(frozen=True)
class AlertItem:
    """One change of an alert: what happened to which alert, since when, and how bad it is.

    ``event`` is what happened (opened, resolved, acknowledged, ...), ``state`` what the alert is since then. Times are
    ISO 8601 in UTC. ``actor`` is None where the rule's verdict or the clock did it. ``acknowledge`` is the command that
    takes it on; empty for an alert that nobody needs to take on.
    """

    alert_id: int
    endpoint: str
    rule: str
    kind: str
    event: str
    state: str
    severity: str
    at: str
    since: str
    lasted: str
    message: str
    count: int = 1
    value: float | None = None
    threshold: float | None = None
    n: int | None = None
    window: str = ""
    actor: str | None = None
    note: str | None = None
    reopened: int = 0
    escalations: int = 0
    flapping: bool = False
    owner: str = ""
    runbook: str = ""
    labels: Mapping[str, str] | None = None
    acknowledge: str = ""


@dataclass(frozen=True)
class Cause:
    """A likely cause, or where the damage is: ``kind`` is version, drift, data, segment or pipeline.

    ``command`` is what undoes it; empty where no command does.
    """

    endpoint: str
    kind: str
    text: str
    command: str = ""


@dataclass(frozen=True)
class Link:
    """A page to open."""

    label: str
    url: str


@dataclass(frozen=True)
class MessageContent:
    """A message: a title, the alerts that changed, likely causes, and pages to open.

    ``test`` marks a message that tries a channel: nothing has happened. ``left_out`` counts further alerts.
    """

    title: str
    at: str
    alerts: tuple[AlertItem, ...] = ()
    causes: tuple[Cause, ...] = ()
    links: tuple[Link, ...] = ()
    left_out: int = 0
    test: bool = False
    text: str = ""


def to_json(content: MessageContent) -> dict[str, Any]:
    """Return the content as JSON, as the state keeps it: bounded, and without what a reader cannot see."""
    plain = asdict(content)
    plain["alerts"] = [_clean_item(one) for one in plain["alerts"][:MOST_ALERTS]]
    plain["causes"] = [_clean(one) for one in plain["causes"][:MOST_CAUSES]]
    plain["links"] = [_clean_link(one) for one in plain["links"][:MOST_LINKS] if is_web(one["url"])]
    plain["left_out"] = content.left_out + max(0, len(content.alerts) - MOST_ALERTS)
    plain["title"] = clean_text(content.title, LONGEST_TITLE)
    return {**plain, "at": clean_text(content.at, LONGEST_NAME), "text": clean_text(content.text)}


def from_json(given: Mapping[str, Any]) -> MessageContent:
    """Read content, also of another release: unknown fields are left out, missing ones have their defaults.

    It is cleaned again: not everything that is sent was made by ``to_json``.
    """
    content = MessageContent(
        title=str(given.get("title", "")),
        at=str(given.get("at", "")),
        alerts=_several(AlertItem, given.get("alerts")),
        causes=_several(Cause, given.get("causes")),
        links=_several(Link, given.get("links")),
        left_out=int(given.get("left_out") or 0),
        test=bool(given.get("test")),
        text=str(given.get("text", "")),
    )
    plain = to_json(content)
    return MessageContent(
        **{
            **plain,
            "alerts": tuple(AlertItem(**one) for one in plain["alerts"]),
            "causes": tuple(Cause(**one) for one in plain["causes"]),
            "links": tuple(Link(**one) for one in plain["links"]),
        }
    )


def clean_text(text: str, most: int = LONGEST_TEXT) -> str:
    """Return text on one line, at most so long, in which every character that is not printed is written out."""
    line = visible(" ".join(text[: 2 * most].split()))
    return line if len(line) <= most else line[: most - 1] + _CUT


def is_web(url: str) -> bool:
    """Return whether this is an address of a web page that a message may link to."""
    return url.lower().startswith(_WEB) and len(url) <= _LONGEST_URL and url.isprintable() and " " not in url


def describe_time(duration: timedelta) -> str:
    """Return a time span in words of two units at most: ``3 min``, ``2 h 10 min``, ``4 d 3 h``."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if not hours:
        return f"{minutes} min"
    if not days:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def title_of(items: Sequence[AlertItem], *, left_out: int = 0, test: bool = False) -> str:
    """Return one line that says what happened where: the subject of a mail."""
    mark = "[TEST] " if test else ""
    if not items:
        return f"{mark}Message of modelops"
    first, total = items[0], len(items) + left_out
    one = f"{first.endpoint}: {first.rule} {first.event}"
    if total == 1:
        return clean_text(f"{mark}[{first.severity}] {one}", LONGEST_TITLE)
    endpoints = {item.endpoint for item in items}
    where = first.endpoint if len(endpoints) == 1 else f"{len(endpoints)}{'+' if left_out else ''} endpoints"
    what = f"{first.rule} {first.event} and {total - 1:,} more" if len(endpoints) == 1 else f"{one}, ..."
    return clean_text(f"{mark}[{_worst(items)}] {where}: {what}", LONGEST_TITLE)


def _worst(items: Sequence[AlertItem]) -> str:
    severities = [item.severity for item in items]
    known = [one for one in ("critical", "error", "warning", "warn", "info") if one in severities]
    return known[0] if known else severities[0]


def _several(kind: type[_T], given: object) -> tuple[_T, ...]:
    """Return the entries of a list that have every field that is needed."""
    known = {one.name for one in fields(cast("Any", kind))}
    found: list[_T] = []
    for one in given if isinstance(given, list | tuple) else ():
        try:
            found.append(kind(**{name: value for name, value in one.items() if name in known}))
        except (TypeError, AttributeError):
            continue
    return tuple(found)


def _clean_item(item: Mapping[str, Any]) -> dict[str, Any]:
    labels = list((item["labels"] or {}).items())[:MOST_LABELS]
    shown = {clean_text(str(name), LONGEST_NAME): clean_text(str(value), LONGEST_NAME) for name, value in labels}
    rest = _clean({name: value for name, value in item.items() if name != "labels"}, short=("endpoint", "rule", "kind"))
    rest["runbook"] = item["runbook"] if is_web(item["runbook"]) else clean_text(item["runbook"], LONGEST_NAME)
    return {**rest, "labels": shown}


def _clean_link(link: Mapping[str, str]) -> dict[str, Any]:
    return {"label": clean_text(str(link["label"]), LONGEST_NAME), "url": str(link["url"])}


def _clean(values: Mapping[str, Any], short: Sequence[str] = ()) -> dict[str, Any]:
    most = {name: LONGEST_NAME if name in short else LONGEST_TEXT for name in values}
    return {name: _clean_value(value, most[name]) for name, value in values.items()}


def _clean_value(value: object, most: int) -> _Plain:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return clean_text(str(value), most)
