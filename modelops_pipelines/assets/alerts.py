"""The asset ``modelops/alerts`` of the whole installation: the alerts that are not resolved, and what happened lately.

No run computes it: the sensor ``alerts`` reports it when something has happened to an alert. A run takes seconds of a
processor, and this asset two reads of the state.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from modelops_pipelines.assets.metadata import markdown_table
from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, PENDING
from modelops_pipelines.operations.alerting.views.alerts import find_alerts
from modelops_pipelines.resources.asset_reports import ALERTS
from modelops_pipelines.store.stores import Stores

HISTORY = timedelta(days=7)
_OPEN = ("id", "endpoint", "rule", "state", "severity", "opened_at", "value", "threshold", "count", "message")
_HISTORY = ("at", "endpoint", "rule", "event", "actor", "note")


def alerts_spec() -> dg.AssetSpec:
    """Return the asset; nothing materialises it by a run."""
    return dg.AssetSpec(
        ALERTS,
        description="The alerts that are not resolved, and what happened to alerts in the last week. Reported by the "
        "sensor 'alerts' when something happens; work with them: modelops alert.",
        kinds={"alert"},
    )


def alerts_report(stores: Stores) -> dg.AssetMaterialization:
    """Return what the asset shows now: alerts, how many of each state and severity, and the history."""
    now = stores.now()
    alerts = find_alerts(stores)
    states, severities = (Counter(getattr(one, name) for one in alerts) for name in ("state", "severity"))
    events = stores.alert_events.since(now - HISTORY)[::-1]
    shown: Mapping[str, Any] = {
        **{state: states[state] for state in (OPEN, ACKNOWLEDGED, PENDING)},
        "flapping": sum(alert.flapping for alert in alerts),
        **{f"severity_{name}": number for name, number in sorted(severities.items())},
        "alerts": markdown_table([{name: getattr(alert, name) for name in _OPEN} for alert in alerts]),
        "history": markdown_table([{name: getattr(event, name) for name in _HISTORY} for event in events]),
        "in_the_gateway": dg.MetadataValue.url(f"{stores.settings.links_to_gateway}/alerts"),
    }
    return dg.AssetMaterialization(ALERTS, metadata=shown)
