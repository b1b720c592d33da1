"""Routes on what was derived per window of event time: traffic, quality, drift and more. Live counts: ``/metrics``.

They read the lake's tables of these names, as ``modelops metrics``, ``modelops drift`` and ``modelops explain`` do.
"""

from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import BaseModel, Field

from modelops_pipelines.core.windows import MOST_WINDOWS
from modelops_pipelines.gateway.http.csv_files import csv_response
from modelops_pipelines.gateway.http.guarded_router import NAME_LENGTH, EndpointName, Router
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_ENDPOINT = "/endpoints/{endpoint}"
_DEFAULT = 7
_EXPORTED = "traffic, quality, segments, estimated-quality, custom-metrics, drift or data-quality"
Windows = Annotated[int, Query(ge=1, le=MOST_WINDOWS, description="number of newest windows with data")]
Version = Annotated[str | None, Query(max_length=NAME_LENGTH, description="rows of this version only")]
Segment = Annotated[
    str | None,
    Query(max_length=2000, description="quality of this segment value: feature=value, each percent-encoded"),
]
Segments = Annotated[bool, Query(description="quality per segment value, instead of that of all rows")]
Drifted = Annotated[bool, Query(description="drifted columns only")]


class TrafficInfo(BaseModel):
    """Requests of one window to one version. Rates and latencies are null without a request that has them."""

    window_start: Moment
    model_version: str
    variant: str
    requests: int
    predictions: int
    client_errors: int
    server_errors: int
    error_rate: float | None
    availability: float | None
    throughput: float = Field(description="requests per second over the window")
    errors: dict[str, int] = Field(description="failed requests by error code")
    latency_mean_ms: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None


class WindowQuality(BaseModel):
    """Quality of one window and version on the labels so far; metrics of other tasks are null."""

    window_start: Moment
    model_version: str
    segment: str = Field(description="all, or a feature's name")
    segment_value: str
    predictions: int
    labelled: int
    coverage: float = Field(description="labelled / predictions")
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None
    log_loss: float | None
    brier: float | None
    brier_skill: float | None
    calibration_error: float | None
    base_rate: float | None
    mae: float | None
    rmse: float | None
    bias: float | None
    r2: float | None
    reason: str | None = Field(description="why a metric is null")


class DriftInfo(BaseModel):
    """A column's distance from its reference in one window, with the verdict."""

    window_start: Moment
    model_version: str
    column: str
    drifted: bool | None = Field(description="null: not judged, and 'reason' says why")
    since: Moment | None
    severity: str | None
    statistic: str
    value: float | None
    threshold: float | None
    effect: float | None = Field(description="the distance in units of the smallest relevant one")
    importance: float | None
    n: int
    method: str | None
    reference: str | None
    reason: str | None


class AttributionInfo(BaseModel):
    """What a column contributed to the explained predictions of one window and version."""

    window_start: Moment
    model_version: str
    column: str
    rank: int = Field(description="1 for the column that contributes most")
    n: int = Field(description="explained predictions")
    mean_absolute: float = Field(description="mean of the contributions' absolute values, on the scale")
    mean: float
    share: float | None = Field(description="mean_absolute / its sum over all columns")
    share_reference: float | None = Field(description="the share among the reference rows of the version")
    method: str
    scale: str


class AttributionDriftInfo(BaseModel):
    """How far the columns' shares in one window are from those among the version's reference rows."""

    window_start: Moment
    model_version: str
    n: int
    n_reference: int
    distance: float | None = Field(description="from 0 to 1; null: not compared, and 'reason' says why")
    noise: float | None = Field(description="the distance that 1 of 1,000 random divisions of these rows exceeds")
    excess: float | None = Field(description="distance - noise, 0 where it is less")
    p_value: float | None
    column: str | None = Field(description="the column whose share changed most")
    change: float | None = Field(description="by how much its share changed")
    reference: str | None
    reason: str | None


class EstimatedQualityInfo(BaseModel):
    """Quality of one window and version, estimated from scores before labels arrive."""

    window_start: Moment
    model_version: str
    predictions: int
    scored: int
    labelled: int = Field(description="earlier rows with score and label, which the calibration is fitted on")
    auc: float | None
    log_loss: float | None
    brier: float | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    reason: str | None = Field(description="why a metric is null")


class CustomMetricInfo(BaseModel):
    """The value of one of the endpoint's own metrics in one window and version."""

    window_start: Moment
    model_version: str
    metric: str
    value: float | None
    n: int = Field(description="answered rows it was computed on")
    reason: str | None = Field(description="why there is no value")


class DataQualityInfo(BaseModel):
    """A chunk of a window's rows, compared with the days before."""

    window_start: Moment
    model_version: str
    chunk: int
    first_event: Moment
    n: int
    passed: bool | None = Field(description="null: not judged, and 'reason' says why")
    column: str | None = Field(description="the most anomalous column")
    channel: str | None = Field(description="range, category, missing or constant")
    value: float | None = Field(description="share of its values that are anomalous")
    flags: str | None = Field(description="all anomalies of the chunk, one per line: column, tab, channel")
    reason: str | None


def add_window_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""
    _add_metrics_routes(router, serving, stores)
    _add_drift_routes(router, serving, stores)
    _add_attribution_routes(router, serving, stores)
    _add_export_route(router, serving, stores)


def _add_metrics_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get(f"{_ENDPOINT}/traffic", role="read", response_model=list[TrafficInfo])
    def list_traffic(
        endpoint: EndpointName, windows: Windows = _DEFAULT, version: Version = None
    ) -> list[dict[str, Any]]:
        """List the endpoint's traffic of the newest windows by version and variant, oldest first."""
        from modelops_pipelines.operations.metrics.window_rows import window_rows

        return window_rows(stores, serving.endpoint(endpoint).spec, "traffic", windows, version=version)

    @router.get(f"{_ENDPOINT}/quality", role="read", response_model=list[WindowQuality])
    def list_quality(
        endpoint: EndpointName,
        *,
        windows: Windows = _DEFAULT,
        segments: Segments = False,
        version: Version = None,
        segment: Segment = None,
    ) -> list[dict[str, Any]]:
        """List the endpoint's quality of the newest windows by version, oldest first."""
        from modelops_pipelines.operations.metrics.window_rows import window_rows

        name, spec = "segments" if segments else "quality", serving.endpoint(endpoint).spec
        return window_rows(stores, spec, name, windows, version=version, segment=segment)

    @router.get(f"{_ENDPOINT}/estimated-quality", role="read", response_model=list[EstimatedQualityInfo])
    def list_estimates(
        endpoint: EndpointName, windows: Windows = _DEFAULT, version: Version = None
    ) -> list[dict[str, Any]]:
        """List the quality of the newest windows by version as estimated before labels arrive, oldest first."""
        from modelops_pipelines.operations.metrics.window_rows import window_rows

        return window_rows(stores, serving.endpoint(endpoint).spec, "estimated-quality", windows, version=version)

    @router.get(f"{_ENDPOINT}/custom-metrics", role="read", response_model=list[CustomMetricInfo])
    def list_custom_metrics(
        endpoint: EndpointName, windows: Windows = _DEFAULT, version: Version = None
    ) -> list[dict[str, Any]]:
        """List the endpoint's own metrics of the newest windows by version, oldest first."""
        from modelops_pipelines.operations.metrics.window_rows import window_rows

        return window_rows(stores, serving.endpoint(endpoint).spec, "custom-metrics", windows, version=version)


def _add_drift_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get(f"{_ENDPOINT}/drift", role="read", response_model=list[DriftInfo])
    def list_drift(
        endpoint: EndpointName, *, windows: Windows = _DEFAULT, drifted: Drifted = False, version: Version = None
    ) -> list[dict[str, Any]]:
        """List the drift verdicts of the newest windows: the newest window and the worst drift first."""
        from modelops_pipelines.operations.metrics.window_rows import window_rows

        found = window_rows(stores, serving.endpoint(endpoint).spec, "drift", windows, version=version)
        return [row for row in found if row["drifted"] or not drifted]

    @router.get(f"{_ENDPOINT}/data-quality", role="read", response_model=list[DataQualityInfo])
    def list_data_quality(
        endpoint: EndpointName, windows: Windows = _DEFAULT, version: Version = None
    ) -> list[dict[str, Any]]:
        """List the chunks of the newest windows' rows, as compared with the days before, oldest first."""
        from modelops_pipelines.operations.metrics.window_rows import window_rows

        return window_rows(stores, serving.endpoint(endpoint).spec, "data-quality", windows, version=version)


def _add_attribution_routes(router: Router, serving: Serving, stores: Stores) -> None:
    @router.get(f"{_ENDPOINT}/attributions", role="read", response_model=list[AttributionInfo])
    def list_attributions(endpoint: EndpointName, windows: Windows = _DEFAULT) -> list[dict[str, Any]]:
        """List what columns contribute in the newest windows: the newest window and the largest share first."""
        from modelops_pipelines.operations.explanations.views import newest_attributions

        return newest_attributions(stores, serving.endpoint(endpoint).spec, windows)

    @router.get(f"{_ENDPOINT}/attribution-drift", role="read", response_model=list[AttributionDriftInfo])
    def list_attribution_drift(endpoint: EndpointName, windows: Windows = _DEFAULT) -> list[dict[str, Any]]:
        """List how far the columns' shares are from the reference's in the newest windows, newest first."""
        from modelops_pipelines.operations.explanations.views import newest_attribution_drift

        return newest_attribution_drift(stores, serving.endpoint(endpoint).spec, windows)


def _add_export_route(router: Router, serving: Serving, stores: Stores) -> None:
    file = {200: {"description": "The rows", "content": {"text/csv": {"schema": {"type": "string"}}}}}

    @router.get(f"{_ENDPOINT}/export/{{table}}.csv", role="read", response_class=Response, responses=file)
    def export_rows(
        endpoint: EndpointName,
        table: Annotated[str, Path(max_length=NAME_LENGTH, description=_EXPORTED)],
        *,
        windows: Windows = _DEFAULT,
        version: Version = None,
        segment: Segment = None,
    ) -> Response:
        """Export rows of the newest windows as CSV: the same rows as the route of the table lists."""
        from modelops_pipelines.operations.reports.csv_export import export

        spec = serving.endpoint(endpoint).spec
        return csv_response(export(stores, spec, table, windows, version=version, segment=segment))
