"""An endpoint's health as one HTML page: a self-contained file that loads nothing, and can be sent by mail.

It is built from the derived tables alone; the log is not read. All text on it is untrusted, and is escaped.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from modelops_pipelines.core.alerting.alerts import (
    ACKNOWLEDGED,
    OPEN,
    PENDING,
    RESOLVED,
    Alert,
    Verdict,
    state_of,
)
from modelops_pipelines.core.drift.ranking import by_drift
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import CHALLENGER
from modelops_pipelines.core.tables.lake import (
    CUSTOM_METRICS,
    DATA_QUALITY,
    DRIFT,
    ESTIMATED_QUALITY,
    QUALITY_METRICS,
    SERVICE_METRICS,
    WHOLE,
)
from modelops_pipelines.core.windows import LENGTH, window_of
from modelops_pipelines.operations.alerting.judges.rule_states import newest_verdicts
from modelops_pipelines.operations.alerting.judges.thresholds import rows_of_busiest_version
from modelops_pipelines.operations.alerting.objectives.health_score import describe_health, health_score
from modelops_pipelines.operations.alerting.objectives.slos import describe_slo, slo_states
from modelops_pipelines.operations.lake.queries import newest_reader
from modelops_pipelines.operations.metrics.traffic import Traffic, sum_traffic
from modelops_pipelines.operations.reports.asset_charts import distributions
from modelops_pipelines.operations.reports.charts import Points, over_time
from modelops_pipelines.operations.reports.svg import Form, figure
from modelops_pipelines.operations.reports.time_series import (
    CHUNK_COLUMNS,
    DRIFT_COLUMNS,
    Rows,
    all_windows,
    busiest,
    custom_lines,
    data_lines,
    drift_line,
    line,
)
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.stores import Stores

SHOWN = {"hour": 7 * 24, "day": 60}
"""Windows that the page covers."""
CHARTS = 12
LINES = 6
"""Columns that are drawn over time."""
HEALTHY, SICK = 80, 50
"""Health scores from which, and below which, the page says good and bad."""
RECENT_ALERTS = 20
RECENT_CHUNKS = 10
_STATES = (OPEN, ACKNOWLEDGED, PENDING, RESOLVED)
"""States of alerts, in the order in which they are listed."""
QUALITY = {
    "binary_classification": ("auc", "f1", "precision", "recall", "brier_skill", "log_loss", "calibration_error"),
    "multiclass": ("accuracy", "f1", "confidence"),
    "regression": ("mae", "rmse", "bias", "r2"),
}
"""The metrics that are drawn. Accuracy alone misleads where classes are unequal in size."""


@dataclass(frozen=True)
class Card:
    """One headline number; ``tone`` is good, bad or empty."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Drift:
    """The newest window's verdicts, most drifted first, with charts of the first columns: now, and over time."""

    window: datetime
    version: str
    rows: Rows
    charts: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True)
class Data:
    """How the newest requests compare with the days before, and the newest chunks that failed.

    ``judged`` and ``unjudged`` count chunks: of those that were not judged nothing is known.
    """

    charts: Sequence[str]
    failed: Rows
    more: int
    judged: int
    unjudged: int


def write_health_page(stores: Stores, spec: EndpointSpec, windows: int | None = None) -> Path:
    """Write the page of the endpoint's last windows (by default SHOWN); return its file, ``health.html``.

    A section without data yet says so; nothing is raised for it.
    """
    path = stores.settings.reports / spec.name / "health.html"
    page = _render(_facts(stores, spec, windows or SHOWN[spec.window]))
    write_atomically(path, page.encode("utf-8", "replace"))
    return path


def has_requests(stores: Stores, spec: EndpointSpec) -> bool:
    """Whether any window of the endpoint has been measured: without one the page's charts are empty."""
    with newest_reader(stores, spec) as read:
        return bool(read(SERVICE_METRICS, 1))


def _facts(stores: Stores, spec: EndpointSpec, windows: int) -> dict[str, Any]:
    with newest_reader(stores, spec) as read:
        served = read(SERVICE_METRICS, windows)
        quality = [row for row in read(QUALITY_METRICS, windows) if row["segment"] in {WHOLE, None}]
        estimated = read(ESTIMATED_QUALITY, windows)
        own = list(custom_lines(spec, read(CUSTOM_METRICS, windows)).values()) if spec.metrics else []
        verdicts, past = read(DRIFT, 1), read(DRIFT, windows, DRIFT_COLUMNS)
        chunks = read(DATA_QUALITY, windows, CHUNK_COLUMNS)
    alerts = sorted(stores.alerts.find(spec.name), key=lambda alert: _STATES.index(alert.state))
    rules = newest_verdicts(stores, spec)
    health = describe_health(health_score(stores, spec, stores.now()))
    return {
        "spec": spec,
        "now": stores.now(),
        "cards": [
            _health_card(health),
            _champion_card(stores, spec),
            *_traffic_cards(sum_traffic(served)),
            _alert_card(alerts, rules),
            _label_card(quality),
        ],
        "health": health,
        "slos": [describe_slo(found) for found in slo_states(stores, spec, stores.now())],
        "span": _span(spec, served),
        "traffic": _traffic_charts(spec, served),
        "quality": _quality_charts(spec, quality, estimated),
        "own": own,
        "drift": _drift(stores, spec, verdicts, past),
        "data": _data(spec, chunks),
        "rules": [{**asdict(verdict), "state": state_of(verdict.passed)} for verdict in rules],
        "alerts": alerts[:RECENT_ALERTS],
        "more_alerts": max(0, len(alerts) - RECENT_ALERTS),
    }


def _health_card(health: Mapping[str, Any]) -> Card:
    score = health["score"]
    tone = "" if score is None else "good" if score >= HEALTHY else "bad" if score < SICK else ""
    return Card("health", "none" if score is None else f"{score:.0f} of 100", health["reason"], tone)


def _champion_card(stores: Stores, spec: EndpointSpec) -> Card:
    if spec.is_elsewhere:
        versions = stores.deployments.versions(spec.model_name)
        return Card("served", "elsewhere", f"{len(versions)} version(s) in the log")
    desired = stores.deployments.desired(spec.name)
    trials = [f"version {one.version} on trial, {one.share} %" for one in desired.variants if one.role == CHALLENGER]
    return Card("champion", f"version {desired.champion}" if desired.champion else "none", ", ".join(trials))


def _traffic_cards(total: Traffic) -> list[Card]:
    p50, p95, p99 = (_format_value(total.percentile(share), "ms") for share in (0.5, 0.95, 0.99))
    return [
        Card("requests", f"{total.requests:,}", f"{total.predictions:,} rows answered"),
        Card(
            "success rate", _format_value(total.availability, "share"), f"{total.server_errors:,} server errors (5xx)"
        ),
        Card("latency, p95", p95, f"p50 {p50}, p99 {p99}"),
    ]


def _alert_card(alerts: Sequence[Alert], rules: Sequence[Verdict]) -> Card:
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


def _label_card(quality: Rows) -> Card:
    labelled, predictions = (sum(row[name] for row in quality) for name in ("labelled", "predictions"))
    coverage = labelled / predictions if predictions else None
    return Card("label coverage", _format_value(coverage, "share"), f"{labelled:,} of {predictions:,} rows")


def _traffic_charts(spec: EndpointSpec, served: Rows) -> list[str]:
    by_window = {window: sum_traffic(rows) for window, rows in _by_window(spec, served).items()}
    windows = all_windows(spec, by_window)

    def points(value: Callable[[Traffic], float | None]) -> Points:
        return [(at, value(by_window[at]) if at in by_window else None) for at in windows]

    errors, requests = points(lambda one: one.error_rate), points(lambda one: one.requests)
    p50, p95, p99 = (points(lambda one, q=q: one.percentile(q)) for q in (0.5, 0.95, 0.99))  # type: ignore[misc]
    slow = spec.thresholds("latency_p95_ms")
    return [
        over_time(requests, None, f"Requests per {spec.window}", name="requests"),
        over_time(errors, None, "Error rate (5xx)", spec.thresholds("error_rate"), name="error rate", form="share"),
        over_time(p95, None, "Latency", slow, name="p95", also={"p50": p50, "p99": p99}, form="ms"),
    ]


def _quality_charts(spec: EndpointSpec, quality: Rows, estimated: Rows) -> list[str]:
    """Draw each metric that has a value, with its estimate."""
    measured, expected = busiest(quality), busiest(estimated)
    windows = all_windows(spec, [*measured, *expected])
    charts = []
    for name in QUALITY[spec.task]:
        actual, estimate = (line(rows, name, windows) for rows in (measured, expected))
        known = any(value is not None for _, value in estimate)
        if known or any(value is not None for _, value in actual):
            also = {"estimated before labels": estimate} if known else None
            limits = spec.thresholds("quality", name)
            charts.append(over_time(actual, None, name.replace("_", " "), limits, name="from labels", also=also))
    return charts


def _drift(stores: Stores, spec: EndpointSpec, rows: Rows, past: Rows) -> Drift | None:
    if not rows:
        return None
    ordered = by_drift(rows_of_busiest_version(list(map(dict, rows))))
    window, version = ordered[0]["window_start"], ordered[0]["model_version"]
    drawn = distributions(stores, spec, version, window, [row["column"] for row in ordered], most=CHARTS)
    measured = [row["column"] for row in ordered if row["value"] is not None][:LINES]
    mine: dict[str, list[Mapping[str, Any]]] = {name: [] for name in measured}
    for row in past:
        if row["model_version"] == version and row["column"] in mine:
            mine[row["column"]].append(row)
    lines = [drift_line(spec, of_column) for of_column in mine.values()]
    return Drift(window, version, ordered, list(drawn.values()), lines)


def _data(spec: EndpointSpec, chunks: Rows) -> Data | None:
    failed = sorted((row for row in chunks if row["passed"] is False), key=lambda row: row["first_event"], reverse=True)
    shown, more = failed[:RECENT_CHUNKS], max(0, len(failed) - RECENT_CHUNKS)
    judged = sum(row["passed"] is not None for row in chunks)
    drawn = list(data_lines(spec, chunks).values())
    return Data(drawn, shown, more, judged, len(chunks) - judged) if chunks else None


def _by_window(spec: EndpointSpec, rows: Rows) -> dict[datetime, list[Mapping[str, Any]]]:
    """Return hourly rows by the endpoint's window that each belongs to."""
    found: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(window_of(row["window_start"], spec.window), []).append(row)
    return found


def _span(spec: EndpointSpec, served: Rows) -> str:
    windows = all_windows(spec, _by_window(spec, served))
    return f"{_clock(windows[0])} to {_clock(windows[-1] + LENGTH[spec.window])}, UTC" if windows else "no traffic yet"


def _format_value(value: float | None, form: Form = "number") -> str:
    return "none" if value is None else figure(value, form)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _render(facts: Mapping[str, Any]) -> str:
    """Fill in the template. The page's security policy allows its own style, by hash, and nothing else."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("modelops_pipelines.operations.reports").joinpath("templates")
    style = folder.joinpath("health.css").read_text(encoding="utf-8")
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"clock": _clock, "figure": _format_value, "svg": Markup}
    template = environment.from_string(folder.joinpath("health.html").read_text(encoding="utf-8"))
    return template.render(facts, style=Markup(style), style_hash=style_hash)  # noqa: S704 - our own style file
