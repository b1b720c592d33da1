"""A project with an ``alerting.yaml``, and what its channels are told of its alerts."""

from datetime import timedelta
from pathlib import Path

from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.alert_verdicts import StoppedClock, verdict

ALERTING = """\
channels:
  team: {webhook: "http://127.0.0.1:9/team"}
  duty: {webhook: "http://127.0.0.1:9/duty"}
  boss: {webhook: "http://127.0.0.1:9/boss"}
routes:
  - {match: {rule: "quiet_*"}, channels: []}
  - {match: {severity: error}, channels: [team, duty], escalate: {after: 15m, to: [boss]}}
  - {channels: [team], escalate: {after: 1h, to: [duty]}}
"""
MINUTE = timedelta(minutes=1)


def alerted_stores(folder: Path, content: str = ALERTING) -> StoppedClock:
    """Return the stores, whose clock stands still, of a project with this ``alerting.yaml``."""
    (folder / "endpoints").mkdir(parents=True, exist_ok=True)
    (folder / "alerting.yaml").write_text(content)
    homes = {"MODELOPS_HOME": str(folder / "home"), "MODELOPS_ENDPOINTS": str(folder / "endpoints")}
    return StoppedClock(load_settings(folder, homes))


def judge(stores: Stores, *passes: bool | None, rule: str = "pipeline", endpoint: str = "cancer") -> list[str]:
    """Apply verdicts of a rule in a row, at once; return what changed."""
    given = [verdict(passed, "now", rule) for passed in passes]
    return [change.change for change in raise_alerts(stores, endpoint, given)]


def told(stores: Stores, alert_id: int = 1) -> list[tuple[str, str, str | None]]:
    """Return the event, the channel and why it is withheld of all notifications of an alert, in order."""
    events = {event.id: event.event for event in stores.alert_events.of(alert_id)}
    return [(events[one.event_id], one.channel, one.withheld) for one in stores.notifications.of(alert_id)]


def history(stores: Stores, alert_id: int = 1) -> list[tuple[str, str | None, str | None]]:
    """Return the event, the actor and the note of all that happened to an alert; not the words of verdicts."""
    found = stores.alert_events.of(alert_id)
    return [(one.event, one.actor, one.note if one.actor else None) for one in found]
