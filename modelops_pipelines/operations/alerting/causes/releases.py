"""The release just before an alert, with the command that takes it back; and the run that failed."""

import shlex
from collections.abc import Sequence
from datetime import timedelta

from modelops_pipelines.core.alerting.alerts import Alert
from modelops_pipelines.core.alerting.message_content import Cause, describe_time
from modelops_pipelines.core.release.desired_state import WHOLE
from modelops_pipelines.core.release.event_log import (
    DEPLOY,
    PROMOTE,
    ROLLBACK,
    UNDO,
    Event,
    last_release,
)
from modelops_pipelines.operations.alerting.causes.begin import began, first_of, judged_from
from modelops_pipelines.store.stores import Stores

LOOKBACK = timedelta(hours=24)
"""A release is named that happened so long before the trouble, at most."""
PIPELINE = "pipeline"
_CHANGES = (DEPLOY, PROMOTE, ROLLBACK, UNDO)


def release_before(stores: Stores, endpoint: str, alerts: Sequence[Alert]) -> list[Cause]:
    """Return the newest release before these alerts of an endpoint; nothing when none was near."""
    alert = first_of(alerts)
    events = stores.deployments.events(endpoint)
    near = [
        event for event in events if event.action in _CHANGES and began(alert) - LOOKBACK <= event.at <= alert.opened_at
    ]
    if not near:
        return []
    release = near[-1]
    return [Cause(endpoint, "version", _describe(release, alert), _command(release, events, alert))]


def _describe(release: Event, alert: Alert) -> str:
    before = describe_time(alert.opened_at - release.at)
    share = f" with {release.share} % of the traffic" if release.action != ROLLBACK and release.share < WHOLE else ""
    other = release.from_version not in {None, release.to_version}
    instead = f" in place of version {release.from_version}" if other and not share else ""
    why = f": {release.reason}" if release.reason else ""
    if release.action == ROLLBACK and other and judged_from(alert) < release.at:
        left = f"rolled back from version {release.from_version} to version {release.to_version}"
        holds = f"what was judged still holds requests of version {release.from_version}"
        return f"{left} {before} before the alert opened (by {release.actor}){why}; {holds}"
    did = f"{release.action} by {release.actor}"
    return f"version {release.to_version} came{share}{instead} {before} before the alert opened ({did}){why}"


def _command(release: Event, events: Sequence[Event], alert: Alert) -> str:
    """Return the command that takes the release back; empty when another one followed, or there is no way back.

    There is none for a rollback: to undo it brings back the version that somebody, or a guard, took away as bad.
    """
    has_way_back = release.share < WHOLE or release.from_version not in {None, release.to_version}
    if release.action == ROLLBACK or last_release(events) is not release or not has_way_back:
        return ""
    reason = shlex.quote(f"alert {alert.id}: {alert.rule}")
    return f"modelops rollback {shlex.quote(release.endpoint)} --reason {reason}"


def failed_run(opened: Sequence[Alert], endpoint: str) -> list[Cause]:
    """Return the run of the endpoint's pipeline that failed, if its alert is among its open ones."""
    return [Cause(endpoint, PIPELINE, alert.message) for alert in opened if alert.rule == PIPELINE]


def run_of(stores: Stores, alert: Alert) -> str | None:
    """Return the id of the Dagster run that a pipeline's alert tells of; its message has the beginning of it."""
    words = alert.message.split()
    if alert.rule != PIPELINE or len(words) < 2 or words[0] != "run":  # noqa: PLR2004 - "run" and its id
        return None
    return next((one for one in reversed(stores.alerts.sources(alert.endpoint)) if one.startswith(words[1])), None)
