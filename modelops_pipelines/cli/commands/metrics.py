"""Reading the lake: metrics, drift, and any query."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from modelops_pipelines.cli.output import json_option, show_rows, show_value
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.drift.ranking import by_drift
from modelops_pipelines.core.endpoints import reserved_metrics as shown_metrics
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.lake.queries import SHIPPED, newest, query_lake, query_text
from modelops_pipelines.operations.metrics.traffic import newest_traffic
from modelops_pipelines.store.filesystem.files import write_atomically
from modelops_pipelines.store.stores import Stores

_TRAFFIC = (
    *shown_metrics.KEY_COLUMNS,
    "requests",
    "predictions",
    "client_errors",
    "server_errors",
    "availability",
    "throughput",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
)
_DRIFT = (
    "window_start",
    "model_version",
    "column",
    "drifted",
    "severity",
    "statistic",
    "value",
    "threshold",
    "effect",
    "importance",
    "n",
    "method",
    "reference",
    "reason",
)
_WHOLE = (WHOLE, None)
"""How the rows of all predictions are marked: those of release 0.1 are not."""
_SOME = 7
_windows = click.option(
    "--windows", type=click.IntRange(1, 1000), show_default=str(_SOME), help="How many windows, up to the newest."
)
_hours = click.option(
    "--hours", type=click.IntRange(1, 24_000), help="How many hours instead, rounded up to whole windows."
)


@click.command()
@click.argument("endpoint")
@_windows
@_hours
@click.option("--segments", is_flag=True, help="Show quality by the values of the endpoint's segments instead.")
@json_option
def metrics(endpoint: str, windows: int | None, hours: int | None, *, segments: bool, as_json: bool) -> None:
    """Show ENDPOINT's traffic, quality and own metrics of the newest windows that have data."""
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    count = _asked(spec, windows, hours)
    quality = newest(stores, spec, QUALITY_METRICS, count)
    if segments:
        rows = [_segment_row(row, as_json=as_json) for row in quality if row["segment"] not in _WHOLE]
        empty = f"Endpoint {endpoint!r} has no quality by segment yet; name features under 'segments' in its YAML."
        show_rows(_squared(rows), as_json=as_json, empty=empty)
        return
    beside = _beside(stores, spec, [row for row in quality if row["segment"] in _WHOLE], count)
    rows = []
    for row in newest_traffic(stores, spec, count):
        counts = row if as_json else {name: row[name] for name in _TRAFFIC}
        rows.append({**counts, **beside.get((row["window_start"], row["model_version"]), {})})
    show_rows(_squared(rows), as_json=as_json, empty=f"Endpoint {endpoint!r} has no metrics yet.")


def _asked(spec: EndpointSpec, windows: int | None, hours: int | None) -> int:
    """Return how many of the endpoint's windows were asked for, by their number or by their hours."""
    if windows is not None and hours is not None:
        raise click.UsageError("Give either --windows or --hours.")
    return windows or _SOME if hours is None else -(-timedelta(hours=hours) // LENGTH[spec.window])


def _beside(
    stores: Stores, spec: EndpointSpec, quality: list[dict[str, Any]], windows: int
) -> dict[Any, dict[str, Any]]:
    """Return what stands beside the traffic of a window and version: quality, its estimate, the user's metrics."""
    found: dict[Any, dict[str, Any]] = {}
    for row in quality:
        known = {name: row[name] for name in shown_metrics.QUALITY if row[name] is not None}
        found.setdefault((row["window_start"], row["model_version"]), {}).update(known)
    for row in newest(stores, spec, ESTIMATED_QUALITY, windows):
        if row["auc"] is not None:
            found.setdefault((row["window_start"], row["model_version"]), {})[shown_metrics.ESTIMATED] = row["auc"]
    for row in newest(stores, spec, CUSTOM_METRICS, windows):
        if row["metric"] not in shown_metrics.RESERVED:  # a row of a release that let a metric bear such a name
            found.setdefault((row["window_start"], row["model_version"]), {})[row["metric"]] = row["value"]
    return found


def _segment_row(row: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    if as_json:
        return {name: value for name, value in row.items() if name not in {"score_counts", "date"}}
    names = ("window_start", "model_version", "segment", "segment_value", "predictions", *shown_metrics.QUALITY)
    return {name: row[name] for name in names if row[name] is not None}


@click.command()
@click.argument("endpoint")
@_windows
@_hours
@click.option("--drifted", is_flag=True, help="Only the columns that drifted.")
@json_option
def drift(endpoint: str, windows: int | None, hours: int | None, *, drifted: bool, as_json: bool) -> None:
    """Show the drift verdicts of ENDPOINT's newest windows, a column a row: newest window first, in it the worst."""
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    found = newest(stores, spec, DRIFT, _asked(spec, windows, hours))
    rows = [row for row in _worst_first(found) if row["drifted"] or not drifted]
    shown = rows if as_json else [{name: row[name] for name in _DRIFT} for row in rows]
    none = f"No column of endpoint {endpoint!r} drifted in these windows."
    show_rows(shown, as_json=as_json, empty=none if found else f"Endpoint {endpoint!r} has no drift verdicts yet.")


def _worst_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the drift table, the newest window first, and in each the columns that drifted most."""
    return sorted(map(dict, by_drift(rows)), key=lambda row: row["window_start"], reverse=True)


@click.command()
@click.argument("endpoint")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write it here.")
@json_option
def report(endpoint: str, output: Path | None, *, as_json: bool) -> None:
    """Write one HTML page on ENDPOINT's traffic, quality, drift and alerts; it needs no network to be looked at."""
    from modelops_pipelines.operations.reports.health_page import write_health_page  # draws: not before it is asked for

    stores = open_stores()
    path = write_health_page(stores, endpoint_named(stores, endpoint))
    if output is not None:
        write_atomically(output, path.read_bytes())
    show_value({"report": str(output or path)}, as_json=as_json)


@click.command()
@click.argument("query", required=False)
@click.option("--file", "-f", "named", help=f"A file with the query, or one of ours: {', '.join(SHIPPED)}.")
@click.option("--endpoint", "-e", default=None, help="Its tables also go by their bare names.")
@json_option
def sql(query: str | None, named: str | None, endpoint: str | None, *, as_json: bool) -> None:
    """Run QUERY over the lake: tables are ENDPOINT.TABLE, for example flights.inference_log. Reads only the lake."""
    if (query is None) == (named is None):
        raise click.UsageError("Give either a query, or a file with one by --file.")
    text = query if query is not None else query_text(str(named))
    show_rows(query_lake(open_stores(), text, endpoint), as_json=as_json, empty="No row.")


def _squared(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Give every row the same columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]
