"""The pages that a message links to: of the alerts and reports by the gateway, and of runs by Dagster."""

from collections.abc import Iterator, Sequence

from modelops_pipelines.core.access.hosts import read_authority
from modelops_pipelines.core.alerting.alerts import Alert, AlertEvent
from modelops_pipelines.core.alerting.message_content import Link
from modelops_pipelines.core.endpoints.validate import is_name
from modelops_pipelines.operations.alerting.causes.in_time import or_nothing
from modelops_pipelines.operations.alerting.causes.releases import run_of
from modelops_pipelines.store.stores import Stores

_HEALTH_PAGE = "health.html"
_ALERT_PAGE = "/ui/alerts"
_MOST_ALERTS = 3
"""Alerts of one endpoint whose pages a message links to: the page of each leads to the others."""


def links_of(stores: Stores, endpoint: str, told: Sequence[tuple[Alert, AlertEvent]]) -> list[Link]:
    """Return the pages that exist about an endpoint and its alerts in a message, the alerts' own first."""
    mine = [alert for alert, _ in told if alert.endpoint == endpoint]
    own = list(_alerts(stores, mine))
    if not is_name(endpoint):
        return own
    return own + or_nothing(lambda: [*_reports(stores, endpoint, mine), *_runs(stores, mine)])


def _alerts(stores: Stores, alerts: Sequence[Alert]) -> Iterator[Link]:
    """Yield the alerts' pages, where people reach them: by the public address, or all on this machine."""
    settings = stores.settings
    listens = read_authority(settings.host)
    if settings.public_url is None and not (listens is not None and listens.is_loopback):
        return
    known = {alert.id: alert for alert in alerts if alert.id}
    for number, alert in list(known.items())[:_MOST_ALERTS]:
        yield Link(f"Alert {number}: {alert.rule}", f"{settings.links_to_gateway}{_ALERT_PAGE}/{number}")


def _reports(stores: Stores, endpoint: str, alerts: Sequence[Alert]) -> Iterator[Link]:
    folder = stores.settings.reports / endpoint
    base = f"{stores.settings.links_to_gateway}/endpoints/{endpoint}"
    if (folder / _HEALTH_PAGE).is_file():
        yield Link(f"Health of {endpoint}", f"{base}/reports/{_HEALTH_PAGE}")
    reports = sorted(path.name for path in folder.glob("drift-*.html"))
    if reports and any(alert.kind in {"drift", "data_quality", "estimated_quality", "quality"} for alert in alerts):
        yield Link(f"Drift report of {endpoint}", f"{base}/reports/{reports[-1]}")


def _runs(stores: Stores, alerts: Sequence[Alert]) -> Iterator[Link]:
    runs = {run_of(stores, alert) for alert in alerts} - {None}
    for run in sorted(str(one) for one in runs):
        yield Link(f"Run {run[:8]} in Dagster", f"{stores.settings.links_to_dagster}/runs/{run}")
