"""Reading the lake: metrics, drift, and any query."""

from pathlib import Path
from typing import Any

import click

from modelops_pipelines.cli.opening import open_stores
from modelops_pipelines.cli.output import json_option, show_rows, show_value
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.tables import CUSTOM_METRICS, DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.operations.endpoints import endpoint_named
from modelops_pipelines.operations.shows import SHIPPED, newest, query_lake, query_text
from modelops_pipelines.operations.traffic import newest_traffic
from modelops_pipelines.store.files import write_atomically
from modelops_pipelines.store.stores import Stores

_TRAFFIC = (
    "window_start",
    "model_version",
    "variant",
    "requests",
    "predictions",
    "client_errors",
    "server_errors",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
)
_QUALITY = ("labelled", "coverage", "accuracy", "f1", "auc", "log_loss", "brier_skill", "mae", "rmse")
_DRIFT = (
    "window_start",
    "model_version",
    "column",
    "statistic",
    "value",
    "threshold",
    "drifted",
    "severity",
    "n",
    "reason",
)
_WHOLE = (WHOLE, None)
"""How the rows of all predictions are marked: those of release 0.1 are not."""
_WINDOWS = click.option("--windows", type=click.IntRange(1, 1000), default=7, show_default=True, help="How many.")


@click.command()
@click.argument("endpoint")
@_WINDOWS
@click.option("--segments", is_flag=True, help="Show quality by the values of the endpoint's segments instead.")
@json_option
def metrics(endpoint: str, windows: int, *, segments: bool, as_json: bool) -> None:
    """Show ENDPOINT's traffic, quality and own metrics of the newest windows that have data."""
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    quality = newest(stores, spec, QUALITY_METRICS, windows)
    if segments:
        rows = [_segment_row(row, as_json=as_json) for row in quality if row["segment"] not in _WHOLE]
        empty = f"Endpoint {endpoint!r} has no quality by segment yet; name features under 'segments' in its YAML."
        show_rows(_squared(rows), as_json=as_json, empty=empty)
        return
    beside = _beside(stores, spec, [row for row in quality if row["segment"] in _WHOLE], windows)
    rows = []
    for row in newest_traffic(stores, spec, windows):
        counts = row if as_json else {name: row[name] for name in _TRAFFIC}
        rows.append({**counts, **beside.get((row["window_start"], row["model_version"]), {})})
    show_rows(_squared(rows), as_json=as_json, empty=f"Endpoint {endpoint!r} has no metrics yet.")


def _beside(
    stores: Stores, spec: EndpointSpec, quality: list[dict[str, Any]], windows: int
) -> dict[Any, dict[str, Any]]:
    """Return what stands beside the traffic of a window and version: quality, its estimate, the user's metrics."""
    found: dict[Any, dict[str, Any]] = {}
    for row in quality:
        known = {name: row[name] for name in _QUALITY if row[name] is not None}
        found.setdefault((row["window_start"], row["model_version"]), {}).update(known)
    for row in newest(stores, spec, ESTIMATED_QUALITY, windows):
        if row["auc"] is not None:
            found.setdefault((row["window_start"], row["model_version"]), {})["estimated_auc"] = row["auc"]
    for row in newest(stores, spec, CUSTOM_METRICS, windows):
        found.setdefault((row["window_start"], row["model_version"]), {})[row["metric"]] = row["value"]
    return found


def _segment_row(row: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    if as_json:
        return {name: value for name, value in row.items() if name not in {"score_counts", "date"}}
    names = ("window_start", "model_version", "segment", "segment_value", "predictions", *_QUALITY)
    return {name: row[name] for name in names if row[name] is not None}


@click.command()
@click.argument("endpoint")
@_WINDOWS
@json_option
def drift(endpoint: str, windows: int, *, as_json: bool) -> None:
    """Show the drift verdicts of ENDPOINT's newest windows, a column a row."""
    stores = open_stores()
    rows = newest(stores, endpoint_named(stores, endpoint), DRIFT, windows)
    shown = rows if as_json else [{name: row[name] for name in _DRIFT} for row in rows]
    show_rows(shown, as_json=as_json, empty=f"Endpoint {endpoint!r} has no drift verdicts yet.")


@click.command()
@click.argument("endpoint")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write it here.")
@json_option
def report(endpoint: str, output: Path | None, *, as_json: bool) -> None:
    """Write one HTML page on ENDPOINT's traffic, quality, drift and alerts; it needs no network to be looked at."""
    from modelops_pipelines.operations.health_page import write_health_page  # draws: not before it is asked for

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
