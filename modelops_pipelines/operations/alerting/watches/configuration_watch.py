"""The alert on an endpoint whose newest configuration is not in force: its file has a fault, or no worker can load it.

Each gateway worker watches, and so does Dagster's alert sensor: one of them is enough.
"""

from collections.abc import Mapping
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Verdict
from modelops_pipelines.core.endpoints.validate import is_name
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock, apply_verdicts
from modelops_pipelines.store.stores import Stores

CONFIGURATION = "configuration"
_WATCH = Apart("The watch of the configuration")


def watch_configurations(stores: Stores, problems: Mapping[str, str], now: datetime) -> list[AlertChange]:
    """Open or resolve each endpoint's alert on its configuration; return what changed. Call it every few seconds.

    A file that belongs to no endpoint opens none. While nothing changes, a call costs one read of the state.
    """
    opened = {alert.endpoint: alert for alert in stores.alerts.find(None, OPEN) if alert.kind == CONFIGURATION}
    changes: list[AlertChange] = []
    for endpoint in sorted(filter(is_name, {*problems, *opened})):
        if _is_known(opened.get(endpoint), problems.get(endpoint)):
            continue
        with _WATCH.alone(endpoint), alerts_lock(stores, endpoint, seconds=0):
            changes += apply_verdicts(stores, endpoint, [_verdict(problems.get(endpoint), now)], now)
    return changes


def _is_known(alert: Alert | None, problem: str | None) -> bool:
    return alert is not None and problem is not None and alert.message == _message(problem)


def _verdict(problem: str | None, now: datetime) -> Verdict:
    message = "the configuration in the endpoint's YAML is in force" if problem is None else _message(problem)
    return Verdict(CONFIGURATION, CONFIGURATION, "error", problem is None, None, None, 1, text(now), message)


def _message(problem: str) -> str:
    return problem[:2000]
