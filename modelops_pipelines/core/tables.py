"""Every table, declared once: columns, types, units, keys.

The lake's Arrow schemas, the state database's tables, Dagster's column metadata, the documentation and the tests'
frames all derive from here. Nothing here reads or writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

ColumnType = Literal["text", "int", "float", "bool", "timestamp", "date", "json", "ints", "floats"]
Task = Literal["binary_classification", "multiclass", "regression"]


@dataclass(frozen=True)
class Column:
    """One column. ``json`` is kept as text; ``timestamp`` is UTC microseconds; ``ints`` and ``floats`` are lists."""

    name: str
    type: ColumnType
    about: str
    nullable: bool = False
    unit: str | None = None


@dataclass(frozen=True)
class Table:
    """One table; ``key`` identifies a row. Lake tables are partitioned by ``date``."""

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def with_columns(self, extra: tuple[Column, ...]) -> "Table":
        """Return the same table with more columns at its end."""
        return replace(self, columns=self.columns + extra)


def _column(kind: ColumnType, name: str, about: str, unit: str | None = None) -> Column:
    """Declare a column; a name that ends in ``?`` is nullable."""
    return Column(name.rstrip("?"), kind, about, nullable=name.endswith("?"), unit=unit)


def _text(name: str, about: str) -> Column:
    return _column("text", name, about)


def _int(name: str, about: str, unit: str | None = None) -> Column:
    return _column("int", name, about, unit)


def _float(name: str, about: str, unit: str | None = None) -> Column:
    return _column("float", name, about, unit)


def _time(name: str, about: str) -> Column:
    return _column("timestamp", name, about, "UTC microseconds")


_DATE = _column("date", "date", "UTC day of the event time; the partition")
_IDENTITY = (
    _text("prediction_id", "request id, a dash, the row's index"),
    _text("request_id", "one request; carries its event time and a seal"),
    _int("row_index", "row within the request, from 0"),
    _time("event_time", "when the prediction was asked for"),
)
_ORIGIN = (
    _text("worker", "the gateway worker that captured it"),
    _int("segment", "the spool segment that it came in"),
)

INFERENCE_LOG = Table(
    "inference_log",
    "Every request's rows, answered or failed, exactly once; a feature's column bears the feature's own name.",
    (
        *_IDENTITY,
        _time("received_at", "when the gateway received it"),
        _text("model_version?", "the version that answered; null when none could"),
        _text("variant?", "champion or challenger"),
        _text("prediction?", "what was answered"),
        _float("score?", "probability of the positive class, or of the class answered"),
        _float("latency_ms", "from the body read to the answer ready, before it is captured", "ms"),
        _int("status", "HTTP status of the answer"),
        _text("error_code?", "why it failed"),
        _text("user_id?", "who asked, as the caller says"),
        _text("session_id?", "the caller's session"),
        _text("client_request_id?", "the caller's own id"),
        _text("source", "live, replay or test"),
        _text("key_id?", "the key that asked; null where the gateway needs none"),
        _column("bool", "sampled?", "false where the features were left out by sampling"),
        _column("bool", "truncated?", "true where the features were too large to keep"),
        _text("payload_hash?", "SHA-256 of the features as JSON, where they were too large to keep"),
        *_ORIGIN,
        _DATE,
    ),
    ("prediction_id",),
)
LABELS = Table(
    "labels",
    "What turned out to be true, as it arrived; the latest by labelled_at counts.",
    (
        _text("label_id", "content hash: the same label twice is once"),
        *_IDENTITY,
        _text("label", "the truth"),
        _time("labelled_at", "when it became known"),
        _time("received_at", "when the gateway received it"),
        *_ORIGIN,
        _DATE,
    ),
    ("label_id",),
)
FEEDBACK = Table(
    "feedback",
    "What people said about predictions.",
    (
        _text("feedback_id", "content hash: the same feedback twice is once"),
        *_IDENTITY,
        _int("rating?", "1 (worst) to 5 (best)"),
        _text("thumbs?", "up or down"),
        _text("comment?", "free text"),
        _text("corrected_label?", "what the person says is true"),
        _text("user_id?", "who said it"),
        _text("session_id?", "the caller's session"),
        _time("received_at", "when the gateway received it"),
        *_ORIGIN,
        _DATE,
    ),
    ("feedback_id",),
)
REJECTS = Table(
    "rejects",
    "What could not become a row, and why. Nothing is dropped silently.",
    (
        _text("stream", "predictions, labels or feedback"),
        _int("line", "line within the segment, from 1"),
        _text("reason", "why"),
        _text("raw", "the line, at most 4,096 characters"),
        _time("rejected_at", "when it was rejected"),
        *_ORIGIN,
        _DATE,
    ),
    ("worker", "segment", "line"),
)

_WINDOW = (
    _time("window_start", "start of the hour or day of event time"),
    _text("model_version", "the version that answered"),
)
_HOUR = (
    _time("window_start", "start of the hour of event time, whatever the endpoint's window is"),
    _text("model_version", "the version that answered"),
)
SERVICE_METRICS = Table(
    "service_metrics",
    "Traffic, failures and latency an hour, version and variant; any longer window is their sum.",
    (
        *_HOUR,
        _text("variant", "champion or challenger; none when nothing could answer"),
        _int("requests", "requests", "requests"),
        _int("predictions", "rows answered", "rows"),
        _int("client_errors", "requests refused as wrong (4xx)", "requests"),
        _int("server_errors", "requests that we failed (5xx)", "requests"),
        _column("json", "errors?", "requests that failed by error code"),
        _float("latency_sum_ms", "sum over requests", "ms"),
        _column("json", "latency_counts", "requests by bucket floor(ln(ms)/ln(1.02))"),
        _DATE,
    ),
    ("window_start", "model_version", "variant"),
)
PROFILES = Table(
    "profiles",
    "A mergeable summary of each column an hour and version; any longer window is their sum.",
    (
        *_HOUR,
        _text("column", "feature, or prediction, or score"),
        _text("kind", "numeric, categorical or text"),
        _int("n", "values, nulls among them", "rows"),
        _int("nulls", "nulls among them", "rows"),
        _int("infinities?", "infinities among them", "rows"),
        _text("bins_id", "content hash of the bins that it was counted on"),
        _column("ints", "counts?", "values a bin, or a category of the bins, or words a hashed bucket"),
        _column("floats", "sums?", "sum of value - centre a bin; empty unless numeric"),
        _float("squares?", "sum of (value - centre) squared"),
        _float("minimum?", "least finite value"),
        _float("maximum?", "greatest finite value"),
        _int("other?", "values of categories that the bins do not list", "rows"),
        _column("json", "new?", "of these, the first 50 categories by name, with their counts"),
        _DATE,
    ),
    ("window_start", "model_version", "column"),
)
DRIFT = Table(
    "drift",
    "Each column's distance from its reference, and the verdict on it.",
    (
        *_WINDOW,
        _text("column", "feature, or prediction, or score"),
        _text("kind", "numeric, categorical or text"),
        _text("statistic", "what was measured"),
        _float("value?", "the statistic; null with a reason"),
        _float("threshold?", "what it is held against; calibrated, the value at which it would just have been flagged"),
        _column("bool", "drifted?", "the verdict; null with a reason"),
        _int("n", "values in the window", "rows"),
        _int("n_reference", "values in the reference", "rows"),
        _float("missing?", "share of nulls in the window"),
        _float("missing_reference?", "share of nulls in the reference"),
        _text("reason?", "why there is no value or no verdict, or what else decided it"),
        _text("method?", "calibrated, evidently or fixed"),
        _text("reference?", "what the window was held against"),
        _column("bool", "flagged?", "beyond chance in this window; drifted when it lasts or is gross"),
        _float("p_value?", "chance of such a distance between ordinary windows"),
        _text("channel?", "what moved most: distribution, missing or range"),
        _float("effect?", "the distance in units of the smallest that matters"),
        _float("importance?", "how much the model's answers hang on the column; all columns' add up to 1"),
        _text("severity?", "none, low, medium or high: effect times importance"),
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
        _text("segment", "all, or a feature's name"),
        _text("segment_value", "its value, or (other), (null), (not kept) where features were left out; empty for all"),
        _int("predictions", "rows answered", "rows"),
        _int("labelled", "of these, with a label", "rows"),
        _float("coverage", "labelled / predictions"),
        _int("feedback", "pieces of feedback", "rows"),
        _int("complaints", "of these thumbs down, or rated 1 or 2", "rows"),
        _float("accuracy?", "share answered right"),
        _float("precision?", "share of the answers of the positive class that are right"),
        _float("recall?", "share of the positive class that is answered so"),
        _float("f1?", "2 hits / (answers + labels) of the positive class; of more classes the plain mean of theirs"),
        _column("json", "confusion?", "labelled rows by true class, then by answer"),
        _float("confidence?", "mean of max(score, 1 - score), or of the answer's score; of all rows, labelled or not"),
        _float("base_rate?", "share of positives among the labels"),
        _float("mean_score?", "mean score of the labelled"),
        _float("auc?", "area under the ROC curve, ties counted half"),
        _float("log_loss?", "mean log-loss, scores clipped at 1e-15", "nats"),
        _float("brier?", "mean squared error of the score"),
        _float("brier_skill?", "1 - brier / (base_rate (1 - base_rate))"),
        _float("calibration_error?", "mean distance of score and share of positives, over 10 equal bins of the score"),
        _column(
            "json", "score_counts?", "labelled rows by score bin, and exact sums, so that windows merge; of all rows"
        ),
        _float("mae?", "mean absolute error", "label"),
        _float("rmse?", "root of the mean squared error", "label"),
        _float("bias?", "mean of prediction - label", "label"),
        _float("r2?", "1 - mean squared error / variance of the labels"),
        _text("reason?", "why a metric is null"),
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
        _int("predictions", "rows answered", "rows"),
        _int("scored", "of these, with a score: what the estimate is of", "rows"),
        _int("labelled", "earlier rows with score and label, which the calibration rests on", "rows"),
        _float("auc?", "expected area under the ROC curve"),
        _float("log_loss?", "expected log-loss", "nats"),
        _float("brier?", "expected mean squared error of the score"),
        _float("accuracy?", "expected share answered right"),
        _float("precision?", "expected precision of the positive class"),
        _float("recall?", "expected recall of the positive class"),
        _float("f1?", "expected f1 of the positive class"),
        _text("reason?", "why a metric is null"),
        _DATE,
    ),
    ("window_start", "model_version"),
)

KEY_USAGE = Table(
    "key_usage",
    "What each key asked for a window; test calls and replays count too.",
    (
        _time("window_start", "start of the hour or day of event time"),
        _text("key_id", "the key; none where the gateway needed none"),
        _int("requests", "requests", "requests"),
        _int("predictions", "rows answered", "rows"),
        _int("client_errors", "requests refused as wrong or over a limit (4xx)", "requests"),
        _int("server_errors", "requests that we failed (5xx)", "requests"),
        _time("last_used_at", "latest of them, as received"),
        _DATE,
    ),
    ("window_start", "key_id"),
)

CUSTOM_METRICS = Table(
    "custom_metrics",
    "The user's own metrics a window and version.",
    (
        *_WINDOW,
        _text("metric", "its name in the endpoint's YAML"),
        _float("value?", "what it came to; null with a reason"),
        _int("n", "answered rows that it was computed on", "rows"),
        _text("reason?", "why there is no value"),
        _DATE,
    ),
    ("window_start", "model_version", "metric"),
)
DATA_QUALITY = Table(
    "data_quality",
    "The newest requests of a window, a hundred at a time, against the days before: units, ranges, categories, nulls.",
    (
        *_WINDOW,
        _int("chunk", "its place in the window, from 0"),
        _time("first_event", "event time of its first row"),
        _int("n", "rows", "rows"),
        _column("bool", "passed?", "the verdict; null with a reason"),
        _text("column?", "the column that is oddest"),
        _text("channel?", "how: range, category or missing"),
        _float("value?", "share of its values that are odd"),
        _text("flags?", "all that is unlike the days before, lasting or not: column, tab, channel; a line each"),
        _text("reason?", "what was found, or why there is no verdict"),
        _DATE,
    ),
    ("window_start", "model_version", "chunk"),
)

LAKE = (
    INFERENCE_LOG,
    LABELS,
    FEEDBACK,
    REJECTS,
    SERVICE_METRICS,
    PROFILES,
    DRIFT,
    DATA_QUALITY,
    QUALITY_METRICS,
    ESTIMATED_QUALITY,
    CUSTOM_METRICS,
    KEY_USAGE,
)
HOURLY = frozenset({SERVICE_METRICS.name, PROFILES.name})
"""Tables whose rows are of hours whatever the endpoint's window is."""
STREAMS: Mapping[str, Table] = {"predictions": INFERENCE_LOG, "labels": LABELS, "feedback": FEEDBACK}
TRAINING_SET_COLUMNS = ("row_id", "event_time", "position")
SYSTEM_COLUMNS = frozenset((*INFERENCE_LOG.names, *TRAINING_SET_COLUMNS, "label", "window_start"))
"""Names that a feature may not bear: those of the tables that hold features' own columns."""

_AT = _time("at", "when")
_ENDPOINT = _text("endpoint", "the endpoint")

STATE = (
    Table("settings", "What this installation knows.", (_text("name", "what"), _text("value", "its value")), ("name",)),
    Table(
        "model_versions",
        "What the gateway needs of a registered version, so that serving does not need the registry.",
        (
            _text("model_name", "registered model"),
            _text("version", "its version"),
            _text("artifact_uri", "where its files are"),
            _column("json", "inputs", "the signature's inputs: name to type"),
            _column("json", "classes", "class names in the order of the probabilities; null in JSON when none"),
            _text("training_set?", "content hash of the set it was trained on"),
            _text("run_id?", "MLflow run that logged it"),
            _time("registered_at", "when it was recorded here"),
            _text("output", "what its answers are: probabilities, scores, labels or unknown"),
            _text("files_hash?", "SHA-256 of its files when it was recorded; null when recorded by an older release"),
            _column("bool", "trained_here?", "true when the endpoint's own trainer made it here"),
        ),
        ("model_name", "version"),
    ),
    Table(
        "desired_state",
        "What each endpoint should serve now.",
        (
            _ENDPOINT,
            _int("generation", "grows by one with each change"),
            _column("json", "variants", "list of version, role and share (percent)"),
            _AT,
        ),
        ("endpoint",),
    ),
    Table(
        "events",
        "What happened to an endpoint: appended only, each row sealed by the hash of the one before.",
        (
            _int("number", "from 1, without gaps"),
            _ENDPOINT,
            _AT,
            _text("actor", "who"),
            _text("action", "deploy, promote or rollback"),
            _text("from_version?", "champion before"),
            _text("to_version", "the version acted on"),
            _int("generation", "of the desired state that it made"),
            _text("reason", "why"),
            _column("json", "evidence", "numbers it was based on"),
            _text("previous_hash", "hash of the event before"),
            _text("hash", "SHA-256 of this event with previous_hash"),
        ),
        ("number",),
    ),
    Table(
        "workers",
        "The gateway's processes.",
        (_text("worker", "its name"), _text("address", "where it listens"), _time("heartbeat", "last sign of life")),
        ("worker",),
    ),
    Table(
        "acknowledgements",
        "Which generation each worker serves.",
        (
            _text("worker", "its name"),
            _ENDPOINT,
            _int("generation", "taken over, or refused"),
            _text("error?", "why it could not"),
            _AT,
        ),
        ("worker", "endpoint"),
    ),
    Table(
        "touched_windows",
        "Windows that a derived table must compute again.",
        (
            _int("id", "order of marking"),
            _ENDPOINT,
            _text("consumer", "the derived table"),
            _time("window_start", "the window"),
        ),
        ("id",),
    ),
    Table(
        "progress",
        "How far an endpoint's data reaches.",
        (
            _ENDPOINT,
            _column("timestamp", "watermark?", "latest event time in the log"),
            _int("predictions", "rows in the log", "rows"),
            _int("labels", "rows in labels", "rows"),
            _AT,
        ),
        ("endpoint",),
    ),
    Table(
        "alerts",
        "One row a matter: however often a rule fires, at most one of its alerts is open.",
        (
            _int("id", "its number"),
            _ENDPOINT,
            _text("rule", "the alert rule's name"),
            _text("status", "open or resolved"),
            _text("severity", "warning or error"),
            _text("message", "what is wrong, with its numbers"),
            _int("count", "how often the rule failed while open"),
            _int("passes", "how often in a row it has passed since"),
            _time("opened_at", "first failure"),
            _time("last_seen_at", "latest failure"),
            _column("timestamp", "resolved_at?", "when it passed often enough"),
            _text("opened_window", "start of the window that failed first"),
            _text("data_window", "start of the window that failed last"),
        ),
        ("id",),
    ),
    Table(
        "training_sets",
        "Immutable tables that versions were trained on.",
        (
            _ENDPOINT,
            _text("content_hash", "SHA-256 of the rows in order"),
            _text("base_hash?", "the set that it extends"),
            _int("rows", "rows", "rows"),
            _int("labels_seen", "labels in the lake when it was built", "rows"),
            _column("timestamp", "watermark?", "latest event time when it was built"),
            _AT,
        ),
        ("endpoint", "content_hash"),
    ),
    Table(
        "gates",
        "Verdicts on candidates, bound to version, data and gate.",
        (
            _ENDPOINT,
            _text("version", "the candidate"),
            _text("champion?", "held against"),
            _text("data_hash", "of the rows judged on"),
            _text("gate_hash", "of the gate's configuration"),
            _text("verdict", "pass, fail or not enough evidence"),
            _column("json", "numbers", "every number it rests on"),
            _AT,
        ),
        ("endpoint", "version", "data_hash", "gate_hash"),
    ),
    Table(
        "retrainings",
        "When retraining was started, and on what data.",
        (
            _int("id", "its number"),
            _ENDPOINT,
            _AT,
            _column("timestamp", "watermark?", "latest event time at the start"),
            _text("reason", "the signal, with its numbers"),
            _text("training_set?", "what was built"),
            _text("version?", "what was trained"),
        ),
        ("id",),
    ),
    Table(
        "keys",
        "Who may call the gateway. A key itself is shown once and never kept.",
        (
            _text("key_id", "the part of the key that names it"),
            _text("name", "whose it is"),
            _text("mode", "live or test"),
            _column("json", "roles", "predict, read, operate, admin"),
            _column("json", "endpoints", "the endpoints that it is for; null in JSON for all"),
            _text("digest", "SHA-256 of the whole key"),
            _time("created_at", "when"),
            _text("created_by", "who made it"),
            _column("timestamp", "expires_at?", "refused from then on"),
            _column("timestamp", "revoked_at?", "refused since"),
            _text("replaces?", "the key that it was made for by rotation"),
        ),
        ("key_id",),
    ),
    Table(
        "erasures",
        "Whose data was erased, and what that took: the subject itself is kept as a sealed hash only.",
        (
            _int("id", "its number"),
            _ENDPOINT,
            _text("subject", "HMAC-SHA-256 of the user's id under this installation's secret"),
            _AT,
            _text("actor", "who asked for it"),
            _column("timestamp", "finished_at?", "when nothing was left"),
            _column("json", "rows", "rows erased, by table"),
            _column("json", "training_sets", "frozen sets that still hold rows of the subject: content hash to rows"),
        ),
        ("id",),
    ),
)


def inference_log(task: str, features: Mapping[str, ColumnType]) -> Table:
    """Return the log's table for an endpoint; every feature is nullable, and a regression's prediction is a number."""
    extra = tuple(Column(name, kind, "feature", nullable=True) for name, kind in features.items())
    return typed_for(INFERENCE_LOG, task).with_columns(extra)


def typed_for(table: Table, task: str) -> Table:
    """Return the table with predictions and labels of the task's type: text for classes, numbers for regression."""
    if task != "regression":
        return table
    numeric = {"prediction", "label", "corrected_label"}
    return replace(table, columns=tuple(replace(c, type="float") if c.name in numeric else c for c in table.columns))
