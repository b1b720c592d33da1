"""Every table of the lake, declared once: columns, types, units, keys. Which derives from which: ``derivations``.

The lake's Arrow schemas, the state database's tables, Dagster's column metadata, the documentation and the tests'
frames all derive from here. Nothing here reads or writes.
"""

from collections.abc import Mapping
from dataclasses import replace

from modelops_pipelines.core.tables.columns import Column, ColumnType, Table, column, integer, moment, number, text

_DATE = column("date", "date", "UTC day of the event time; the partition")
_IDENTITY = (
    text("prediction_id", "request id, a dash, the row's index"),
    text("request_id", "one request; carries its event time and a seal"),
    integer("row_index", "row within the request, from 0"),
    moment("event_time", "when the prediction was asked for"),
)
_ORIGIN = (
    text("worker", "the gateway worker that captured it"),
    integer("segment", "the spool segment that it came in"),
)

INFERENCE_LOG = Table(
    "inference_log",
    "Every request's rows, answered or failed, exactly once; a feature's column bears the feature's own name.",
    (
        *_IDENTITY,
        moment("received_at", "when the gateway received it"),
        text("model_version?", "the version that answered; null when none could"),
        text("variant?", "champion or challenger"),
        text("prediction?", "what was answered"),
        number("score?", "probability of the positive class, or of the class answered"),
        number("latency_ms", "from the body read to the answer ready, before it is captured", "ms"),
        integer("status", "HTTP status of the answer"),
        text("error_code?", "why it failed"),
        text("user_id?", "who asked, as the caller says"),
        text("session_id?", "the caller's session"),
        text("client_request_id?", "the caller's own id"),
        text("source", "live, replay or test"),
        text("key_id?", "the key that asked; null where the gateway needs none"),
        column("bool", "sampled?", "false where the features were left out by sampling"),
        column("bool", "truncated?", "true where the features were too large to keep"),
        text("payload_hash?", "SHA-256 of the features as JSON, where they were too large to keep"),
        *_ORIGIN,
        _DATE,
    ),
    ("prediction_id",),
)
LABELS = Table(
    "labels",
    "What turned out to be true, as it arrived; the latest by labelled_at counts.",
    (
        text("label_id", "content hash: the same label twice is once"),
        *_IDENTITY,
        text("label", "the truth"),
        moment("labelled_at", "when it became known"),
        moment("received_at", "when the gateway received it"),
        *_ORIGIN,
        _DATE,
    ),
    ("label_id",),
)
FEEDBACK = Table(
    "feedback",
    "What people said about predictions.",
    (
        text("feedback_id", "content hash: the same feedback twice is once"),
        *_IDENTITY,
        integer("rating?", "1 (worst) to 5 (best)"),
        text("thumbs?", "up or down"),
        text("comment?", "free text"),
        text("corrected_label?", "what the person says is true"),
        text("user_id?", "who said it"),
        text("session_id?", "the caller's session"),
        moment("received_at", "when the gateway received it"),
        *_ORIGIN,
        _DATE,
    ),
    ("feedback_id",),
)
REJECTS = Table(
    "rejects",
    "What could not become a row, and why. Nothing is dropped silently.",
    (
        text("stream", "predictions, labels or feedback"),
        integer("line", "line within the segment, from 1"),
        text("reason", "why"),
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
    moment("window_start", "start of the hour of event time, whatever the endpoint's window is"),
    text("model_version", "the version that answered"),
)
SERVICE_METRICS = Table(
    "service_metrics",
    "Traffic, failures and latency an hour, version and variant; any longer window is their sum.",
    (
        *_HOUR,
        text("variant", "champion or challenger; none when nothing could answer"),
        integer("requests", "requests", "requests"),
        integer("predictions", "rows answered", "rows"),
        integer("client_errors", "requests refused as wrong (4xx)", "requests"),
        integer("server_errors", "requests that we failed (5xx)", "requests"),
        column("json", "errors?", "requests that failed by error code"),
        number("latency_sum_ms", "sum over requests", "ms"),
        column("json", "latency_counts", "requests by bucket floor(ln(ms)/ln(1.02))"),
        _DATE,
    ),
    ("window_start", "model_version", "variant"),
)
PROFILES = Table(
    "profiles",
    "A mergeable summary of each column an hour and version; any longer window is their sum.",
    (
        *_HOUR,
        text("column", "feature, or prediction, or score"),
        text("kind", "numeric, categorical or text"),
        integer("n", "values, nulls among them", "rows"),
        integer("nulls", "nulls among them", "rows"),
        integer("infinities?", "infinities among them", "rows"),
        text("bins_id", "content hash of the bins that it was counted on"),
        column("ints", "counts?", "values a bin, or a category of the bins, or words a hashed bucket"),
        column("floats", "sums?", "sum of value - centre a bin; empty unless numeric"),
        number("squares?", "sum of (value - centre) squared"),
        number("minimum?", "least finite value"),
        number("maximum?", "greatest finite value"),
        integer("other?", "values of categories that the bins do not list", "rows"),
        column("json", "new?", "of these, the first 50 categories by name, with their counts"),
        _DATE,
    ),
    ("window_start", "model_version", "column"),
)
DAILY_PROFILES = Table(
    "daily_profiles",
    "The sum of each day's hours in profiles, where window is day. A day that has none is summed when it is read.",
    (
        moment("window_start", "start of the day of event time"),
        *PROFILES.columns[1:-1],
        column("date", "date", "first day of its month; the partition"),
    ),
    PROFILES.key,
)
DRIFT = Table(
    "drift",
    "Each column's distance from its reference, and the verdict on it.",
    (
        *_WINDOW,
        text("column", "feature, or prediction, or score"),
        text("kind", "numeric, categorical or text"),
        text("statistic", "what was measured"),
        number("value?", "the statistic; null with a reason"),
        number("threshold?", "what it is held against; calibrated, the value at which it would just have been flagged"),
        column("bool", "drifted?", "the verdict; null with a reason"),
        integer("n", "values in the window", "rows"),
        integer("n_reference", "values in the reference", "rows"),
        number("missing?", "share of nulls in the window"),
        number("missing_reference?", "share of nulls in the reference"),
        text("reason?", "why there is no value or no verdict, or what else decided it"),
        text("method?", "calibrated, evidently or fixed"),
        text("reference?", "what the window was held against"),
        column("bool", "flagged?", "beyond chance in this window; drifted when it lasts or is gross"),
        number("p_value?", "chance of such a distance between ordinary windows"),
        text("channel?", "what moved most: distribution, missing or range"),
        number("effect?", "the distance in units of the smallest that matters"),
        number("importance?", "how much the model's answers hang on the column; all columns' add up to 1"),
        text("severity?", "none, low, medium or high: effect times importance"),
        text("channels?", "all channels that were flagged, with commas between"),
        integer("n_window?", "of the values, those in the window itself: fewer where it was widened", "rows"),
        _DATE,
    ),
    ("window_start", "model_version", "column"),
)
WHOLE = "all"
"""The segment of ``quality_metrics`` that is all rows of a window; rows of earlier releases have null there."""
QUALITY_METRICS = Table(
    "quality_metrics",
    "Quality a window and version on the labels that have arrived, of all rows and of each value of the segments.",
    (
        *_WINDOW,
        text("segment", "all, or a feature's name"),
        text("segment_value", "its value, or (other), (null), (not kept) where features were left out; empty for all"),
        integer("predictions", "rows answered", "rows"),
        integer("labelled", "of these, with a label", "rows"),
        number("coverage", "labelled / predictions"),
        integer("feedback", "pieces of feedback", "rows"),
        integer("complaints", "of these thumbs down, or rated 1 or 2", "rows"),
        number("accuracy?", "share answered right"),
        number("precision?", "share of the answers of the positive class that are right"),
        number("recall?", "share of the positive class that is answered so"),
        number("f1?", "2 hits / (answers + labels) of the positive class; of more classes the plain mean of theirs"),
        column("json", "confusion?", "labelled rows by true class, then by answer"),
        number("confidence?", "mean of max(score, 1 - score), or of the answer's score; of all rows, labelled or not"),
        number("base_rate?", "share of positives among the labels"),
        number("mean_score?", "mean score of the labelled"),
        number("auc?", "area under the ROC curve, ties counted half"),
        number("log_loss?", "mean log-loss, scores clipped at 1e-15", "nats"),
        number("brier?", "mean squared error of the score"),
        number("brier_skill?", "1 - brier / (base_rate (1 - base_rate))"),
        number("calibration_error?", "mean distance of score and share of positives, over 10 equal bins of the score"),
        column(
            "json", "score_counts?", "labelled rows by score bin, and exact sums, so that windows merge; of all rows"
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
    "Quality a window and version as the scores alone let one expect it (CBPE), before labels arrive. It holds as long "
    "as a score means what it meant on earlier labels: it follows changes of the inputs, and cannot see concept drift.",
    (
        *_WINDOW,
        integer("predictions", "rows answered", "rows"),
        integer("scored", "of these, with a score: what the estimate is of", "rows"),
        integer("labelled", "earlier rows with score and label, which the calibration rests on", "rows"),
        number("auc?", "expected area under the ROC curve"),
        number("log_loss?", "expected log-loss", "nats"),
        number("brier?", "expected mean squared error of the score"),
        number("accuracy?", "expected share answered right"),
        number("precision?", "expected precision of the positive class"),
        number("recall?", "expected recall of the positive class"),
        number("f1?", "expected f1 of the positive class"),
        text("reason?", "why a metric is null"),
        _DATE,
    ),
    ("window_start", "model_version"),
)

KEY_USAGE = Table(
    "key_usage",
    "What each key asked for a window; test calls and replays count too.",
    (
        moment("window_start", "start of the hour or day of event time"),
        text("key_id", "the key; none where the gateway needed none"),
        integer("requests", "requests", "requests"),
        integer("predictions", "rows answered", "rows"),
        integer("client_errors", "requests refused as wrong or over a limit (4xx)", "requests"),
        integer("server_errors", "requests that we failed (5xx)", "requests"),
        moment("last_used_at", "latest of them, as received"),
        _DATE,
    ),
    ("window_start", "key_id"),
)

CUSTOM_METRICS = Table(
    "custom_metrics",
    "The user's own metrics a window and version.",
    (
        *_WINDOW,
        text("metric", "its name in the endpoint's YAML"),
        number("value?", "what it came to; null with a reason"),
        integer("n", "answered rows that it was computed on", "rows"),
        text("reason?", "why there is no value"),
        _DATE,
    ),
    ("window_start", "model_version", "metric"),
)
DATA_QUALITY = Table(
    "data_quality",
    "The newest requests of a window, 66 at a time, against the days before: units, ranges, categories, nulls.",
    (
        *_WINDOW,
        integer("chunk", "its place in the window, from 0"),
        moment(
            "first_event", "event time of its first row; where it failed, of the first of the two pieces that are odd"
        ),
        integer("n", "rows", "rows"),
        column("bool", "passed?", "the verdict; null with a reason"),
        text("column?", "the column that is oddest"),
        text("channel?", "how: range, category or missing"),
        number("value?", "share of its values that are odd"),
        text("flags?", "all that is unlike the days before, lasting or not: column, tab, channel; a line each"),
        text("reason?", "what was found, or why there is no verdict"),
        _DATE,
    ),
    ("window_start", "model_version", "chunk"),
)

SHADOW_LOG = Table(
    "shadow_log",
    "What the shadow says to logged requests beside what was answered; it reached no caller.",
    (
        text("prediction_id", "the logged row"),
        moment("event_time", "when the prediction was asked for"),
        text("model_version", "the shadow"),
        text("live_version", "the version that answered"),
        text("prediction?", "what the shadow says; null with an error"),
        number("score?", "the shadow's score"),
        text("live_prediction?", "what was answered"),
        number("live_score?", "the score of the answer"),
        column("bool", "agrees?", "the same answer, numbers to six digits; null with an error"),
        number("milliseconds?", "what a row of the shadow's batch took", "ms"),
        number("live_milliseconds?", "what it took the version that answered, asked for such a batch then", "ms"),
        text("error?", "why the shadow has no answer"),
        _DATE,
    ),
    ("model_version", "prediction_id"),
)

STREAMS: Mapping[str, Table] = {"predictions": INFERENCE_LOG, "labels": LABELS, "feedback": FEEDBACK}
TRAINING_SET_COLUMNS = ("row_id", "event_time", "position")
SYSTEM_COLUMNS = frozenset((*INFERENCE_LOG.names, *TRAINING_SET_COLUMNS, "label", "window_start"))
"""Names that a feature may not bear: those of the tables that hold features' own columns."""


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
