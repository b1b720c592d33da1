"""Every table of the lake, declared once: columns, types, units, keys. Dependencies between them: ``derivations``.

The lake's Arrow schemas, the state database's tables, Dagster's column metadata, the documentation and the tests'
frames are generated from these declarations. No I/O here.
"""

from collections.abc import Mapping
from dataclasses import replace

from modelops_pipelines.core.tables.columns import Column, ColumnType, Table, column, integer, moment, number, text

_DATE = column("date", "date", "UTC day of the event time; the partition")
_IDENTITY = (
    text("prediction_id", "request id, a dash, and the row index"),
    text("request_id", "the request's id; contains its event time and a seal"),
    integer("row_index", "row index in the request, from 0"),
    moment("event_time", "when the prediction was requested"),
)
_ORIGIN = (
    text("worker", "the gateway worker that captured it"),
    integer("segment", "the spool segment that contained it"),
)

INFERENCE_LOG = Table(
    "inference_log",
    "One row per request row, answered or failed, exactly once. Each feature has a column with its own name.",
    (
        *_IDENTITY,
        moment("received_at", "when the gateway received it"),
        text("model_version?", "the version that answered; null when none did"),
        text("variant?", "champion or challenger; elsewhere: a version that others serve"),
        text("prediction?", "the predicted class or number; null where the classes of the version are unknown"),
        number(
            "score?",
            "probability of the positive class; with more than two classes, of the predicted class; of no known class "
            "where prediction is null",
        ),
        number(
            "latency_ms?",
            "from the request body read to the answer computed, capture excluded; null where others did not log it",
            "ms",
        ),
        integer("status", "HTTP status of the answer"),
        text(
            "error_code?",
            "error code of a failed request; ..._shared: the version that it is judged against fails too; not_finite: "
            "the model gave NaN or an infinite number for this row",
        ),
        text("user_id?", "the caller's user id, from X-User-Id"),
        text("session_id?", "the caller's session"),
        text("client_request_id?", "the caller's own id"),
        text("source", "live, replay, test, or elsewhere: a prediction that others made, imported or sent"),
        text("key_id?", "the API key of the request; null when the gateway has no keys"),
        column("bool", "sampled?", "false when sampling dropped the features"),
        column("bool", "truncated?", "true when the features were too large to keep"),
        text("payload_hash?", "SHA-256 of the features as JSON, when they were too large to keep"),
        text("request_params?", "the request's parameters as JSON; null when it had none, or they were not kept"),
        column("bool", "cache_hit?", "true when the answer was kept from an equal request before"),
        *_ORIGIN,
        _DATE,
    ),
    ("prediction_id",),
)
LABELS = Table(
    "labels",
    "Labels, as they arrived, and withdrawals of labels. The latest by labelled_at counts.",
    (
        text("label_id", "content hash: the same label sent twice is one row"),
        *_IDENTITY,
        text("label", "the true class or number"),
        moment("labelled_at", "when it became known"),
        moment("received_at", "when it was received"),
        text("source?", "where it came from: review, or a label source's name; null for the gateway's route"),
        text("author?", "the person who said so"),
        text("key_id?", "the API key that sent it"),
        text("withdraws?", "label_id of an earlier row that counts no longer; this row is no label itself"),
        *_ORIGIN,
        _DATE,
    ),
    ("label_id",),
)
FEEDBACK = Table(
    "feedback",
    "What people said about predictions, and deletions of what they said.",
    (
        text("feedback_id", "content hash: the same feedback sent twice is one row"),
        *_IDENTITY,
        integer("rating?", "1 (worst) to 5 (best)"),
        text("thumbs?", "up or down"),
        text("comment?", "free text"),
        text("corrected_label?", "the true class or number, as the person says"),
        text("user_id?", "user id of the person"),
        text("session_id?", "the caller's session"),
        moment("received_at", "when the gateway received it"),
        column("json", "categories?", "what it is about, as a JSON list of texts in order"),
        moment("given_at?", "when the person gave it; null: when it was received"),
        text("key_id?", "the API key that sent it"),
        text("deletes?", "feedback_id of feedback that was deleted; this row is no feedback itself"),
        *_ORIGIN,
        _DATE,
    ),
    ("feedback_id",),
)
REJECTS = Table(
    "rejects",
    "Captured lines that could not be ingested, with the reason. Nothing is dropped silently.",
    (
        text("stream", "predictions, labels or feedback"),
        integer("line", "line within the segment, from 1"),
        text("reason", "why it was rejected"),
        text("raw", "the line, at most 4,096 characters"),
        moment("rejected_at", "when it was rejected"),
        *_ORIGIN,
        _DATE,
    ),
    ("worker", "segment", "line"),
)

_WINDOW = (
    moment("window_start", "start of the hour or day of event time"),
    text("model_version", "the version that answered"),
)
_HOUR = (
    moment("window_start", "start of the hour of event time, for hourly and daily windows alike"),
    text("model_version", "the version that answered"),
)
SERVICE_METRICS = Table(
    "service_metrics",
    "Traffic, errors and latency per hour, version and variant. Longer windows are sums of hours.",
    (
        *_HOUR,
        text("variant", "champion or challenger; none when no version answered"),
        integer("requests", "requests", "requests"),
        integer("predictions", "rows answered", "rows"),
        integer("client_errors", "requests with a 4xx status", "requests"),
        integer("server_errors", "requests with a 5xx status", "requests"),
        column("json", "errors?", "failed requests by error code"),
        number("latency_sum_ms", "sum of the requests' latencies", "ms"),
        column("json", "latency_counts", "latency sketch: requests per bucket floor(ln(ms)/ln(1.02))"),
        integer("unanswered?", "rows of answered requests for which the model gave NaN or an infinite number", "rows"),
        _DATE,
    ),
    ("window_start", "model_version", "variant"),
)
PROFILES = Table(
    "profiles",
    "A mergeable profile of each column per hour and version. Longer windows are sums of hours.",
    (
        *_HOUR,
        text("column", "a feature, prediction or score"),
        text("kind", "numeric, categorical or text"),
        integer("n", "values, nulls included", "rows"),
        integer("nulls", "null values", "rows"),
        integer("infinities?", "infinite values", "rows"),
        text("bins_id", "content hash of the bins used"),
        column("ints", "counts?", "values per bin, values per category, or words per hashed bucket"),
        column("floats", "sums?", "sum of value - centre per bin; empty unless numeric"),
        number("squares?", "sum of (value - centre) squared"),
        number("minimum?", "smallest finite value"),
        number("maximum?", "largest finite value"),
        integer("other?", "values of categories outside the bins", "rows"),
        column("json", "new?", "counts of the first 50 of these categories by name"),
        _DATE,
    ),
    ("window_start", "model_version", "column"),
)
DAILY_PROFILES = Table(
    "daily_profiles",
    "Daily sums of profiles, for endpoints with daily windows. Days without a row are summed when read.",
    (
        moment("window_start", "start of the day of event time"),
        *PROFILES.columns[1:-1],
        column("date", "date", "first day of its month; the partition"),
    ),
    PROFILES.key,
)
DRIFT = Table(
    "drift",
    "Each column's distance from its reference, with the drift verdict.",
    (
        *_WINDOW,
        text("column", "a feature, prediction or score"),
        text("kind", "numeric, categorical or text"),
        text("statistic", "name of the statistic"),
        number("value?", "value of the statistic; null with a reason"),
        number("threshold?", "threshold of the value; for calibrated verdicts, the value from which it is flagged"),
        column("bool", "drifted?", "the verdict; null with a reason"),
        integer("n", "values in the window, widened if it has too few", "rows"),
        integer("n_reference", "values in the reference", "rows"),
        number("missing?", "share of missing values in the window"),
        number("missing_reference?", "share of missing values in the reference"),
        text("reason?", "why there is no value or verdict, or the reason of the verdict"),
        text("method?", "calibrated, evidently or fixed"),
        text("reference?", "the reference that the window is compared with"),
        column(
            "bool",
            "flagged?",
            "significant in this window alone; drifted when two windows in a row are flagged, or gross",
        ),
        number("p_value?", "p-value: probability of such a distance between normal windows"),
        text("channel?", "the channel that changed most: distribution, missing, range, or shift (of the last days)"),
        number("effect?", "the distance in units of the smallest relevant one"),
        number("importance?", "importance of the column for the model; all columns add up to 1"),
        text("severity?", "none, low, medium or high: effect times importance"),
        text("channels?", "all flagged channels, separated by commas"),
        integer("n_window?", "values in the window itself; fewer than n if it was widened", "rows"),
        moment("since?", "start of the drift that is under way: no window since then is a reference"),
        moment("back_since?", "since when the values seem to be back, while it is not yet over"),
        text("lasting_channel?", "the channel of that drift"),
        number("lasting_effect?", "its mean effect"),
        number("back_evidence?", "log likelihood ratio of values that are back to a drift that lasts"),
        number("shift?", "how far a day's values lie above those of earlier days, in standard deviations"),
        _DATE,
    ),
    ("window_start", "model_version", "column"),
)
WHOLE = "all"
"""The ``quality_metrics`` segment of all rows of a window; rows of earlier releases have null instead."""
QUALITY_METRICS = Table(
    "quality_metrics",
    "Quality per window and version on the labels so far, of all rows and per segment value.",
    (
        *_WINDOW,
        text("segment", "all, or a feature's name"),
        text("segment_value", "its value; (other), (null), or (not kept) when features were not kept; empty for all"),
        integer("predictions", "rows answered", "rows"),
        integer("labelled", "predictions with a label", "rows"),
        number("coverage", "labelled / predictions"),
        integer("feedback", "feedback entries", "rows"),
        integer("complaints", "feedback entries with thumbs down or a rating of 1 or 2", "rows"),
        number("accuracy?", "share of correct predictions"),
        number("precision?", "share of positive predictions that are correct"),
        number("recall?", "share of positive labels that were predicted positive"),
        number("f1?", "F1 of the positive class; with more than two classes, the unweighted mean of the classes' F1"),
        column("json", "confusion?", "labelled rows by true class, then by predicted class"),
        number("confidence?", "mean of max(score, 1 - score), or of the predicted class's score; over all rows"),
        number("base_rate?", "share of positive labels"),
        number("mean_score?", "mean score of labelled rows"),
        number("auc?", "area under the ROC curve, ties counted half"),
        number("log_loss?", "mean log-loss, scores clipped at 1e-15", "nats"),
        number("brier?", "mean squared error of the score"),
        number("brier_skill?", "1 - brier / (base_rate (1 - base_rate))"),
        number("calibration_error?", "mean distance of score and share of positives, over 10 equal bins of the score"),
        column(
            "json",
            "score_counts?",
            "labelled rows per score bin, and exact sums, so that windows merge; segment all only",
        ),
        number("mae?", "mean absolute error", "label"),
        number("rmse?", "root of the mean squared error", "label"),
        number("bias?", "mean of prediction - label", "label"),
        number("r2?", "1 - mean squared error / variance of the labels"),
        text("reason?", "why a metric is null"),
        _DATE,
    ),
    ("window_start", "model_version", "segment", "segment_value"),
)
ESTIMATED_QUALITY = Table(
    "estimated_quality",
    "Quality per window and version, estimated from scores before labels arrive (CBPE). It assumes that scores stay as "
    "calibrated as on earlier labels: it reflects changes of the inputs, but cannot detect concept drift.",
    (
        *_WINDOW,
        integer("predictions", "rows answered", "rows"),
        integer("scored", "predictions with a score, which the estimate is computed on", "rows"),
        integer("labelled", "earlier rows with score and label, which the calibration is fitted on", "rows"),
        number("auc?", "estimated area under the ROC curve"),
        number("log_loss?", "estimated log-loss", "nats"),
        number("brier?", "estimated mean squared error of the score"),
        number("accuracy?", "estimated share of correct predictions"),
        number("precision?", "estimated precision of the positive class"),
        number("recall?", "estimated recall of the positive class"),
        number("f1?", "estimated F1 of the positive class"),
        text("reason?", "why a metric is null"),
        _DATE,
    ),
    ("window_start", "model_version"),
)

KEY_USAGE = Table(
    "key_usage",
    "Usage per API key and window, test calls and replays included.",
    (
        moment("window_start", "start of the hour or day of event time"),
        text("key_id", "the API key; none for requests without a key"),
        integer("requests", "requests", "requests"),
        integer("predictions", "rows answered", "rows"),
        integer("client_errors", "requests with a 4xx status, rate limits included", "requests"),
        integer("server_errors", "requests with a 5xx status", "requests"),
        moment("last_used_at", "when the latest request was received"),
        _DATE,
    ),
    ("window_start", "key_id"),
)

CUSTOM_METRICS = Table(
    "custom_metrics",
    "Custom metrics per window and version.",
    (
        *_WINDOW,
        text("metric", "the metric's name in the endpoint's YAML"),
        number("value?", "the metric's value; null with a reason"),
        integer("n", "answered rows it was computed on", "rows"),
        text("reason?", "why there is no value"),
        _DATE,
    ),
    ("window_start", "model_version", "metric"),
)
DATA_QUALITY = Table(
    "data_quality",
    "Each window's rows in chunks of 66, compared with the days before: units, ranges, categories, nulls, dead feeds.",
    (
        *_WINDOW,
        integer("chunk", "number of the chunk in the window, from 0"),
        moment("first_event", "event time of its first row; if it failed, of the first of the two anomalous chunks"),
        integer("n", "rows", "rows"),
        column("bool", "passed?", "the verdict; null with a reason"),
        text("column?", "the most anomalous column"),
        text("channel?", "kind of anomaly: range, category, missing or constant"),
        number("value?", "share of its values that are anomalous"),
        text("flags?", "all anomalies of the chunk, one per line: column, tab, channel"),
        text("reason?", "the anomaly found, or why there is no verdict"),
        _DATE,
    ),
    ("window_start", "model_version", "chunk"),
)

SHADOW_LOG = Table(
    "shadow_log",
    "The shadow's predictions for logged requests beside the served ones. Callers never receive them.",
    (
        text("prediction_id", "the logged row"),
        moment("event_time", "when the prediction was requested"),
        text("model_version", "the shadow"),
        text("live_version", "the version that answered"),
        text("prediction?", "the shadow's prediction; null with an error, or where its classes are unknown"),
        number("score?", "the shadow's score"),
        text("live_prediction?", "the served prediction"),
        number("live_score?", "the served score"),
        column("bool", "agrees?", "whether both predictions are equal, numbers to six digits; null without one"),
        number("milliseconds?", "the shadow's time per row of its batch", "ms"),
        number(
            "live_milliseconds?", "the serving version's time per row of such a batch, measured at the same time", "ms"
        ),
        text("error?", "why the shadow failed"),
        _DATE,
    ),
    ("model_version", "prediction_id"),
)

STREAMS: Mapping[str, Table] = {"predictions": INFERENCE_LOG, "labels": LABELS, "feedback": FEEDBACK}
TRAINING_SET_COLUMNS = ("row_id", "event_time", "position")
SYSTEM_COLUMNS = frozenset((*INFERENCE_LOG.names, *TRAINING_SET_COLUMNS, "label", "window_start"))
"""Names that a feature cannot have: the other columns of tables that contain features."""


def inference_log(task: str, features: Mapping[str, ColumnType]) -> Table:
    """Return the log's table for an endpoint; every feature is nullable, and a regression's prediction is a number."""
    extra = tuple(Column(name, kind, "feature", nullable=True) for name, kind in features.items())
    return typed_for(INFERENCE_LOG, task).with_columns(extra)


def typed_for(table: Table, task: str) -> Table:
    """Return the table with predictions and labels of the task's type: text for classes, numbers for regression."""
    if task != "regression":
        return table
    numeric = {"prediction", "live_prediction", "label", "corrected_label"}
    return replace(table, columns=tuple(replace(c, type="float") if c.name in numeric else c for c in table.columns))
