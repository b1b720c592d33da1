"""The only place where a verdict becomes an alert: it is stored, and opens, counts on or resolves the rule's alert."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import PENDING, Alert, Traits, Verdict, is_worse
from modelops_pipelines.core.alerting.configuration import AlertingConfiguration
from modelops_pipelines.core.alerting.episodes import Episode, Episodes, worth_writing
from modelops_pipelines.core.alerting.life import FLAPPING_WITHIN, REOPEN_WITHIN
from modelops_pipelines.core.alerting.live_rules import rule_of
from modelops_pipelines.core.errors import BusyError
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.operations.alerting.life.policy import alert_records, traits_in_force
from modelops_pipelines.store.filesystem.files import LOCK_SECONDS, exclusive
from modelops_pipelines.store.state.capture.touched_windows import Touched
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class AlertChange:
    """What verdicts did to an alert: opened, reopened, worsened, counted, passed or resolved; pending or dropped."""

    alert: Alert
    change: str


def raise_alerts(
    stores: Stores,
    endpoint: str,
    verdicts: Sequence[Verdict],
    *,
    source: str | None = None,
    judged: tuple[str, Touched] | None = None,
    traits: Mapping[str, Traits] | None = None,
    configuration: AlertingConfiguration | None = None,
) -> list[AlertChange]:
    """Store the verdicts and apply them to the endpoint's alerts in one transaction; return the changes.

    The same ``source`` (a run) again changes nothing, so that a sensor that dies half-way may safely repeat its tick.
    With ``judged``, the marks of the windows that were judged are cleared in the same transaction. ``traits`` is what
    the rules say of their alerts, by rule; of others the rules in force are read where an alert may open. Who is told
    is written in the same transaction too, by the project's ``alerting.yaml`` unless a ``configuration`` is given.
    """
    with alerts_lock(stores, endpoint):
        if source is not None and source in stores.alerts.sources(endpoint):
            return []
        now = stores.now()
        return apply_verdicts(
            stores,
            endpoint,
            verdicts,
            now,
            source=source,
            judged=judged,
            traits=traits,
            configuration=configuration,
        )


def alerts_lock(stores: Stores, endpoint: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
    """Return the lock under which an endpoint's alerts change; raises BusyError where it is held for longer."""
    lock = stores.settings.home / "locks" / f"{endpoint}.alerts.lock"
    return exclusive(lock, f"the alerts of {endpoint}", seconds=seconds)


def apply_verdicts(
    stores: Stores,
    endpoint: str,
    verdicts: Sequence[Verdict],
    now: datetime,
    *,
    source: str | None = None,
    judged: tuple[str, Touched] | None = None,
    traits: Mapping[str, Traits] | None = None,
    configuration: AlertingConfiguration | None = None,
) -> list[AlertChange]:
    """Do the same as ``raise_alerts``, for a caller that already holds the lock."""
    episodes = _episodes(stores, endpoint, verdicts, now, traits)
    changed = {one.alert.rule for one in episodes}
    kept = [one for one in verdicts if one.window and (one.kind in rule_kinds() or one.rule in changed)]
    records = alert_records(stores, episodes, now, configuration)
    written = stores.alerts.write(endpoint, records, kept, now, source=source, judged=judged)
    return [AlertChange(alert, one.change) for alert, one in zip(written, episodes, strict=True)]


def apply_if_free(
    stores: Stores,
    endpoint: str,
    verdicts: Sequence[Verdict],
    now: datetime,
    *,
    traits: Mapping[str, Traits] | None = None,
) -> list[AlertChange]:
    """Do the same as ``raise_alerts`` and wait for nobody: nothing while another process changes the alerts.

    For who looks every few seconds: the next look tries again.
    """
    if not verdicts:
        return []
    try:
        with alerts_lock(stores, endpoint, seconds=0):
            return apply_verdicts(stores, endpoint, verdicts, now, traits=traits)
    except BusyError:
        return []


def _episodes(
    stores: Stores, endpoint: str, verdicts: Sequence[Verdict], now: datetime, traits: Mapping[str, Traits] | None
) -> list[Episode]:
    unresolved = {alert.rule: alert for alert in stores.alerts.unresolved(endpoint)}
    failing = {one.rule for one in verdicts if one.passed is False}
    closed = {rule for rule in failing if rule not in unresolved or unresolved[rule].status == PENDING}
    if any(one.rule in closed and one.kind in rule_kinds() for one in verdicts):
        gone = _removed(stores, endpoint, {rule_of(rule) for rule in closed})
        verdicts = [one for one in verdicts if rule_of(one.rule) not in gone or one.kind not in rule_kinds()]
        closed -= {rule for rule in closed if rule_of(rule) in gone}
    known = traits or {}
    opening = closed | (failing & {one.rule for one in verdicts if one.passed}) | _worse(unresolved, verdicts)
    if any(one.rule in opening and rule_of(one.rule) not in known and one.kind in rule_kinds() for one in verdicts):
        known = {**traits_in_force(stores, endpoint), **known}
    since = min([now, *(unresolved[rule].opened_at for rule in closed & set(unresolved))]) - REOPEN_WITHIN
    resolved = stores.alerts.resolved_since(endpoint, closed, since) if closed else []
    episodes = Episodes(
        endpoint,
        now,
        unresolved,
        {alert.rule: alert for alert in resolved},
        known,
        lambda alert_id: stores.alert_events.openings([alert_id], now - FLAPPING_WITHIN).get(alert_id, 0),
    )
    episodes.apply(verdicts)
    return worth_writing(episodes.changed)


def _removed(stores: Stores, endpoint: str, rules: Collection[str]) -> Collection[str]:
    """Return the rules that were removed at run time since they were read, and that the endpoint does not have."""
    removed = stores.runtime_rules.removed(endpoint) & set(rules)
    return removed - traits_in_force(stores, endpoint).keys() if removed else set()


def _worse(unresolved: Mapping[str, Alert], verdicts: Sequence[Verdict]) -> set[str]:
    """Return the rules whose alerts may become worse."""
    mildest = {one.rule: one.severity for one in unresolved.values()}
    found = set()
    for one in verdicts:
        if one.passed is False and is_worse(one.severity, mildest.setdefault(one.rule, one.severity)):
            found.add(one.rule)
        elif one.passed is False and is_worse(mildest[one.rule], one.severity):
            mildest[one.rule] = one.severity
    return found
