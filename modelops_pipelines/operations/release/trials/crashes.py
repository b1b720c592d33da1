"""Contains a version that crashes or hangs: rolls back, or stops the endpoint, and raises an alert.

Any process may call it; the gateway's workers do twice a second while there are recent crashes.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from modelops_pipelines.core.alerting.alerts import Verdict as AlertVerdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import AcknowledgementError, ConflictError
from modelops_pipelines.core.release.crash_guard import CRASHES, ESTABLISHED_WITHIN, judge_crashes
from modelops_pipelines.core.release.desired_state import ACTIVE, WHOLE, DesiredState, rollback_target
from modelops_pipelines.core.release.event_log import DEPLOY, PROMOTE, START, Event, champion_periods, champions
from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.core.release.sequential_tests import FAIL
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.release.commands import roll_back, stop
from modelops_pipelines.operations.release.trials.withdraw import record_verdict, withdraw_version
from modelops_pipelines.store.state.release.crashes import RecordedCrash
from modelops_pipelines.store.stores import Stores

ALERT = "crashes"
ACTOR, STOP = "watchdog", "stop"


@dataclass(frozen=True)
class _Standing:
    """How a version stands: since when it is live, what to return to, and how strictly it is judged."""

    version: str
    since: datetime
    previous: str | None
    on_trial: bool


def contain_crashes(stores: Stores, spec: EndpointSpec) -> Change | None:
    """Judge the versions that the endpoint serves by their crashes; return the change that was made, if any.

    A version that fails is withdrawn; a champion that has no version before it is stopped. Crashes raise the alert
    ``crashes``, which is resolved after 10 minutes without one. Nothing but the alert where ``guard.automatic`` is off.
    """
    state, now = stores.deployments.desired(spec.name), stores.now()
    events = stores.deployments.events(spec.name)
    recorded = stores.crashes.all(spec.name)
    if recorded:
        _tell(stores, spec, recorded, events)
    if state.status != ACTIVE or not spec.guard.automatic:
        return None
    archived = stores.deployments.archived(spec.model_name)
    for standing in _standings(spec, state, events, archived, now):
        crashes = [one.crash for one in recorded if one.version == standing.version and one.crash.at > standing.since]
        is_last = standing.previous is None
        verdict = judge_crashes(crashes, now, on_trial=standing.on_trial, is_last=is_last)
        change = _withdraw(stores, spec, state, standing, verdict) if verdict.verdict == FAIL else None
        if change is not None:
            _tell(stores, spec, recorded, stores.deployments.events(spec.name))
            return change
    return None


def version_before(stores: Stores, spec: EndpointSpec, version: str) -> str | None:
    """Return the version with which a version's crash is compared: the champion, or the champion before."""
    state = stores.deployments.desired(spec.name)
    if version == state.challenger:
        return state.champion
    line = champions(stores.deployments.events(spec.name))
    return _previous(state, line, stores.deployments.archived(spec.model_name)) if version == state.champion else None


def _standings(
    spec: EndpointSpec, state: DesiredState, events: Sequence[Event], archived: Collection[str], now: datetime
) -> list[_Standing]:
    """Return the challenger's standing, then the champion's.

    What crashed before a person started the endpoint again does not count: it would be stopped at once.
    """
    found = []
    started = max((event.at for event in events if event.action == START), default=datetime.min.replace(tzinfo=UTC))
    if state.challenger is not None and state.champion is not None:
        since = _trial_began(events, state.challenger) or now
        found.append(_Standing(state.challenger, max(since, started), state.champion, on_trial=True))
    periods = champion_periods(events)
    if state.champion is not None and periods:
        since = periods[-1].since
        watched = now - since < spec.guard.watch
        previous = _previous(state, champions(events), archived)
        found.append(_Standing(state.champion, max(since, started), previous, watched))
    return found


def _previous(state: DesiredState, line: Sequence[str], archived: Collection[str]) -> str | None:
    """Return the champion before the present one, None where there is none."""
    alone = DesiredState(state.endpoint, state.generation, tuple(v for v in state.variants if v.role == "champion"))
    try:
        return rollback_target(alone, line, None, archived)
    except ConflictError:
        return None


def _trial_began(events: Sequence[Event], challenger: str) -> datetime | None:
    began: datetime | None = None
    for event in events:
        if event.action in (DEPLOY, PROMOTE) and event.share < WHOLE:
            began = (began or event.at) if event.to_version == challenger else None
        elif event.action in (DEPLOY, PROMOTE) or event.evidence.get("withdrawn") is not None:
            began = None
    return began


def _withdraw(
    stores: Stores, spec: EndpointSpec, state: DesiredState, standing: _Standing, verdict: Verdict
) -> Change | None:
    """Withdraw the version; None when nothing was changed. A worker that cannot follow yet keeps trying."""
    try:
        if standing.previous is None:
            change = stop(stores, spec, actor=ACTOR, reason=verdict.reason)
        elif standing.version == state.champion and state.challenger is not None:
            change = roll_back(stores, spec, actor=ACTOR, reason=verdict.reason, to=standing.previous)
        else:
            return withdraw_version(stores, spec, state, standing.version, verdict, actor=ACTOR)
    except AcknowledgementError:
        return None
    if change.changed:
        record_verdict(stores, spec, state, standing.version, verdict)
    return change if change.changed else None


def resolve_crashes(stores: Stores, spec: EndpointSpec) -> None:
    """Resolve the alert ``crashes`` after ESTABLISHED_WITHIN without a crash."""
    opened = stores.alerts.find_open(spec.name, ALERT)
    if opened is None or stores.now() - opened.last_seen_at < ESTABLISHED_WITHIN:
        return
    message = f"No version of {spec.name!r} crashed for {ESTABLISHED_WITHIN.total_seconds() / 60:.0f} min"
    for _ in range(2):
        passed = AlertVerdict(ALERT, ALERT, "error", True, 0.0, float(CRASHES), 0, text(stores.now()), message)
        raise_alerts(stores, spec.name, [passed])


def _tell(stores: Stores, spec: EndpointSpec, recorded: Sequence[RecordedCrash], events: Sequence[Event]) -> None:
    """Raise the alert for the newest crash, once for each crash and for each change because of it."""
    newest = recorded[-1]
    since = newest.crash.at - ESTABLISHED_WITHIN
    mine = [one.crash for one in recorded if one.version == newest.version and one.crash.at > since]
    then = _outcome(newest.version, [event for event in events if event.at > since])
    source = f"crash {newest.id}{then}"
    if source in stores.alerts.sources(spec.name):
        return
    causes = ", ".join(f"{cause} {count}" for cause, count in Counter(one.cause for one in mine).most_common(5))
    message = f"Version {newest.version} of {spec.name!r} crashed or hung {len(mine)} time(s) within 10 min ({causes})"
    verdict = AlertVerdict(
        ALERT, ALERT, "error", False, float(len(mine)), float(CRASHES), len(mine), text(newest.crash.at), message + then
    )
    raise_alerts(stores, spec.name, [verdict], source=source)


def _outcome(version: str, events: Sequence[Event]) -> str:
    """Return what was done because of the version's crashes, in words; empty when nothing was."""
    done = [event for event in events if event.actor == ACTOR and event.evidence.get("withdrawn", version) == version]
    if not done:
        return ""
    last = done[-1]
    return (
        "; the endpoint was stopped" if last.action == STOP else f"; the endpoint returned to version {last.to_version}"
    )
