"""An endpoint's health as one page for people: a file that opens anywhere, asks nobody for anything, and can be mailed.

It is made from the derived tables alone; the log is not read. All that it shows is anybody's text, and is escaped.
"""

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from modelops_pipelines.core.alerts import OPEN, Alert
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.rollout import CHALLENGER
from modelops_pipelines.core.tables import DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, SERVICE_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, window_of, windows_between
from modelops_pipelines.operations.drift_report import by_drift
from modelops_pipelines.operations.pictures import Points, distribution, over_time
from modelops_pipelines.operations.profiling import stored_profiles
from modelops_pipelines.operations.shows import newest
from modelops_pipelines.operations.svg import Form, figure
from modelops_pipelines.operations.traffic import Traffic, summed
from modelops_pipelines.store.files import write_atomically
from modelops_pipelines.store.stores import Stores

SHOWN = {"hour": 7 * 24, "day": 60}
"""Windows that the page looks back on."""
PICTURES = 12
RECENT_ALERTS = 20
QUALITY = {
    "binary_classification": ("auc", "f1", "precision", "recall", "brier_skill", "log_loss", "calibration_error"),
    "multiclass": ("accuracy", "f1", "confidence"),
    "regression": ("mae", "rmse", "bias", "r2"),
}
"""The metrics that are drawn: never accuracy alone, where classes are of unequal size."""
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Card:
    """One headline number; ``tone`` is good, bad or empty."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Drift:
    """The newest window's verdicts, most drifted first, and pictures of the first of them."""

    window: datetime
    version: str
    reference: str
    rows: Rows
    pictures: Sequence[str]


def write_health_page(stores: Stores, spec: EndpointSpec, windows: int | None = None) -> Path:
    """Write the page of the endpoint's last windows (SHOWN unless given); return its file, ``health.html``.

    Whatever there is no data for yet says so; nothing is raised for it.
    """
    path = stores.settings.reports / spec.name / "health.html"
    page = _rendered(_facts(stores, spec, windows or SHOWN[spec.window]))
    write_atomically(path, page.encode("utf-8", "replace"))
    return path


def _facts(stores: Stores, spec: EndpointSpec, windows: int) -> dict[str, Any]:
    served = newest(stores, spec, SERVICE_METRICS, windows)
    quality = [row for row in newest(stores, spec, QUALITY_METRICS, windows) if row["segment"] in {WHOLE, None}]
    estimated = newest(stores, spec, ESTIMATED_QUALITY, windows)
    alerts = sorted(stores.journal.alerts(spec.name), key=lambda alert: alert.status != OPEN)
    return {
        "spec": spec,
        "now": stores.now(),
        "cards": [
            _champion_card(stores, spec),
            *_traffic_cards(summed(served)),
            _alert_card(alerts),
            _label_card(quality),
        ],
        "span": _span(spec, served),
        "traffic": _traffic_pictures(spec, served),
        "quality": _quality_pictures(spec, quality, estimated),
        "drift": _drift(stores, spec),
        "alerts": alerts[:RECENT_ALERTS],
        "more_alerts": max(0, len(alerts) - RECENT_ALERTS),
    }


def _champion_card(stores: Stores, spec: EndpointSpec) -> Card:
    desired = stores.deployments.desired(spec.name)
    trials = [f"version {one.version} on trial, {one.share} %" for one in desired.variants if one.role == CHALLENGER]
    return Card("champion", f"version {desired.champion}" if desired.champion else "none", ", ".join(trials))


def _traffic_cards(total: Traffic) -> list[Card]:
    p50, p95, p99 = (_told(total.percentile(share), "ms") for share in (0.5, 0.95, 0.99))
    return [
        Card("requests", f"{total.requests:,}", f"{total.predictions:,} rows answered"),
        Card("success rate", _told(total.availability, "share"), f"{total.server_errors:,} failed by us (5xx)"),
        Card("latency, p95", p95, f"p50 {p50}, p99 {p99}"),
    ]


def _alert_card(alerts: Sequence[Alert]) -> Card:
    failing = sum(alert.status == OPEN for alert in alerts)
    return Card("open alerts", str(failing), f"{len(alerts) - failing} resolved", "bad" if failing else "good")


def _label_card(quality: Rows) -> Card:
    labelled, predictions = (sum(row[name] for row in quality) for name in ("labelled", "predictions"))
    coverage = labelled / predictions if predictions else None
    return Card("label coverage", _told(coverage, "share"), f"{labelled:,} of {predictions:,} rows")


def _traffic_pictures(spec: EndpointSpec, served: Rows) -> list[str]:
    by_window = {window: summed(rows) for window, rows in _by_window(spec, served).items()}
    windows = _windows(spec, by_window)

    def line(value: Callable[[Traffic], float | None]) -> Points:
        return [(at, value(by_window[at]) if at in by_window else None) for at in windows]

    errors, requests = line(lambda one: one.error_rate), line(lambda one: one.requests)
    p50, p95, p99 = (line(lambda one, q=q: one.percentile(q)) for q in (0.5, 0.95, 0.99))  # type: ignore[misc]
    slow = spec.thresholds("latency_p95_ms")
    return [
        over_time(requests, None, f"Requests {'a day' if spec.window == 'day' else 'an hour'}", name="requests"),
        over_time(errors, None, "Error rate (5xx)", spec.thresholds("error_rate"), name="error rate", form="share"),
        over_time(p95, None, "Latency", slow, name="p95", also={"p50": p50, "p99": p99}, form="ms"),
    ]


def _quality_pictures(spec: EndpointSpec, quality: Rows, estimated: Rows) -> list[str]:
    """Draw each metric that has a value, its estimate beside it."""
    real, expected = _busiest(quality), _busiest(estimated)
    windows = _windows(spec, [*real, *expected])
    pictures = []
    for name in QUALITY[spec.task]:
        lines = [[(at, rows[at].get(name) if at in rows else None) for at in windows] for rows in (real, expected)]
        if any(value is not None for line in lines for _, value in line):
            known = any(value is not None for _, value in lines[1])
            also = {"estimated before labels": lines[1]} if known else None
            limits = spec.thresholds("quality", name)
            pictures.append(over_time(lines[0], None, name.replace("_", " "), limits, name="from labels", also=also))
    return pictures


def _drift(stores: Stores, spec: EndpointSpec) -> Drift | None:
    rows = newest(stores, spec, DRIFT, 1)
    if not rows:
        return None
    busiest = max(rows, key=lambda row: row["n"])
    window, version = busiest["window_start"], busiest["model_version"]
    ordered = by_drift([row for row in rows if row["model_version"] == version])
    current = stored_profiles(stores, spec, [window]).get((window, version), {})
    reference = stores.references.read(spec.model_name, version)
    known = reference.profiles if reference else {}
    drawn = [row["column"] for row in ordered if row["column"] in current and row["column"] in known][:PICTURES]
    pictures = [distribution(current[name], known[name], name) for name in drawn]
    return Drift(window, version, reference.source if reference else "", ordered, [one for one in pictures if one])


def _by_window(spec: EndpointSpec, rows: Rows) -> dict[datetime, list[Mapping[str, Any]]]:
    """Return the rows of each of the endpoint's windows, which the hours lie in."""
    found: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(window_of(row["window_start"], spec.window), []).append(row)
    return found


def _busiest(rows: Rows) -> dict[datetime, Mapping[str, Any]]:
    """Return each window's row of the version that answered most."""
    ordered = sorted(rows, key=lambda row: (row["window_start"], row["predictions"]))
    return {row["window_start"]: row for row in ordered}


def _windows(spec: EndpointSpec, known: Collection[datetime]) -> list[datetime]:
    """Return all windows from the first to the last, those without data too, so that lines have gaps there."""
    return windows_between(min(known), max(known) + LENGTH[spec.window], spec.window) if known else []


def _span(spec: EndpointSpec, served: Rows) -> str:
    windows = _windows(spec, _by_window(spec, served))
    return f"{_clock(windows[0])} to {_clock(windows[-1] + LENGTH[spec.window])}, UTC" if windows else "no traffic yet"


def _told(value: float | None, form: Form = "number") -> str:
    return "none" if value is None else figure(value, form)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _rendered(facts: Mapping[str, Any]) -> str:
    """Fill the template in. The page may use its own style by hash and nothing else, says its security policy."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("modelops_pipelines.operations").joinpath("templates")
    style = folder.joinpath("health.css").read_text(encoding="utf-8")
    seal = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"clock": _clock, "told": _told, "drawn": Markup}
    template = made.from_string(folder.joinpath("health.html").read_text(encoding="utf-8"))
    return template.render(facts, style=Markup(style), seal=seal)  # noqa: S704 - a file of ours
