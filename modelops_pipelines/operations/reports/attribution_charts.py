"""Charts of what columns contribute over time, as Markdown by metadata name."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.explanations import ATTRIBUTIONS
from modelops_pipelines.operations.lake.queries import newest
from modelops_pipelines.operations.reports.charts import as_markdown, over_time
from modelops_pipelines.operations.reports.time_series import Rows, all_windows, busiest, line
from modelops_pipelines.store.stores import Stores

WINDOWS, COLUMNS = 30, 5


def draw_shares(stores: Stores, spec: EndpointSpec, rows: Rows) -> dict[str, str]:
    """Return charts of the shares of the columns that contribute most, and of their distance from the reference's."""
    found = newest(stores, spec, ATTRIBUTIONS, WINDOWS)
    if not found:
        return {}
    last = max(row["window_start"] for row in found)
    of_last = busiest([row for row in found if row["window_start"] == last and row["rank"] == 1], "n")
    version = of_last[last]["model_version"]
    mine = [row for row in found if row["model_version"] == version]
    leading = sorted((row for row in mine if row["window_start"] == last), key=lambda row: row["rank"])[:COLUMNS]
    windows = all_windows(spec, {row["window_start"]: row for row in mine})
    shares = {
        one["column"]: line(
            {row["window_start"]: row for row in mine if row["column"] == one["column"]}, "share", windows
        )
        for one in leading
    }
    first, *others = shares
    title = f"Share of mean absolute contribution, version {version}"
    also = {name: shares[name] for name in others}
    drawn = {"shares_plot": as_markdown(over_time(shares[first], None, title, name=first, also=also, form="share"))}
    drifting = busiest(rows, "n")
    distances = line(drifting, "distance", all_windows(spec, drifting))
    noise = line(drifting, "noise", all_windows(spec, drifting))
    limits = spec.thresholds("attribution_drift")
    title = "Distance of the shares from the reference's"
    picture = over_time(distances, None, title, limits, name="distance", also={"noise": noise})
    return {**drawn, "distance_plot": as_markdown(picture)}
