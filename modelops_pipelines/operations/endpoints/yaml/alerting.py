"""Reads ``alerting.yaml``: channels, routes, maintenance windows, the heartbeat. Its faults quote no value.

Secrets are named, never written: ``env:NAME`` or ``file:PATH``. What is sent where: ``operations.alerting``.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import yaml

from modelops_pipelines.core.alerting.configuration import (
    GROUP_WAIT,
    HEARTBEAT_EVERY,
    AlertingConfiguration,
    Channel,
    MaintenanceWindow,
    Route,
)
from modelops_pipelines.core.alerting.silencing.maintenance_times import parse_times
from modelops_pipelines.core.endpoints.issues import suggestion
from modelops_pipelines.core.errors import Fault
from modelops_pipelines.operations.endpoints.yaml.positions import (
    DiscreetReport,
    Place,
    Report,
    Section,
    may_be_secret,
    may_hold_secret,
    root_of,
)
from modelops_pipelines.operations.endpoints.yaml.references import BY_NAME, absolute, is_reference, reference
from modelops_pipelines.operations.endpoints.yaml.types import RefusedError, boolean, duration, text

WEBHOOK, APPRISE = "webhook", "apprise"
FORMS = {WEBHOOK: ("json", "slack", "text"), APPRISE: ("text", "html")}
MATCHED = ("endpoint", "rule", "kind", "severity", "owner")
_CHANNEL_KEYS = (WEBHOOK, APPRISE, "secret", "secrets", "form", "allow_private")
_HINTS = {"url": "Write 'webhook: env:NAME', or 'apprise: env:NAME'", "type": "Write 'webhook:' or 'apprise:' instead"}
_ROUTE_KEYS = ("match", "channels", "escalate")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL = re.compile(r"labels\.\S{1,200}")
_LONGEST_WAIT, _SHORTEST_HEARTBEAT = timedelta(minutes=10), timedelta(seconds=10)


def parse_alerting(content: str, file: Path) -> tuple[AlertingConfiguration, tuple[Fault, ...]]:
    """Return what the file's text says, and its faults; with any fault it is not to be used."""
    report = DiscreetReport(str(file))
    if not _has_content(content):
        return AlertingConfiguration(), ()
    root = root_of(content, report)
    found = AlertingConfiguration() if root is None else _document(root, report, file.parent)
    return found, tuple(sorted(report.faults, key=lambda fault: fault.line))


def _has_content(content: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in content.splitlines())


def _document(root: Place, report: Report, folder: Path) -> AlertingConfiguration:
    top = report.section(root, ("channels", "routes", "maintenance", "heartbeat", "group_wait"))
    channels = tuple(_channels(top, report, folder))
    names = [channel.name for channel in channels]
    routes = tuple(_routes(top, report, names)) if "routes" in top.places else _every_channel(names)
    beat, every = _heartbeat(top, report, folder)
    wait = top.take("group_wait", duration, GROUP_WAIT)
    if wait > _LONGEST_WAIT:
        report.refuse("group_wait", "holds messages back for too long", "Write at most 10m, such as 3s")
    return AlertingConfiguration(channels, routes, tuple(_maintenance(top, report)), beat, every, wait)


def _every_channel(names: list[str]) -> tuple[Route, ...]:
    """Return the only route of a file without routes: each alert is told to each channel."""
    return (Route(tuple(names)),) if names else ()


def _channels(top: Section, report: Report, folder: Path) -> Iterator[Channel]:
    if "channels" not in top.places:
        return
    for name, place in report.entries(top.places["channels"]).places.items():
        if not _NAME.fullmatch(name):
            report.refuse(place.path, "is not a channel's name", "Use up to 63 of a-z, 0-9, _ and -, a letter first")
        yield _channel(name, report.section(place, _CHANNEL_KEYS, _HINTS), folder)


def _channel(name: str, section: Section, folder: Path) -> Channel:
    kinds = [kind for kind in (WEBHOOK, APPRISE) if kind in section.places]
    if len(kinds) != 1 and section.path not in section.report.stand_ins:
        problem = "has both webhook and apprise" if kinds else "says not where to send"
        section.report.refuse(section.path, problem, "Write either 'webhook: env:NAME' or 'apprise: env:NAME'")
    kind = kinds[0] if kinds else WEBHOOK
    url = absolute(section.take(kind, _webhook_address if kind == WEBHOOK else reference, ""), folder)
    form = section.take("form", text, FORMS[kind][0])
    if form not in FORMS[kind] and f"{section.path}.form" not in section.report.stand_ins:
        fix = suggestion(form, FORMS[kind])
        section.report.refuse(f"{section.path}.form", f"is not a form of {kind} messages", fix)
    secrets = tuple(absolute(one, folder) for one in _secrets(section, kind))
    return Channel(name, kind, url, secrets, section.take("allow_private", boolean, default=False), form)


def _secrets(section: Section, kind: str) -> tuple[str, ...]:
    given = [key for key in ("secret", "secrets") if key in section.places]
    if given and kind == APPRISE:
        fix = "Remove it: the address of an apprise channel holds what it needs"
        section.report.refuse(f"{section.path}.{given[0]}", "signs webhooks only", fix)
    if len(given) > 1:
        fix = "Keep 'secrets: [env:NEW, env:OLD]' while the secret is rotated"
        section.report.refuse(f"{section.path}.secret", "is beside 'secrets'", fix)
    one = section.take("secret", reference, "")
    return (*((one,) if one else ()), *section.texts("secrets", reference))


def _webhook_address(node: yaml.Node) -> str:
    """Read a reference, or a plain address that holds no secret."""
    value = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if is_reference(value):
        return value
    if not value.startswith(("http://", "https://")):
        raise RefusedError("is neither a reference nor an address of http or https", BY_NAME)
    _require_plain(value)
    return value


def _require_plain(url: str) -> None:
    """Refuse an address with a user, a query, or a long part that may be a secret."""
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise RefusedError("is not a valid address", "Write http://HOST:PORT/PATH, or env:NAME")
    if parts.username is not None or parts.query or parts.fragment or ";" in parts.path:
        _refuse_secret()
    if may_hold_secret(unquote(parts.path)):
        _refuse_secret()


def _refuse_secret() -> NoReturn:
    raise RefusedError("is an address with what may be a secret in it", BY_NAME)


def _routes(top: Section, report: Report, names: list[str]) -> Iterator[Route]:
    for place in report.items(top.places["routes"]):
        section = report.section(place, _ROUTE_KEYS)
        if "channels" not in section.places and place.path not in report.stand_ins:
            report.refuse(f"{place.path}.channels", "is missing", f"List channels: [{', '.join(_plain(names)[:3])}]")
        after, to = _escalation(section, report, names)
        channels = _known_channels(section, "channels", report, names)
        yield Route(channels, _matchers(section, report), after, to)


def _escalation(section: Section, report: Report, names: list[str]) -> tuple[timedelta | None, tuple[str, ...]]:
    if "escalate" not in section.places:
        return None, ()
    inner = report.section(section.places["escalate"], ("after", "to"))
    if not {"after", "to"} <= {*inner.places} and inner.path not in report.stand_ins:
        report.refuse(inner.path, "says not after how long, and to whom", "Write {after: 15m, to: [CHANNEL]}")
    return inner.take("after", duration, timedelta(minutes=15)), _known_channels(inner, "to", report, names)


def _known_channels(section: Section, key: str, report: Report, names: list[str]) -> tuple[str, ...]:
    found = section.texts(key)
    for index, name in enumerate(found):
        if name and name not in names:
            said = "is no channel" if may_be_secret(name) else f"there is no channel '{name}'"
            report.refuse(f"{section.path}.{key}[{index}]", said, suggestion(name, _plain(names)))
    return tuple(dict.fromkeys(found))


def _plain(names: list[str]) -> list[str]:
    return [name for name in names if not may_be_secret(name)]


def _matchers(section: Section, report: Report) -> Mapping[str, str]:
    if "match" not in section.places:
        return {}
    found = report.entries(section.places["match"])
    for name, place in found.places.items():
        if name not in MATCHED and not _LABEL.fullmatch(name):
            report.refuse(place.path, "is not a field of an alert", suggestion(name, (*MATCHED, "labels.NAME")))
    return {name: found.take(name, text, "") for name in found.places}


def _maintenance(top: Section, report: Report) -> Iterator[MaintenanceWindow]:
    if "maintenance" not in top.places:
        return
    for place in report.items(top.places["maintenance"]):
        section = report.section(place, ("weekly", "once", "reason", "match"))
        if place.path in report.stand_ins:
            continue
        weekly = _times(section, report)
        reason = section.require("reason", "Write why no messages are wanted then")
        yield MaintenanceWindow(weekly, reason, _matchers(section, report))


def _times(section: Section, report: Report) -> str:
    """Read the times of a window: weekly ones, or those of one date."""
    key = "once" if "once" in section.places and "weekly" not in section.places else "weekly"
    example = "2026-12-24 22:00-04:00 Europe/Berlin" if key == "once" else "Sun 02:00-04:00 Europe/Berlin"
    times = section.require(key, f'Write days, times and zone: "{example}"')
    path = f"{section.path}.{key}"
    if times and parse_times(times) is None and path not in report.stand_ins:
        problem = "is not a weekly time" if key == "weekly" else "is not a time of one day"
        report.refuse(path, problem, f'Write them such as "{example}"')
    return times


def _heartbeat(top: Section, report: Report, folder: Path) -> tuple[Channel | None, timedelta]:
    if "heartbeat" not in top.places:
        return None, HEARTBEAT_EVERY
    section = report.section(top.places["heartbeat"], ("url", "every", "allow_private"))
    if "url" not in section.places and section.path not in report.stand_ins:
        report.refuse(f"{section.path}.url", "is missing", "Write 'url: env:NAME'")
    url = absolute(section.take("url", _webhook_address, ""), folder)
    every = section.take("every", duration, HEARTBEAT_EVERY)
    if every < _SHORTEST_HEARTBEAT:
        report.refuse(f"{section.path}.every", "is too often", "Write at least 10s, such as 1m")
    allow = section.take("allow_private", boolean, default=False)
    return Channel("heartbeat", WEBHOOK, url, allow_private=allow), every
