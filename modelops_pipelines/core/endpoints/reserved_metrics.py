"""The columns that ``modelops metrics`` shows per window and version. Custom metrics cannot have these names."""

KEY_COLUMNS = ("window_start", "model_version", "variant")
TRAFFIC = (
    "requests",
    "predictions",
    "unanswered",
    "client_errors",
    "server_errors",
    "error_rate",
    "availability",
    "throughput",
    "errors",
    "latency_mean_ms",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
)
QUALITY = ("labelled", "coverage", "accuracy", "f1", "auc", "log_loss", "brier_skill", "mae", "rmse")
ESTIMATED = "estimated_auc"
RESERVED = frozenset((*KEY_COLUMNS, *TRAFFIC, *QUALITY, ESTIMATED))
"""Names that a custom metric cannot have."""
