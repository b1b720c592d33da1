"""Commands that read the lake: metrics, drift, the health report, and SQL."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from modelops_pipelines.cli.groups import DefaultCommandGroup
from modelops_pipelines.cli.output import echo, json_option, show_rows, show_value
from modelops_pipelines.cli.project import actor, open_stores, parse_moment
from modelops_pipelines.core.alerting.alerts import with_states
from modelops_pipelines.core.drift.ranking import newest_and_worst_first
from modelops_pipelines.core.endpoints import reserved_metrics as shown_metrics
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.models.input_forms import JSON
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, MOST_WINDOWS
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.lake.endpoint_tables import feature_types
from modelops_pipelines.operations.lake.queries import SHIPPED, newest, query_lake, query_text
from modelops_pipelines.operations.metrics.traffic import newest_traffic
from modelops_pipelines.operations.metrics.window_rows import DRIFT_COLUMNS, TABLES, listed_table, window_rows
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
_WHOLE = (WHOLE, None)
"""Values of ``segment`` in rows about all predictions; release 0.1 wrote null."""
_DEFAULT_WINDOWS = 7
_windows = click.option(
    "--windows",
    type=click.IntRange(1, MOST_WINDOWS),
    show_default=str(_DEFAULT_WINDOWS),
    help="Number of newest windows.",
)
_hours = click.option("--hours", type=click.IntRange(1, 24_000), help="The same in hours, rounded up to whole windows.")


@click.group(cls=DefaultCommandGroup)
def metrics() -> None:
    """Show traffic, quality and custom metrics ('show' may be left out), or export their rows as CSV."""


@metrics.command("export")
@click.argument("endpoint")
@click.argument("table", type=click.Choice(list(TABLES)))
@_windows
@_hours
@click.option("--version", help="Rows of this version only.")
@click.option("--segment", help="Quality of this segment value only: feature=value, each percent-encoded.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@json_option
def export_rows(
    endpoint: str,
    table: str,
    windows: int | None,
    hours: int | None,
    version: str | None,
    segment: str | None,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Export the rows of a TABLE of ENDPOINT for the newest windows with data as CSV (--json: as JSON).

    Texts that a spreadsheet would take for a formula get an apostrophe before them.
    """
    from modelops_pipelines.operations.reports.csv_export import csv_of

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    count = _window_count(spec, windows, hours)
    rows = window_rows(stores, spec, table, count, version=version, segment=segment)
    columns = listed_table(table).columns
    if as_json and output is None:
        shown = [{name: row.get(name) for name in columns} for row in rows]
        show_rows(shown, as_json=True, empty="")
    elif output is None:
        echo(csv_of(columns, rows).replace("\r\n", "\n"), nl=False)
    else:
        write_atomically(output, csv_of(columns, rows).encode("utf-8", "replace"))
        show_value({"file": str(output), "rows": len(rows)}, as_json=as_json)


@metrics.command("show")
@click.argument("endpoint")
@_windows
@_hours
@click.option("--segments", is_flag=True, help="Show quality per segment value instead.")
@json_option
def show_metrics(endpoint: str, windows: int | None, hours: int | None, *, segments: bool, as_json: bool) -> None:
    """Show ENDPOINT's traffic, quality and custom metrics for the newest windows with data."""
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    count = _window_count(spec, windows, hours)
    quality = newest(stores, spec, QUALITY_METRICS, count)
    if segments:
        rows = [_segment_row(row, as_json=as_json) for row in quality if row["segment"] not in _WHOLE]
        empty = f"Endpoint {endpoint!r} has no quality per segment yet; list features under 'segments' in its YAML."
        show_rows(_same_columns(rows), as_json=as_json, empty=empty)
        return
    quality_by_window = _quality_by_window(stores, spec, [row for row in quality if row["segment"] in _WHOLE], count)
    rows = []
    for row in newest_traffic(stores, spec, count):
        counts = row if as_json else {name: row[name] for name in _TRAFFIC}
        rows.append({**counts, **quality_by_window.get(_key(row), {})})
    show_rows(_same_columns(rows), as_json=as_json, empty=f"Endpoint {endpoint!r} has no metrics yet.")


def _window_count(spec: EndpointSpec, windows: int | None, hours: int | None) -> int:
    """Return the number of windows to show, from --windows or --hours."""
    if windows is not None and hours is not None:
        raise click.UsageError("Give either --windows or --hours.")
    return windows or _DEFAULT_WINDOWS if hours is None else -(-timedelta(hours=hours) // LENGTH[spec.window])


def _quality_by_window(
    stores: Stores, spec: EndpointSpec, quality: list[dict[str, Any]], windows: int
) -> dict[Any, dict[str, Any]]:
    """Return quality, estimated quality and custom metrics per window and version."""
    found: dict[Any, dict[str, Any]] = {}
    for row in quality:
        known = {name: row[name] for name in shown_metrics.QUALITY if row[name] is not None}
        found.setdefault(_key(row), {}).update(known)
    for row in newest(stores, spec, ESTIMATED_QUALITY, windows):
        if row["auc"] is not None:
            found.setdefault(_key(row), {})[shown_metrics.ESTIMATED] = row["auc"]
    for row in newest(stores, spec, CUSTOM_METRICS, windows):
        if row["metric"] not in shown_metrics.RESERVED:  # early releases did not reserve these names
            found.setdefault(_key(row), {})[row["metric"]] = row["value"]
    return found


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["window_start"], row["model_version"]


def _segment_row(row: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    if as_json:
        return {name: value for name, value in row.items() if name not in {"score_counts", "date"}}
    names = ("window_start", "model_version", "segment", "segment_value", "predictions", *shown_metrics.QUALITY)
    return {name: row[name] for name in names if row[name] is not None}


@click.group(cls=DefaultCommandGroup)
def drift() -> None:
    """Show drift verdicts ('show' may be left out), or accept drifted values as the new normal."""


@drift.command("accept")
@click.argument("endpoint")
@click.option("--column", "columns", multiple=True, help="A column to accept; may be repeated. By default all drifted.")
@click.option("--since", help="Start of the new normal, as ISO 8601. By default when the drift of each column began.")
@click.option("--reason", required=True, help="Why the new values are normal; recorded.")
@json_option
def accept(endpoint: str, columns: tuple[str, ...], since: str | None, reason: str, *, as_json: bool) -> None:
    """Accept the drifted values of ENDPOINT as the new normal: later windows are compared with them.

    A drift alert stays open until the values are back, a version trained on them serves, or they are accepted. Verdicts
    on earlier windows do not change. A verdict needs four days of the new normal.
    """
    from modelops_pipelines.operations.alerting.life.accept_drift import accept_drift, acceptance_rows

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    start = None if since is None else parse_moment(since)
    accepted = accept_drift(stores, spec, actor=actor(), reason=reason, columns=columns, since=start)
    show_rows(acceptance_rows(accepted), as_json=as_json, empty="")


@drift.command("accepted")
@click.argument("endpoint")
@json_option
def list_accepted(endpoint: str, *, as_json: bool) -> None:
    """List what was accepted as the new normal of ENDPOINT: columns, since when, by whom and why."""
    from modelops_pipelines.operations.alerting.life.accept_drift import acceptance_rows

    stores = open_stores()
    endpoint_named(stores, endpoint)
    rows = acceptance_rows(stores.acceptances.of(endpoint))
    show_rows(rows, as_json=as_json, empty=f"Nothing was accepted as the new normal of endpoint {endpoint!r}.")


@drift.command("show")
@click.argument("endpoint")
@_windows
@_hours
@click.option("--drifted", is_flag=True, help="Show drifted columns only.")
@json_option
def show_drift(endpoint: str, windows: int | None, hours: int | None, *, drifted: bool, as_json: bool) -> None:
    """Show the drift verdicts of ENDPOINT's newest windows: one row per column, newest window and worst drift first."""
    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    found = newest(stores, spec, DRIFT, _window_count(spec, windows, hours))
    rows = [row for row in newest_and_worst_first(found) if row["drifted"] or not drifted]
    shown = rows if as_json else [with_states({name: row[name] for name in DRIFT_COLUMNS}) for row in rows]
    unjudged = sum(row["drifted"] is None for row in found)
    none = f"No columns of endpoint {endpoint!r} drifted in these windows"
    none += f"; {unjudged} of {len(found)} were not judged." if unjudged else "."
    show_rows(shown, as_json=as_json, empty=none if found else f"Endpoint {endpoint!r} has no drift verdicts yet.")
    nested = [name for name, kind in feature_types(stores, spec).items() if kind == JSON]
    if nested:
        echo(f"Not profiled, as they hold no plain values: {', '.join(nested)}.", err=True)


@click.command()
@click.argument("endpoint")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@json_option
def report(endpoint: str, output: Path | None, *, as_json: bool) -> None:
    """Write an HTML report on ENDPOINT's traffic, quality, drift and alerts. The file is self-contained."""
    from modelops_pipelines.operations.reports.health_page import has_requests, write_health_page  # heavy: draws charts

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    path = write_health_page(stores, spec)
    if not has_requests(stores, spec):
        where = f"in the home {stores.settings.home}; MODELOPS_HOME names another"
        echo(f"The page is empty: no requests to {endpoint!r} were measured {where}.", err=True)
    if output is not None:
        write_atomically(output, path.read_bytes())
    show_value({"report": str(output or path)}, as_json=as_json)


@click.command()
@click.argument("query", required=False)
@click.option(
    "--file", "-f", "named", help=f"A file with the query, or a query that comes with modelops: {', '.join(SHIPPED)}."
)
@click.option("--endpoint", "-e", default=None, help="Endpoint whose tables need no prefix.")
@json_option
def sql(query: str | None, named: str | None, endpoint: str | None, *, as_json: bool) -> None:
    """Run the SQL QUERY on the lake, read-only. Tables are named ENDPOINT.TABLE, for example flights.inference_log."""
    if (query is None) == (named is None):
        raise click.UsageError("Give either a query or --file.")
    text = query if query is not None else query_text(str(named))
    show_rows(query_lake(open_stores(), text, endpoint), as_json=as_json, empty="The query returned no rows.")


def _same_columns(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Give every row the same columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]
