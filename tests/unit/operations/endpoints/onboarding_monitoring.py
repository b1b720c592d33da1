"""What an endpoint watches, in YAML, right and wrong, with the message that each fault must give."""

from tests.unit.operations.endpoints.onboarding_files import MINIMAL

WATCHED = f"""\
{MINIMAL}\
  segments: [carrier, origin]
  drift: {{method: evidently, reference: training, days: 14, minimum: 500}}
  metrics:
    - {{name: mean_score, sql: metrics/mean_score.sql}}
    - {{name: late_share, function: demo.metrics:late_share}}
  alerts:
    - {{kind: metric, metric: late_share, above: 0.4, minimum: 50}}
    - {{kind: estimated_quality, metric: auc, below: 0.6}}
    - {{kind: data_quality}}
"""
METRICS = "def late_share(frame):\n    return frame.prediction.mean()\n\n\ndef two(frame, context): ...\n"
QUERIES = {
    "mean_score": "SELECT avg(score) FROM predictions\n",
    "empty": "\n",
    "typo": "-- late\nSELEC avg(scor) FORM predictions\n",
    "comment": "-- nothing yet\n",
    "two": "SELECT 1; SELECT 2",
    "writes": "CREATE TABLE a AS SELECT 1",
}
_FIX = "Set either 'sql', a file with one SELECT, or 'function', module:function"
_SELECT = "Write one SELECT of one number FROM predictions, such as SELECT avg(score) FROM predictions"

# Lines that follow the minimal file: the first of them is line 7.
MONITORING_LINES = {
    "a segment twice": (
        "segments: [carrier, carrier]",
        "7: segments[1]: duplicates segments[0]. Keep one of them",
    ),
    "a segment that is not kept": (
        "segments: [tail]\ncapture: {redact: [tail]}",
        (
            "7: segments[0]: 'tail' is one of 'capture.redact', and a redacted feature cannot be a segment. "
            "Remove it here, or from 'capture.redact'"
        ),
    ),
    "too many segments": (
        f"segments: [{', '.join('abcdefghijk')}]",
        "7: segments: lists 11, and each is measured in every window. Keep at most 10",
    ),
    "an unknown method": (
        "drift: {method: calibratd}",
        "7: drift.method: 'calibratd' is not a valid value. Did you mean 'calibrated'?",
    ),
    "an unknown reference": (
        "drift: {reference: yesterday}",
        "7: drift.reference: 'yesterday' is not a valid value. Use one of: rolling, training",
    ),
    "too few days": (
        "drift: {days: 3}",
        "7: drift.days: must be from 7 to 366, and is 3. Set the length of the reference in days, such as 28",
    ),
    "a verdict on nothing": (
        "drift: {minimum: 0}",
        "7: drift.minimum: must be at least 1, and is 0. Set the fewest rows for a verdict, such as 1000",
    ),
    "a metric without name": (
        "metrics: [{sql: metrics/mean_score.sql}]",
        "7: metrics[0].name: is missing. Add 'name', such as 'name: late_share'",
    ),
    "a metric of a strange name": (
        "metrics: [{name: Late share, sql: metrics/mean_score.sql}]",
        "7: metrics[0].name: 'Late share' is not a valid metric name. Use up to 63 of a-z, 0-9 and _, starting with a letter",
    ),
    "a metric twice": (
        "metrics:\n    - {name: a, sql: metrics/mean_score.sql}\n    - {name: a, sql: metrics/mean_score.sql}",
        "9: metrics[1].name: duplicates metrics[0]. Rename one of them",
    ),
    "a metric of nothing": ("metrics: [{name: a}]", f"7: metrics[0]: has neither 'sql' nor 'function'. {_FIX}"),
    "a metric of two": (
        "metrics: [{name: a, sql: x.sql, function: 'm:f'}]",
        f"7: metrics[0]: has both 'sql' and 'function'. {_FIX}",
    ),
    "a metric's function without module": (
        "metrics: [{name: a, function: late_share}]",
        (
            "7: metrics[0].function: 'late_share' is not of the form module:function. "
            "Write it as module:function, such as my_metrics:late_share"
        ),
    ),
    "a metric's function that is not there": (
        "metrics: [{name: a, function: 'demo.metrics:late_shar'}]",
        (
            "7: metrics[0].function: demo/metrics.py defines no function 'late_shar' at its top level. "
            "Did you mean 'late_share'?"
        ),
    ),
    "a metric's function of two": (
        "metrics: [{name: a, function: 'demo.metrics:two'}]",
        (
            "7: metrics[0].function: demo/metrics.py:5 cannot be called with one positional argument. "
            "Write 'def two(frame)'"
        ),
    ),
    "a metric's empty file": (
        "metrics: [{name: a, sql: metrics/empty.sql}]",
        (f"7: metrics[0].sql: metrics/empty.sql is empty. {_SELECT}"),
    ),
    **{
        f"a metric's file that is {found or 'nothing'}": (
            f"metrics: [{{name: a, sql: metrics/{name}.sql}}]",
            f"7: metrics[0].sql: metrics/{name}.sql is not one SELECT (found: {found or 'nothing'}). {_SELECT}",
        )
        for name, found in {"two": "SELECT, SELECT", "writes": "CREATE", "comment": ""}.items()
    },
    "a metric's file with a typo": (
        "metrics: [{name: a, sql: metrics/typo.sql}]",
        (
            '7: metrics[0].sql: metrics/typo.sql is no SQL: Parser Error: syntax error at or near "SELEC" (line 2). '
            f"{_SELECT}"
        ),
    ),
    **{
        f"a metric named like the column {name}": (
            f"metrics: [{{name: {name}, sql: metrics/mean_score.sql}}]",
            (
                f"7: metrics[0].name: '{name}' is a built-in column of 'modelops metrics'. "
                f"Use another name, such as 'own_{name}'"
            ),
        )
        for name in ("requests", "auc", "estimated_auc", "window_start")
    },
    "a rule on no metric": (
        "metrics: [{name: a, sql: metrics/mean_score.sql}]\nalerts: [{kind: metric, metric: b, above: 1}]",
        "8: alerts[0].metric: 'b' is not listed under 'metrics'. Use one of: a",
    ),
    "a rule on a metric where none is": (
        "alerts: [{kind: metric, metric: b, above: 1}]",
        "7: alerts[0].metric: 'b' is not listed under 'metrics'. Add it to 'metrics', with a name and 'sql' or 'function'",
    ),
    "a rule on a metric without threshold": (
        "metrics: [{name: a, sql: metrics/mean_score.sql}]\nalerts: [{kind: metric, metric: a}]",
        "8: alerts[0]: a metric rule needs a threshold. Add 'above' or 'below'",
    ),
    "a rule on an estimate that there is none of": (
        "alerts: [{kind: estimated_quality, metric: brier_skill, below: 0}]",
        (
            "7: alerts[0].metric: 'brier_skill' is not an estimated metric of binary_classification. "
            "Did you mean 'brier'?"
        ),
    ),
    "a data rule with a threshold": (
        "alerts: [{kind: data_quality, above: 0.1}]",
        "7: alerts[0].above: a rule of kind data_quality has a fixed threshold. Remove it",
    ),
}
