"""How many alerts each endpoint has, by state: for lists of endpoints."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, PENDING
from modelops_pipelines.store.stores import Stores

FLAPPING = "flapping"
_SHOWN = (OPEN, ACKNOWLEDGED, PENDING, FLAPPING)


def alert_counts(stores: Stores) -> dict[str, dict[str, int]]:
    """Return the number of alerts that are not resolved by endpoint and state, and of those that flap."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for alert in stores.alerts.unresolved():
        found[alert.endpoint].update([alert.state, *([FLAPPING] if alert.flapping else [])])
    return {endpoint: {state: counts[state] for state in _SHOWN} for endpoint, counts in found.items()}


def counts_in_words(counts: Mapping[str, int]) -> str | None:
    """Return the counts as ``1 open, 2 acknowledged``; None without any."""
    return ", ".join(f"{counts[state]} {state}" for state in _SHOWN if counts.get(state)) or None
