"""Live counts, what was derived per window, objectives, reports, and the log."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.monitoring import (
    Attribution,
    AttributionDrift,
    CustomMetric,
    DataQuality,
    Drift,
    EstimatedQuality,
    HealthScore,
    LiveMetrics,
    LogRow,
    RecentLogs,
    Slo,
    Traffic,
    WindowQuality,
)
from modelops_pipelines.client.answers.overview import OverviewRow
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.connection.call import Call
from modelops_pipelines.client.connection.operation import operation

_ENDPOINT = "/endpoints/{endpoint}"


class MonitoringCalls:
    """Operations that show how an endpoint does."""

    @operation
    def overview(self) -> Call[Listing[OverviewRow]]:
        """List every endpoint in the key's scope at a glance, those that need a person first."""
        return Call("GET", "/overview", many(OverviewRow))

    @operation
    def metrics(self, endpoint: str, window: str = "5m") -> Call[LiveMetrics]:
        """Return live metrics of the last ``window``, up to 1h: requests, errors, latency in milliseconds."""
        return Call("GET", f"{_ENDPOINT}/metrics", one(LiveMetrics), {"endpoint": endpoint}, {"window": window})

    @operation
    def traffic(self, endpoint: str, windows: int = 7, *, version: str | int | None = None) -> Call[Listing[Traffic]]:
        """List the traffic of the newest windows with data by version and variant, oldest first."""
        return Call("GET", f"{_ENDPOINT}/traffic", many(Traffic), {"endpoint": endpoint}, _of(windows, version))

    @operation
    def quality(
        self,
        endpoint: str,
        windows: int = 7,
        *,
        segments: bool = False,
        version: str | int | None = None,
        segment: str | None = None,
    ) -> Call[Listing[WindowQuality]]:
        """List the quality of the newest windows on the labels so far, oldest first; or that per segment value.

        ``segment`` is one segment value, as ``feature=value``, each percent-encoded.
        """
        query = {**_of(windows, version), "segments": segments, "segment": segment}
        return Call("GET", f"{_ENDPOINT}/quality", many(WindowQuality), {"endpoint": endpoint}, query)

    @operation
    def estimated_quality(
        self, endpoint: str, windows: int = 7, *, version: str | int | None = None
    ) -> Call[Listing[EstimatedQuality]]:
        """List the quality of the newest windows as estimated before labels arrive, oldest first."""
        path, query = f"{_ENDPOINT}/estimated-quality", _of(windows, version)
        return Call("GET", path, many(EstimatedQuality), {"endpoint": endpoint}, query)

    @operation
    def custom_metrics(
        self, endpoint: str, windows: int = 7, *, version: str | int | None = None
    ) -> Call[Listing[CustomMetric]]:
        """List the endpoint's own metrics of the newest windows, oldest first."""
        path, query = f"{_ENDPOINT}/custom-metrics", _of(windows, version)
        return Call("GET", path, many(CustomMetric), {"endpoint": endpoint}, query)

    @operation
    def data_quality(
        self, endpoint: str, windows: int = 7, *, version: str | int | None = None
    ) -> Call[Listing[DataQuality]]:
        """List the chunks of the newest windows' rows, as compared with the days before, oldest first."""
        path, query = f"{_ENDPOINT}/data-quality", _of(windows, version)
        return Call("GET", path, many(DataQuality), {"endpoint": endpoint}, query)

    @operation
    def export(
        self,
        endpoint: str,
        table: str,
        windows: int = 7,
        *,
        version: str | int | None = None,
        segment: str | None = None,
    ) -> Call[str]:
        """Return rows of the newest windows as CSV.

        ``table`` is traffic, quality, segments, estimated-quality, custom-metrics, drift or data-quality.
        """
        names = {"endpoint": endpoint, "table": table}
        query = {**_of(windows, version), "segment": segment}
        return Call("GET", f"{_ENDPOINT}/export/{{table}}.csv", bytes.decode, names, query)

    @operation
    def drift(
        self, endpoint: str, windows: int = 7, *, drifted: bool = False, version: str | int | None = None
    ) -> Call[Listing[Drift]]:
        """List the drift verdicts of the newest windows: the newest window and the worst drift first.

        ``drifted`` lists drifted columns only. A column that was not judged has None, and ``reason`` says why.
        """
        query = {**_of(windows, version), "drifted": drifted}
        return Call("GET", f"{_ENDPOINT}/drift", many(Drift), {"endpoint": endpoint}, query)

    @operation
    def attributions(self, endpoint: str, windows: int = 7) -> Call[Listing[Attribution]]:
        """List what columns contribute in the newest windows: the newest window and the largest share first."""
        query = {"windows": windows}
        return Call("GET", f"{_ENDPOINT}/attributions", many(Attribution), {"endpoint": endpoint}, query)

    @operation
    def attribution_drift(self, endpoint: str, windows: int = 7) -> Call[Listing[AttributionDrift]]:
        """List how far the columns' shares are from the reference's in the newest windows, newest first."""
        query = {"windows": windows}
        return Call("GET", f"{_ENDPOINT}/attribution-drift", many(AttributionDrift), {"endpoint": endpoint}, query)

    @operation
    def report(self, endpoint: str, name: str) -> Call[str]:
        """Return a drift or health report as HTML, by its file's name."""
        return Call("GET", f"{_ENDPOINT}/reports/{{name}}", bytes.decode, {"endpoint": endpoint, "name": name})

    @operation
    def slos(self, endpoint: str) -> Call[Listing[Slo]]:
        """List the objectives: what is left of each error budget, and whether it burns too fast."""
        return Call("GET", f"{_ENDPOINT}/slos", many(Slo), {"endpoint": endpoint})

    @operation
    def health_score(self, endpoint: str) -> Call[HealthScore]:
        """Return the endpoint's health from 0 to 100, with its parts and what they say."""
        return Call("GET", f"{_ENDPOINT}/health-score", one(HealthScore), {"endpoint": endpoint})

    @operation
    def logs(
        self,
        endpoint: str,
        *,
        limit: int = 100,
        since: str = "24h",
        status: str | None = None,
        user: str | None = None,
        request_id: str | None = None,
    ) -> Call[RecentLogs]:
        """Return the newest rows of the log with their features. ``status`` is ok or error.

        ``since`` is how far back by event time, such as 15m or 7d. ``request_id`` is that of a request or prediction,
        found at any age.
        """
        query = {"limit": limit, "since": since, "status": status, "user": user, "request_id": request_id}
        return Call("GET", f"{_ENDPOINT}/logs", _recent_logs, {"endpoint": endpoint}, query)


def _of(windows: int, version: str | int | None) -> dict[str, Any]:
    return {"windows": windows, "version": None if version is None else str(version)}


def _recent_logs(content: bytes) -> RecentLogs:
    page, answer = many(LogRow, "rows")(content), json.loads(content)
    found = RecentLogs(page.items, LogRow, complete=page.complete)
    return replace(found, since=_moment(answer.get("since")), ingested_up_to=_moment(answer.get("ingested_up_to")))


def _moment(given: Any) -> datetime | None:
    return None if given is None else datetime.fromisoformat(given)
