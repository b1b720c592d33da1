"""The assets of metrics: traffic, quality by labels, quality estimated before labels, custom metrics."""

from modelops_pipelines.assets.derived import Derived, derived_asset
from modelops_pipelines.assets.monitoring import MonitoredTable
from modelops_pipelines.assets.objectives import ON_LABELS, ON_REQUESTS
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, ESTIMATED_QUALITY, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.metrics.custom import measure_custom
from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.reports.asset_charts import draw_custom, draw_estimate, draw_quality, draw_traffic

_MEASURES = {
    "binary_classification": ("accuracy", "f1", "auc", "log_loss", "brier_skill", "calibration_error"),
    "multiclass": ("accuracy", "f1", "confidence"),
    "regression": ("mae", "rmse", "bias", "r2"),
}


def service_metrics_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of traffic, errors and latency."""
    rows = ("window_start", "model_version", "variant", "requests", "predictions", "unanswered")
    shown = (*rows, "client_errors", "server_errors", "errors")
    return derived_asset(spec, Derived(SERVICE_METRICS, measure_service, shown, draw_traffic, further=ON_REQUESTS))


def quality_metrics_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of quality on labelled predictions."""
    counted = ("window_start", "model_version", "segment", "segment_value", "labelled", "coverage")
    shown = (*counted, *_MEASURES[spec.task], "reason")
    return derived_asset(
        spec, Derived(QUALITY_METRICS, measure_quality, shown, draw_quality, windows=30, further=ON_LABELS)
    )


def estimated_quality_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of quality estimated from scores."""
    shown = ("window_start", "model_version", "predictions", "labelled", "auc", "accuracy", "f1", "log_loss", "reason")
    return derived_asset(spec, Derived(ESTIMATED_QUALITY, estimate_quality, shown, draw_estimate, windows=30))


def custom_metrics_for(spec: EndpointSpec) -> MonitoredTable:
    """Return the asset of the user's custom metrics."""
    shown = ("window_start", "model_version", "metric", "value", "n", "reason")
    return derived_asset(spec, Derived(CUSTOM_METRICS, measure_custom, shown, draw_custom, windows=30))
