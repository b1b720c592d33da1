"""Reading the lake: metrics, drift, and any query."""

import json

import click

from modelops_pipelines.cli.opening import open_stores
from modelops_pipelines.cli.output import json_option, show_rows
from modelops_pipelines.core.latency import percentile
from modelops_pipelines.core.tables import DRIFT, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.endpoints import endpoint_named
from modelops_pipelines.operations.shows import newest, query_lake

_WINDOWS = click.option("--windows", type=click.IntRange(1, 1000), default=7, show_default=True, help="How many.")


@click.command()
@click.argument("endpoint")
@_WINDOWS
@json_option
def metrics(endpoint: str, windows: int, *, as_json: bool) -> None:
    """Show ENDPOINT's traffic and quality of the newest windows that have data."""
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    quality = {(r["window_start"], r["model_version"]): r for r in newest(stores, spec, QUALITY_METRICS, windows)}
    shown = ["labelled", "coverage", "accuracy", "auc", "log_loss", "brier_skill", "mae", "rmse"]
    rows = []
    for row in newest(stores, spec, SERVICE_METRICS, windows):
        judged = quality.get((row["window_start"], row["model_version"]), {})
        hidden = {"latency_counts", "date"} if as_json else {"latency_counts", "date", "latency_sum_ms"}
        counts = {name: row[name] for name in SERVICE_METRICS.names if name not in hidden}
        rows.append(
            {
                **counts,
                "latency_p95_ms": _p95(row["latency_counts"]),
                **{name: judged.get(name) for name in shown if judged.get(name) is not None or as_json},
            }
        )
    show_rows(_squared(rows), as_json=as_json, empty=f"Endpoint {endpoint!r} has no metrics yet.")


@click.command()
@click.argument("endpoint")
@_WINDOWS
@json_option
def drift(endpoint: str, windows: int, *, as_json: bool) -> None:
    """Show the drift verdicts of ENDPOINT's newest windows, a column a row."""
    stores = open_stores()
    rows = newest(stores, endpoint_named(stores, endpoint), DRIFT, windows)
    names = ("window_start", "model_version", "column", "statistic", "value", "threshold", "drifted", "n", "reason")
    shown = rows if as_json else [{name: row[name] for name in names} for row in rows]
    show_rows(shown, as_json=as_json, empty=f"Endpoint {endpoint!r} has no drift verdicts yet.")


@click.command()
@click.argument("query")
@click.option("--endpoint", "-e", default=None, help="Its tables also go by their bare names.")
@json_option
def sql(query: str, endpoint: str | None, *, as_json: bool) -> None:
    """Run QUERY over the lake: tables are ENDPOINT.TABLE, for example flights.inference_log. Reads only the lake."""
    show_rows(query_lake(open_stores(), query, endpoint), as_json=as_json, empty="No row.")


def _p95(counts: str | None) -> float | None:
    """Return the 95th percentile of a stored latency histogram."""
    return percentile({int(bucket): number for bucket, number in json.loads(counts or "{}").items()}, 0.95)


def _squared(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Give every row the same columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]
