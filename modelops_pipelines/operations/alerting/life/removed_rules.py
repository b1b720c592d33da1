"""Ends the alerts of rules and objectives that are in force nowhere: nothing judges them any more.

An endpoint whose file has a fault keeps its alerts, and so does one that may be that of a file which says no name.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.core.alerting.by_hand import resolve_alert
from modelops_pipelines.core.alerting.episodes import Episode
from modelops_pipelines.core.alerting.life import DROPPED
from modelops_pipelines.core.alerting.live_rules import rule_of
from modelops_pipelines.core.alerting.objectives.slo import SLO
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validate import is_name
from modelops_pipelines.core.errors import BusyError, ModelOpsError
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.operations.alerting.life.policy import alert_records
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock
from modelops_pipelines.operations.alerting.rules.effective_rules import with_these_rules
from modelops_pipelines.operations.endpoints.configurations import Configurations, read_configurations
from modelops_pipelines.operations.endpoints.kept import kept_of
from modelops_pipelines.operations.endpoints.load import ReadFiles
from modelops_pipelines.store.stores import Stores

LOOK_EVERY, GONE_FOR = timedelta(seconds=30), timedelta(minutes=1)
"""A rule is gone when it is missing for so long: a file that is being replaced is missing for a moment."""
WHY, ACTOR = "its rule was removed", "modelops"


@dataclass
class _Looks:
    """What this process saw in a home: when it looked last, and since when the rules of which alerts are missing."""

    last: datetime | None = None
    missing: dict[int, datetime] = field(default_factory=dict)
    files: ReadFiles = field(default_factory=ReadFiles)


_looks: dict[Path, _Looks] = {}
_looking = threading.Lock()


def end_removed(stores: Stores, now: datetime) -> list[AlertChange]:
    """Resolve the alerts of rules that are gone, drop pending ones; return the changes. Looks every LOOK_EVERY only."""
    with _looking:
        looks = _looks.setdefault(stores.settings.home, _Looks())
        if looks.last is not None and abs(now - looks.last) < LOOK_EVERY:
            return []
        looks.last = now
        missing = {alert.id or 0: alert for alert in _without_rule(stores, looks.files)}
        looks.missing = {number: min(looks.missing.get(number, now), now) for number in missing}
        gone = [alert for number, alert in missing.items() if now - looks.missing[number] >= GONE_FOR]
    return [change for alert in gone for change in _end(stores, alert, now)]


def _without_rule(stores: Stores, files: ReadFiles) -> list[Alert]:
    of_rules = [one for one in stores.alerts.unresolved() if one.kind in rule_kinds() or one.kind == SLO]
    judged = [one for one in of_rules if is_name(one.endpoint)]
    if not judged:
        return []
    try:
        found = read_configurations(stores.settings, known_files=files)
    except (ModelOpsError, OSError):
        return []
    names = _names_in_force(stores, found, {one.endpoint for one in judged})
    return [one for one in judged if one.endpoint in names and rule_of(one.rule) not in names[one.endpoint]]


def _names_in_force(stores: Stores, found: Configurations, endpoints: Collection[str]) -> dict[str, set[str]]:
    """Return the names of rules and objectives of each endpoint that is known; those with faults are left out."""
    made = stores.runtime_rules.by_endpoint(sorted(endpoints))
    faulty = {one.endpoint for one in found.faulty}
    specs = {
        spec.name: with_these_rules(spec, made.get(spec.name, ())) for spec in found.specs if spec.name in endpoints
    }
    names = {name: _names_of(spec) for name, spec in specs.items() if name not in faulty}
    if None in faulty:
        return names
    deleted = [one for one in endpoints if one not in found.names and kept_of(stores.settings, one) is None]
    return names | {one: set() for one in deleted}


def _names_of(spec: EndpointSpec) -> set[str]:
    return {*(rule.name for rule in spec.alerts), *(slo.name for slo in spec.slos)}


def _end(stores: Stores, alert: Alert, now: datetime) -> Sequence[AlertChange]:
    try:
        with alerts_lock(stores, alert.endpoint, seconds=0):
            known = [one for one in stores.alerts.unresolved(alert.endpoint) if one.id == alert.id]
            episodes = [_ended(one, now) for one in known]
            records = alert_records(stores, episodes, now)
            written = stores.alerts.write(alert.endpoint, records, [], now) if records else []
    except BusyError:
        return []
    return [AlertChange(after, one.change) for after, one in zip(written, episodes, strict=True)]


def _ended(alert: Alert, now: datetime) -> Episode:
    if alert.status == OPEN:
        return resolve_alert(alert, ACTOR, WHY, now)
    return Episode(alert, is_new=False, change=DROPPED, is_dropped=True)
