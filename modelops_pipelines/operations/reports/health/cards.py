"""The headline numbers of an endpoint's health."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, PENDING, RESOLVED, Alert, Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import CHALLENGER
from modelops_pipelines.operations.metrics.traffic import Traffic
from modelops_pipelines.operations.reports.overview import HEALTHY, SICK
from modelops_pipelines.operations.reports.svg import Form, figure
from modelops_pipelines.operations.reports.time_series import Rows
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Card:
    """One headline number; ``tone`` is good, bad or empty."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


def health_card(health: Mapping[str, Any]) -> Card:
    """Return the card of the health score, from ``describe_health``."""
    score = health["score"]
    tone = "" if score is None else "good" if score >= HEALTHY else "bad" if score < SICK else ""
    return Card("health", "none" if score is None else f"{score:.0f} of 100", health["reason"], tone)


def champion_card(stores: Stores, spec: EndpointSpec) -> Card:
    """Return the card of what serves."""
    if spec.is_elsewhere:
        versions = stores.deployments.versions(spec.model_name)
        return Card("served", "elsewhere", f"{len(versions)} version(s) in the log")
    desired = stores.deployments.desired(spec.name)
    trials = [f"version {one.version} on trial, {one.share} %" for one in desired.variants if one.role == CHALLENGER]
    return Card("champion", f"version {desired.champion}" if desired.champion else "none", ", ".join(trials))


def traffic_cards(total: Traffic) -> list[Card]:
    """Return the cards of requests, success rate and latency."""
    p50, p95, p99 = (format_value(total.percentile(share), "ms") for share in (0.5, 0.95, 0.99))
    return [
        Card("requests", f"{total.requests:,}", f"{total.predictions:,} rows answered"),
        Card("success rate", format_value(total.availability, "share"), f"{total.server_errors:,} server errors (5xx)"),
        Card("latency, p95", p95, f"p50 {p50}, p99 {p99}"),
    ]


def alert_card(alerts: Sequence[Alert], rules: Sequence[Verdict]) -> Card:
    """Return the card of open alerts; it is good only when every rule was judged, because only then none is missing."""
    counts = Counter(alert.state for alert in alerts)
    unjudged = sum(verdict.passed is None for verdict in rules)
    open_alerts = counts[OPEN] + counts[ACKNOWLEDGED]
    flapping = sum(alert.flapping for alert in alerts)
    notes = [f"{counts[state]} {state}" for state in (ACKNOWLEDGED, PENDING) if counts[state]]
    notes += [f"{flapping} flapping"] if flapping else []
    notes += [f"{counts[RESOLVED]} resolved"]
    notes += [f"{unjudged} of {len(rules)} rules not judged"] if unjudged else []
    tone = "bad" if open_alerts else "" if unjudged else "good"
    return Card("open alerts", str(open_alerts), ", ".join(notes), tone)


def label_card(quality: Rows) -> Card:
    """Return the card of the share of predictions that have a label."""
    labelled, predictions = (sum(row[name] for row in quality) for name in ("labelled", "predictions"))
    coverage = labelled / predictions if predictions else None
    return Card("label coverage", format_value(coverage, "share"), f"{labelled:,} of {predictions:,} rows")


def format_value(value: float | None, form: Form = "number") -> str:
    """Return a number for people, "none" where there is none."""
    return "none" if value is None else figure(value, form)
