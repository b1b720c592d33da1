"""Alert rules held against what the derived tables say, window by window."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.alerts import Verdict
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoint import AlertRule, EndpointSpec
from modelops_pipelines.core.latency import merge, percentile
from modelops_pipelines.core.tables import DRIFT, SERVICE_METRICS, Table
from modelops_pipelines.core.windows import LENGTH, text, windows_between
from modelops_pipelines.operations.measure import judged_rows, quality_of
from modelops_pipelines.operations.recompute import dates_of
from modelops_pipelines.store.stores import Stores

MOST_WINDOWS = 60
MINIMUM_REQUESTS = 20
MINIMUM_LABELLED = 200
SEVERITY = {"error_rate": "error", "latency_p95_ms": "error", "drift": "warning", "quality": "error"}
Rows = list[dict[str, Any]]


def judge_rules(stores: Stores, spec: EndpointSpec, kinds: Sequence[str], windows: Sequence[datetime]) -> list[Verdict]:
    """Judge the endpoint's rules of these kinds on each window that changed; a rule's verdicts in order of time.

    A rule without a window to judge gets one verdict that says so.
    """
    judges: dict[str, Callable[[Stores, EndpointSpec, AlertRule, Sequence[datetime]], list[Verdict]]] = {
        "error_rate": _judge_service,
        "latency_p95_ms": _judge_service,
        "drift": _judge_drift,
        "quality": _judge_quality,
    }
    verdicts: list[Verdict] = []
    for rule in spec.alerts:
        if rule.kind in kinds:
            found = judges[rule.kind](stores, spec, rule, sorted(windows)[-MOST_WINDOWS:])
            verdicts += found or [_missing(rule, "", 0, "no window has changed")]
    return verdicts


def _judge_service(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    over = rule.over or LENGTH[spec.window]
    if not windows:
        return []
    rows = _stored(stores, spec, SERVICE_METRICS, _trailing(windows[0], over, spec) + list(windows))
    return [
        _service_verdict(rule, window, [r for r in rows if r["window_start"] in _trailing(window, over, spec)])
        for window in windows
    ]


def _service_verdict(rule: AlertRule, window: datetime, rows: Rows) -> Verdict:
    requests = sum(row["requests"] for row in rows)
    minimum = rule.minimum or MINIMUM_REQUESTS
    if requests < minimum:
        return _missing(rule, text(window), requests, f"{requests} requests of the {minimum} that a verdict takes")
    if rule.kind == "error_rate":
        value: float | None = sum(row["server_errors"] for row in rows) / requests
    else:
        value = percentile(merge(_sketch(row["latency_counts"]) for row in rows), 0.95)
    return _verdict(rule, text(window), value, requests, "requests")


def _judge_drift(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    rows = _stored(stores, spec, DRIFT, windows)
    return [_drift_verdict(rule, window, [r for r in rows if r["window_start"] == window]) for window in windows]


def _drift_verdict(rule: AlertRule, window: datetime, rows: Rows) -> Verdict:
    """Fail when the share of drifted columns reaches the limit."""
    if not rows:
        return _missing(rule, text(window), 0, "there is no reference to compare with yet")
    busiest = max(rows, key=lambda row: row["n"])["model_version"]
    mine = [row for row in rows if row["model_version"] == busiest]
    judged = [row for row in mine if row["drifted"] is not None]
    if not judged:
        return _missing(rule, text(window), mine[0]["n"], str(mine[0]["reason"]))
    share = sum(row["drifted"] for row in judged) / len(judged)
    moved = sorted((r for r in judged if r["drifted"]), key=lambda row: -(row["value"] or 0.0))
    named = ", ".join(
        f"{row['column']} {row['value']:.3f}" if row["value"] is not None else row["column"] for row in moved[:5]
    )
    limit = rule.above if rule.above is not None else 0.3
    message = (
        f"{len(moved)} of {len(judged)} columns drifted (share {share:.2f}, limit {limit:g}) on {text(window)[:10]}"
    )
    message += f": {named}" if named else ""
    return Verdict(rule.name, SEVERITY["drift"], share < limit, share, limit, mine[0]["n"], text(window), message)


def _judge_quality(stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime]) -> list[Verdict]:
    """Judge windows whose labels have had their time; a window that is still waiting would judge early ones only."""
    ripe = _ripe_windows(stores, spec, windows)
    over = rule.over or LENGTH[spec.window]
    needed = sorted({one for window in ripe for one in _trailing(window, over, spec)})
    if not needed:
        return []
    judged = judged_rows(stores, spec, needed)
    return [
        _quality_verdict(spec, rule, window, _slice(judged, _trailing(window, over, spec), window)) for window in ripe
    ]


def _ripe_windows(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> list[datetime]:
    watermark = stores.journal.progress(spec.name).watermark
    if watermark is None:
        return []
    length = LENGTH[spec.window]
    latest = watermark - spec.label_horizon - length
    ripe = {window for window in windows if window <= latest}
    newest = windows_between(latest - length, latest, spec.window)
    return sorted(ripe | ({newest[-1]} if newest else set()))


def _quality_verdict(spec: EndpointSpec, rule: AlertRule, window: datetime, judged: pa.Table) -> Verdict:
    rows = sorted(quality_of(spec, judged).to_pylist(), key=lambda row: -row["predictions"])
    minimum = rule.minimum or MINIMUM_LABELLED
    labelled = rows[0]["labelled"] if rows else 0
    if labelled < minimum:
        return _missing(rule, text(window), labelled, f"{labelled} labelled rows of the {minimum} that a verdict takes")
    value = rows[0].get(str(rule.metric))
    if value is None:
        return _missing(rule, text(window), labelled, str(rows[0]["reason"]))
    return _verdict(rule, text(window), value, labelled, "labelled rows")


def _verdict(rule: AlertRule, window: str, value: float | None, n: int, unit: str) -> Verdict:
    above, below = rule.above, rule.below
    if value is None:
        return _missing(rule, window, n, "it is not defined on this window")
    too_high, too_low = above is not None and value > above, below is not None and value < below
    limit = above if above is not None else below
    relation = "above" if above is not None else "below"
    word = "is" if too_high or too_low else "is not"
    over = f" over {format_duration(rule.over)}" if rule.over else ""
    message = f"{rule.metric or rule.kind} {value:.4g} {word} {relation} {limit:g}{over} to {window[:16]} ({n} {unit})"
    return Verdict(rule.name, SEVERITY[rule.kind], not (too_high or too_low), value, limit, n, window, message)


def _missing(rule: AlertRule, window: str, n: int, why: str) -> Verdict:
    return Verdict(rule.name, SEVERITY[rule.kind], None, None, None, n, window, f"not judged: {why}")


def _trailing(window: datetime, over: timedelta, spec: EndpointSpec) -> list[datetime]:
    """Return the windows that lie in the time looked back upon from the window's end, rounded up to whole windows."""
    end = window + LENGTH[spec.window]
    return windows_between(end - over, end, spec.window)


def _stored(stores: Stores, spec: EndpointSpec, table: Table, windows: Sequence[datetime]) -> Rows:
    wanted = set(windows)
    if not wanted:
        return []
    with stores.lake.query(spec.name, [table], dates_of(sorted(wanted))) as connected:
        rows: Rows = connected.table(table.name).to_arrow_table().to_pylist()
    return [row for row in rows if row["window_start"] in wanted]


def _slice(judged: pa.Table, windows: Sequence[datetime], window: datetime) -> pa.Table:
    """Return the rows of the windows as if all lay in the one window."""
    starts = pa.array(windows, pa.timestamp("us", "UTC"))
    mine = judged.filter(pc.is_in(judged.column("window_start"), value_set=starts))
    moved = pa.array([window] * len(mine), pa.timestamp("us", "UTC"))
    return mine.set_column(mine.column_names.index("window_start"), "window_start", moved)


def _sketch(kept: str) -> dict[int, int]:
    import orjson

    return {int(bucket): count for bucket, count in (orjson.loads(kept) if kept else {}).items()}
