"""The facts of an endpoint's health: what the derived tables say, and what the state says now."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.alerting.alerts import ACKNOWLEDGED, OPEN, PENDING, RESOLVED, state_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import (
    CUSTOM_METRICS,
    DATA_QUALITY,
    DRIFT,
    ESTIMATED_QUALITY,
    QUALITY_METRICS,
    SERVICE_METRICS,
    WHOLE,
)
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.alerting.judges.rule_states import newest_verdicts
from modelops_pipelines.operations.alerting.objectives.health_score import describe_health, health_score
from modelops_pipelines.operations.alerting.objectives.slos import describe_slo, slo_states
from modelops_pipelines.operations.lake.queries import Read, newest_reader
from modelops_pipelines.operations.metrics.traffic import Traffic, sum_traffic
from modelops_pipelines.operations.metrics.window_rows import segment_of, with_whole
from modelops_pipelines.operations.reports.health.cards import (
    Card,
    alert_card,
    champion_card,
    health_card,
    label_card,
    traffic_cards,
)
from modelops_pipelines.operations.reports.health.sections import (
    ByWindow,
    Data,
    Drift,
    data_section,
    drift_section,
    quality_charts,
    traffic_by_window,
    traffic_charts,
)
from modelops_pipelines.operations.reports.health.selection import Selection
from modelops_pipelines.operations.reports.time_series import (
    CHUNK_COLUMNS,
    DRIFT_COLUMNS,
    Rows,
    all_windows,
    custom_lines,
)
from modelops_pipelines.store.stores import Stores

RECENT_ALERTS = 20
_STATES = (OPEN, ACKNOWLEDGED, PENDING, RESOLVED)
"""States of alerts, in the order in which they are listed."""


@dataclass(frozen=True)
class Measured:
    """What the derived tables say of a selection: rows, and the charts of them.

    ``quality`` is of all rows of a window, or of the segment value that was chosen; ``segments`` of all segment values.
    """

    total: Traffic
    by_window: ByWindow
    quality: Rows
    segments: Rows
    estimated: Rows
    versions: Sequence[str]
    span: str
    traffic: Sequence[str]
    quality_charts: Sequence[str]
    own: Sequence[str]
    drift: Drift | None
    data: Data | None


def health_facts(stores: Stores, spec: EndpointSpec, selection: Selection) -> dict[str, Any]:
    """Return what the health page shows, by name."""
    measured = measure(stores, spec, selection)
    return {**shown_measures(measured), **current_facts(stores, spec, measured)}


def shown_measures(measured: Measured) -> dict[str, Any]:
    """Return what was measured, as the health page names it."""
    return {
        "span": measured.span,
        "traffic": measured.traffic,
        "quality": measured.quality_charts,
        "own": measured.own,
        "drift": measured.drift,
        "data": measured.data,
    }


def measure(stores: Stores, spec: EndpointSpec, selection: Selection) -> Measured:
    """Read each derived table once, and draw what it says of the selection."""
    with newest_reader(stores, spec) as read:
        served = _of_version(read(SERVICE_METRICS, selection.windows), selection)
        quality = with_whole(_of_version(read(QUALITY_METRICS, selection.windows), selection))
        estimated = _of_version(read(ESTIMATED_QUALITY, selection.windows), selection)
        custom = _of_version(read(CUSTOM_METRICS, selection.windows), selection) if spec.metrics else []
        drift = read(DRIFT, selection.windows, DRIFT_COLUMNS)
        past = _of_version(drift, selection)
        verdicts = _newest_verdicts(spec, read, past, drift)
        chunks = _of_version(read(DATA_QUALITY, selection.windows, CHUNK_COLUMNS), selection)
    by_window = traffic_by_window(spec, served)
    chosen = [row for row in quality if _is_chosen(row, selection.segment)]
    expected = estimated if selection.segment is None else []
    return Measured(
        total=sum_traffic(served),
        by_window=by_window,
        quality=chosen,
        segments=[row for row in quality if row["segment"] != WHOLE],
        estimated=expected,
        versions=sorted({row["model_version"] for rows in (served, quality, past) for row in rows}),
        span=_span(spec, by_window),
        traffic=traffic_charts(spec, by_window),
        quality_charts=quality_charts(spec, chosen, expected),
        own=list(custom_lines(spec, custom).values()) if spec.metrics else [],
        drift=drift_section(stores, spec, verdicts, past),
        data=data_section(spec, chunks),
    )


def current_facts(stores: Stores, spec: EndpointSpec, measured: Measured) -> dict[str, Any]:
    """Return what is so now: alerts, verdicts, objectives, the health score, and the headlines."""
    now = stores.now()
    alerts = sorted(stores.alerts.find(spec.name), key=lambda alert: _STATES.index(alert.state))
    rules = newest_verdicts(stores, spec)
    health = describe_health(health_score(stores, spec, now))
    cards: list[Card] = [
        health_card(health),
        champion_card(stores, spec),
        *traffic_cards(measured.total),
        alert_card(alerts, rules),
        label_card(measured.quality),
    ]
    return {
        "spec": spec,
        "now": now,
        "cards": cards,
        "health": health,
        "slos": [describe_slo(found) for found in slo_states(stores, spec, now)],
        "rules": [{**asdict(verdict), "state": state_of(verdict.passed)} for verdict in rules],
        "alerts": alerts[:RECENT_ALERTS],
        "more_alerts": max(0, len(alerts) - RECENT_ALERTS),
    }


def _of_version(rows: Rows, selection: Selection) -> list[Mapping[str, Any]]:
    return [row for row in rows if selection.version is None or row["model_version"] == selection.version]


def _is_chosen(row: Mapping[str, Any], segment: str | None) -> bool:
    return row["segment"] == WHOLE if segment is None else segment_of(row) == segment


def _newest_verdicts(spec: EndpointSpec, read: Read, past: Rows, drift: Rows) -> list[Mapping[str, Any]]:
    """Return all columns of the verdicts of the newest window in ``past``, which are some of the rows of ``drift``."""
    if not past:
        return []
    window = max(row["window_start"] for row in past)
    versions = {row["model_version"] for row in past if row["window_start"] == window}
    before = max(row["window_start"] for row in drift) - window
    found = read(DRIFT, 1 + before // LENGTH[spec.window])
    return [row for row in found if row["window_start"] == window and row["model_version"] in versions]


def _span(spec: EndpointSpec, by_window: ByWindow) -> str:
    windows = all_windows(spec, by_window)
    return f"{_clock(windows[0])} to {_clock(windows[-1] + LENGTH[spec.window])}, UTC" if windows else "no traffic yet"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
