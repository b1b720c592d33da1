"""Routes on what was derived per window of event time: traffic, quality and drift. Live counts: ``/metrics``.

They read the lake's tables of these names, as ``modelops metrics``, ``modelops drift`` and ``modelops explain`` do.
"""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from modelops_pipelines.gateway.http.guarded_router import EndpointName, Router
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_ENDPOINT = "/endpoints/{endpoint}"
_DEFAULT = 7
Windows = Annotated[int, Query(ge=1, le=1000, description="number of newest windows with data")]
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


def add_window_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.get(f"{_ENDPOINT}/traffic", role="read", response_model=list[TrafficInfo])
    def list_traffic(endpoint: EndpointName, windows: Windows = _DEFAULT) -> list[dict[str, Any]]:
        """List the endpoint's traffic of the newest windows by version and variant, oldest first."""
        from modelops_pipelines.operations.metrics.traffic import newest_traffic

        return newest_traffic(stores, serving.endpoint(endpoint).spec, windows)

    @router.get(f"{_ENDPOINT}/quality", role="read", response_model=list[WindowQuality])
    def list_quality(
        endpoint: EndpointName, *, windows: Windows = _DEFAULT, segments: Segments = False
    ) -> list[dict[str, Any]]:
        """List the endpoint's quality of the newest windows by version, oldest first."""
        from modelops_pipelines.core.tables.lake import QUALITY_METRICS, WHOLE
        from modelops_pipelines.operations.lake.queries import newest

        found = newest(stores, serving.endpoint(endpoint).spec, QUALITY_METRICS, windows)
        rows = [
            {**row, "segment": row["segment"] or WHOLE, "segment_value": row["segment_value"] or ""} for row in found
        ]
        return [row for row in rows if (row["segment"] != WHOLE) == segments]

    @router.get(f"{_ENDPOINT}/drift", role="read", response_model=list[DriftInfo])
    def list_drift(
        endpoint: EndpointName, *, windows: Windows = _DEFAULT, drifted: Drifted = False
    ) -> list[dict[str, Any]]:
        """List the drift verdicts of the newest windows: the newest window and the worst drift first."""
        from modelops_pipelines.core.drift.ranking import newest_and_worst_first
        from modelops_pipelines.core.tables.lake import DRIFT
        from modelops_pipelines.operations.lake.queries import newest

        found = newest_and_worst_first(newest(stores, serving.endpoint(endpoint).spec, DRIFT, windows))
        return [row for row in found if row["drifted"] or not drifted]

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
