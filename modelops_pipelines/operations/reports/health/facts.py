"""The facts of an endpoint's health: what the derived tables say, and what the state says now."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
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
from modelops_pipelines.operations.metrics.traffic import Traffic, total_traffic
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
    QUALITY,
    ByWindow,
    Data,
    Drift,
    columns_over_time,
    coverage_chart,
    data_section,
    drift_section,
    error_rows,
    quality_charts,
    segment_rows,
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
TABLES_READ = (SERVICE_METRICS, QUALITY_METRICS, ESTIMATED_QUALITY, CUSTOM_METRICS, DRIFT, DATA_QUALITY)
"""The tables that ``measure`` reads; what it draws of drift is also from profiles."""
_STATES = (OPEN, ACKNOWLEDGED, PENDING, RESOLVED)
"""States of alerts, in the order in which they are listed."""


@dataclass(frozen=True)
class Measured:
    """What the derived tables say of a selection: rows, and the charts of them.

    ``quality`` is of all rows of a window, or of the segment value that was chosen; ``segments`` are the newest
    numbers of each segment value.
    ``versions`` and ``segment_values`` can be chosen in these windows, whatever is chosen now.
    """

    total: Traffic
    by_window: ByWindow
    quality: Rows
    segments: Rows
    estimated: Rows
    versions: Sequence[str]
    segment_values: Sequence[tuple[str, str]]
    span: str
    traffic: Sequence[str]
    errors: Rows
    coverage: str
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
        traffic = read(SERVICE_METRICS, selection.windows)
        labelled = with_whole(read(QUALITY_METRICS, selection.windows, _quality_columns(spec)))
        estimated = _of_version(read(ESTIMATED_QUALITY, selection.windows, _estimated_columns(spec)), selection)
        custom = _of_version(read(CUSTOM_METRICS, selection.windows), selection) if spec.metrics else []
        verdicts, past = _drift(spec, read, selection)
        chunks = _of_version(read(DATA_QUALITY, selection.windows, CHUNK_COLUMNS), selection)
    served, quality = _of_version(traffic, selection), _of_version(labelled, selection)
    by_window = traffic_by_window(spec, served)
    total = total_traffic(by_window.values())
    chosen = [row for row in quality if _is_chosen(row, selection.segment)]
    expected = estimated if selection.segment is None else []
    return Measured(
        total=total,
        by_window=by_window,
        quality=chosen,
        segments=segment_rows(spec, [row for row in quality if row["segment"] != WHOLE]),
        estimated=expected,
        versions=sorted({row["model_version"] for rows in (traffic, labelled) for row in rows}),
        segment_values=sorted({_value(row) for row in labelled if row["segment"] != WHOLE}),
        span=_span(spec, by_window),
        traffic=traffic_charts(spec, by_window),
        errors=error_rows(total),
        coverage=coverage_chart(spec, chosen) if chosen else "",
        quality_charts=quality_charts(spec, chosen, expected),
        own=list(custom_lines(spec, custom).values()) if spec.metrics else [],
        drift=drift_section(stores, spec, verdicts, past),
        data=data_section(spec, chunks),
    )


def current_facts(
    stores: Stores, spec: EndpointSpec, measured: Measured, health: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what is so now: alerts, verdicts, objectives, the health score, and the headlines.

    ``health`` is what ``describe_health`` has just said, where that is known.
    """
    now = stores.now()
    alerts = sorted(stores.alerts.find(spec.name), key=lambda alert: _STATES.index(alert.state))
    rules = newest_verdicts(stores, spec)
    health = health or describe_health(health_score(stores, spec, now))
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


def _quality_columns(spec: EndpointSpec) -> list[str]:
    keys = ("window_start", "model_version", "segment", "segment_value", "predictions", "labelled", "reason")
    return [*keys, *QUALITY[spec.task]]


def _estimated_columns(spec: EndpointSpec) -> list[str]:
    known = [name for name in QUALITY[spec.task] if name in ESTIMATED_QUALITY.names]
    return ["window_start", "model_version", "predictions", *known]


def _value(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["segment"], row["segment_value"]


def _drift(spec: EndpointSpec, read: Read, selection: Selection) -> tuple[Rows, Rows]:
    """Return the newest verdicts, and what is drawn over time of the columns that drifted most."""
    of_version = {} if selection.version is None else {"model_version": [selection.version]}
    verdicts = read(DRIFT, _windows_back(spec, read, selection), only=of_version)
    if not verdicts:
        return [], []
    newest = max(row["window_start"] for row in verdicts)
    latest = [row for row in verdicts if row["window_start"] == newest]
    drawn = columns_over_time(latest)
    return latest, read(DRIFT, selection.windows, DRIFT_COLUMNS, {**of_version, "column": drawn})


def _windows_back(spec: EndpointSpec, read: Read, selection: Selection) -> int:
    """Return how many windows hold the newest one with verdicts on the version that is chosen: 1 for the last one."""
    if selection.version is None:
        return 1
    start = ("window_start",)
    mine = read(DRIFT, selection.windows, start, {"model_version": [selection.version]})
    if not mine:
        return 1
    last, newest = (max(row["window_start"] for row in rows) for rows in (read(DRIFT, 1, start), mine))
    before: timedelta = last - newest
    return 1 + before // LENGTH[spec.window]


def _span(spec: EndpointSpec, by_window: ByWindow) -> str:
    windows = all_windows(spec, by_window)
    return f"{_clock(windows[0])} to {_clock(windows[-1] + LENGTH[spec.window])}, UTC" if windows else "no traffic yet"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
