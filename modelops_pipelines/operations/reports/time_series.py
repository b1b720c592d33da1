"""What went over time, window by window, for Dagster's assets and the one-page report alike; ``pictures`` draws it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from modelops_pipelines.core.drift.ranking import P_VALUES, ordinary_range
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import LENGTH, windows_between
from modelops_pipelines.operations.reports.charts import Points, over_time

Rows = Sequence[Mapping[str, Any]]
ByWindow = Mapping[datetime, Mapping[str, Any]]
DRIFT_COLUMNS = ("window_start", "model_version", "column", "statistic", "value", "threshold")
"""The columns of ``drift`` that ``drift_line`` needs."""
CHUNK_COLUMNS = ("window_start", "model_version", "first_event", "n", "passed", "column", "channel", "value", "reason")
"""The columns of ``data_quality`` that are shown."""


def all_windows(spec: EndpointSpec, known: Collection[datetime]) -> list[datetime]:
    """Return all windows from the first to the last, those without data too, so that lines have gaps there."""
    return windows_between(min(known), max(known) + LENGTH[spec.window], spec.window) if known else []


def busiest(rows: Rows, count: str = "predictions") -> ByWindow:
    """Return each window's row of the version that answered most."""
    ordered = sorted(rows, key=lambda row: (row["window_start"], row[count]))
    return {row["window_start"]: row for row in ordered}


def line(rows: ByWindow, name: str, windows: Sequence[datetime]) -> Points:
    """Return a column's values in the windows, with gaps where there is no row or no value."""
    return [(at, rows[at].get(name) if at in rows else None) for at in windows]


def drift_line(spec: EndpointSpec, rows: Rows) -> str:
    """Draw the statistic of one column of one version over time, over the band of ordinary windows in grey.

    Only windows that the newest one's statistic was measured in: a p-value and a distance have no axis in common. The
    axis of distances begins at 0, that of p-values reaches to their threshold: the band is there to be seen.
    """
    newest = max(rows, key=lambda row: row["window_start"])
    mine = {row["window_start"]: row for row in rows if row["statistic"] == newest["statistic"]}
    windows = all_windows(spec, mine)
    band = [ordinary_range(mine[at]) if at in mine else (None, None) for at in windows]
    holds = [newest["threshold"] if newest["statistic"] in P_VALUES else 0.0]
    title = f"{newest['column']}: {newest['statistic'].replace('_', ' ')}"
    return over_time(line(mine, "value", windows), band, title, holds=holds)


def custom_lines(spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Draw each of the user's own metrics over time, by name, with the limits of the rules on it."""
    drawn = {}
    for metric in spec.metrics:
        mine = busiest([row for row in rows if row["metric"] == metric.name], "n")
        points = line(mine, "value", all_windows(spec, mine))
        drawn[metric.name] = over_time(points, None, metric.name, spec.thresholds("metric", metric.name))
    return drawn


def data_lines(spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Draw the shares of the chunks of requests that failed and that were odd, and how many rows were looked at."""
    chunks: dict[datetime, list[Mapping[str, Any]]] = {}
    for row in rows:
        chunks.setdefault(row["window_start"], []).append(row)
    windows = all_windows(spec, chunks)
    failed = [(at, _share([row["passed"] is False for row in _judged(chunks.get(at, []))])) for at in windows]
    odd = [(at, _share([row["column"] is not None for row in _judged(chunks.get(at, []))])) for at in windows]
    seen = [(at, float(sum(row["n"] for row in chunks[at])) if at in chunks else None) for at in windows]
    title, each = "Chunks unlike the days before", "a day" if spec.window == "day" else "an hour"
    return {
        "odd_chunks": over_time(failed, None, title, name="two in a row", also={"any": odd}, form="share"),
        "rows_watched": over_time(seen, None, f"Rows looked at {each}"),
    }


def _judged(chunks: Rows) -> list[Mapping[str, Any]]:
    return [row for row in chunks if row["passed"] is not None]


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None
