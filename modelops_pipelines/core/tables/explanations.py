"""The tables of explanations: of single predictions, by column and window, and of their drift."""

from modelops_pipelines.core.tables.columns import Table, column, integer, moment, number, text

_DATE = column("date", "date", "UTC day of the event time; the partition")

EXPLANATIONS = Table(
    "explanations",
    "What each column contributed to sampled predictions: base_value plus all contributions is value.",
    (
        text("prediction_id", "the explained row of the log"),
        moment("event_time", "when the prediction was requested"),
        text("model_version", "the version that answered, and was asked again"),
        text("method?", "tree, linear or permutation; null with a reason"),
        text(
            "scale?",
            "what contributions add up to: probability or log-odds of the class, the predicted number (prediction), "
            "its logarithm (log), or the value from which the library makes its answer (margin)",
        ),
        text("class_name?", "the class whose probability, log-odds or margin is explained"),
        number("value?", "the explained value"),
        number(
            "base_value?", "the value that the contributions start from: the mean of the reference rows, or of trees"
        ),
        column("json", "contributions?", "contribution by column"),
        column("json", "standard_errors?", "standard error of each contribution; null where the method is exact"),
        moment("explained_at", "when it was explained"),
        text("reason?", "why there is no explanation"),
        _DATE,
    ),
    ("model_version", "prediction_id"),
)
_WINDOW = (
    moment("window_start", "start of the hour or day of event time"),
    text("model_version", "the version that answered"),
)
ATTRIBUTIONS = Table(
    "attributions",
    "What each column contributed to the explained predictions of a window.",
    (
        *_WINDOW,
        text("column", "a feature"),
        integer("n", "explained predictions", "rows"),
        number("mean_absolute", "mean of the contributions' absolute values, on the scale"),
        number("mean", "mean contribution, on the scale"),
        number("share?", "mean_absolute / its sum over all columns; null where no column contributes anything"),
        number(
            "share_reference?", "the share among the reference rows of the version; null while these are unexplained"
        ),
        integer("rank", "1 for the column that contributes most"),
        text("method", "tree, linear or permutation"),
        text("scale", "what contributions add up to, as in explanations"),
        _DATE,
    ),
    ("window_start", "model_version", "column"),
)
ATTRIBUTION_DRIFT = Table(
    "attribution_drift",
    "How far the columns' shares in a window's predictions are from those among the version's reference rows.",
    (
        *_WINDOW,
        integer("n", "explained predictions", "rows"),
        integer("n_reference", "explained reference rows", "rows"),
        number("distance?", "half the sum of the shares' absolute differences: from 0 to 1; null with a reason"),
        number("noise?", "the distance that 1 of 1,000 random divisions of all these rows exceeds"),
        number("excess?", "distance - noise, 0 where it is less: what the alert rule attribution_drift judges"),
        number("p_value?", "share of random divisions with at least this distance"),
        text("column?", "the column whose share changed most"),
        number("change?", "by how much its share changed"),
        text("reference?", "the reference rows that the window is compared with"),
        text("reason?", "why there is no distance"),
        _DATE,
    ),
    ("window_start", "model_version"),
)
