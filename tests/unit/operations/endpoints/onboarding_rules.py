"""Alert rules in YAML, right and wrong, with the message that each fault must give."""

from datetime import timedelta

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from tests.unit.operations.endpoints.onboarding_files import MINIMAL

RULED = f"""\
{MINIMAL}\
  alerts:
    - {{kind: error_rate, operator: ge, threshold: 0.05, over: 30m, minimum: 10, for: 10m, severity: warning}}
    - kind: error_rate
      name: many_errors
      above: 0.5
      labels: {{team: ops, tier: 1}}
      owner: team:operations
      runbook: https://wiki.example.com/errors
    - {{kind: latency, percentile: 99, above: 800}}
    - {{kind: availability, below: 0.99, over: 6h}}
    - {{kind: volume, outside: [100, 100000], over: 1d}}
    - {{kind: throughput, operator: lt, threshold: 0.01}}
    - {{kind: label_coverage, below: 0.8, over: 7d}}
    - {{kind: sql, name: late_twice, sql: alerts/late.sql}}
    - {{kind: sql, name: share_late, sql: alerts/share.sql, above: 0.4, minimum: 50}}
"""
HOUR = timedelta(hours=1)
RULES = (
    AlertRule(
        "error_rate",
        operator="ge",
        threshold=0.05,
        over=HOUR / 2,
        minimum=10,
        for_=HOUR / 6,
        severity="warning",
    ),
    AlertRule(
        "error_rate",
        given_name="many_errors",
        above=0.5,
        over=HOUR,
        labels=(("team", "ops"), ("tier", "1")),
        owner="team:operations",
        runbook="https://wiki.example.com/errors",
    ),
    AlertRule("latency", percentile=99.0, above=800.0, over=HOUR),
    AlertRule("availability", below=0.99, over=6 * HOUR),
    AlertRule("volume", outside=(100.0, 100000.0), over=24 * HOUR),
    AlertRule("throughput", operator="lt", threshold=0.01, over=HOUR),
    AlertRule("label_coverage", below=0.8, over=7 * 24 * HOUR),
    AlertRule("sql", given_name="late_twice", sql="alerts/late.sql", over=HOUR),
    AlertRule("sql", given_name="share_late", sql="alerts/share.sql", above=0.4, minimum=50, over=HOUR),
)
RULE_QUERIES = {
    "late": "SELECT carrier FROM inference_log WHERE event_time >= $start AND event_time < $end AND carrier IS NULL\n",
    "share": "SELECT avg(score) FROM inference_log WHERE event_time >= $start\n",
    "unknown": "SELECT $from\n",
}
_OPERATORS = "gt, ge, lt, le, eq, ne"
_SELECT = (
    "Write one SELECT that returns one number, or rows that are each a culprit; its parameters are $start and $end, the "
    "bounds of the span"
)

_SOME = " Write a threshold that some values reach and others do not"


def _rule(keys: str, message: str) -> tuple[str, str]:
    return f"alerts: [{{{keys}}}]", f"7: alerts[0]{message}"


# Lines that follow the minimal file: the first of them is line 7.
RULE_LINES = {
    "an unknown operator": _rule(
        "kind: error_rate, operator: '>', threshold: 0.1", ".operator: '>' is not a valid value. Did you mean 'gt'?"
    ),
    "another's operator": _rule(
        "kind: error_rate, operator: GREATER, threshold: 0.1",
        f".operator: 'GREATER' is not a valid value. Use one of: {_OPERATORS}",
    ),
    "an operator alone": _rule(
        "kind: error_rate, operator: gt", ".operator: needs 'threshold', which is missing. Add 'threshold', a number"
    ),
    "a threshold alone": _rule(
        "kind: error_rate, threshold: 0.1",
        f".threshold: needs 'operator', which is missing. Add one of: {_OPERATORS}",
    ),
    "a rule that always fails": _rule(
        "kind: volume, operator: ge, threshold: 0",
        ".threshold: volume is always at or above 0. Write a threshold that some values reach and others do not",
    ),
    "a rule that never fails": _rule(
        "kind: availability, operator: gt, threshold: 1",
        ".threshold: availability is never above 1. Write a threshold that some values reach and others do not",
    ),
    "an availability below nothing": _rule(
        "kind: availability, below: 0", f".below: availability is never below 0.{_SOME}"
    ),
    "a coverage above all": _rule("kind: label_coverage, above: 1", f".above: label_coverage is never above 1.{_SOME}"),
    "a volume below nothing": _rule("kind: volume, below: 0", f".below: volume is never below 0.{_SOME}"),
    "an area below nothing": _rule(
        "kind: quality, metric: auc, below: 0", f".below: quality_auc is never below 0.{_SOME}"
    ),
    "an accuracy above all": _rule(
        "kind: quality, metric: accuracy, above: 1", f".above: quality_accuracy is never above 1.{_SOME}"
    ),
    "any drift": _rule("kind: drift, above: 0", f".above: drift is always at or above 0.{_SOME}"),
    "a share in percent": _rule(
        "kind: availability, below: 99",
        ".below: 99 is not a valid threshold for availability. Write a number from 0 to 1",
    ),
    "two conditions": _rule(
        "kind: volume, above: 5, outside: [1, 2]",
        ": a volume rule takes one threshold, but this one has two. Keep either 'above' or 'outside'",
    ),
    "a band of one": _rule(
        "kind: volume, outside: [1]",
        ".outside: must be two numbers. Write the lowest and the highest good value, such as [0.2, 0.4]",
    ),
    "a band upside down": _rule(
        "kind: volume, outside: [5, 1]", ".outside: ends at 1, below its start 5. Write [1, 5]"
    ),
    "a band of everything": _rule(
        "kind: availability, outside: [0, 1]", ".outside: availability is never outside 0 to 1. Write a narrower band"
    ),
    "drift for few columns": _rule(
        "kind: drift, operator: lt, threshold: 0.1",
        ".operator: a rule of kind drift fails for many drifted columns. Use 'above', gt or ge",
    ),
    "a rule without threshold": _rule("kind: volume", ".below: is missing. Add 'below': a number from 0, below 1e15"),
    "a percentile of errors": _rule(
        "kind: error_rate, above: 0.1, percentile: 99",
        ".percentile: a rule of kind error_rate takes no percentile. Remove it, or use kind latency",
    ),
    "a percentile of 100": _rule(
        "kind: latency, above: 100, percentile: 100",
        ".percentile: must be above 0 and below 100, and is 100. Set a percentile of the latency, such as 99",
    ),
    "a minimum of a count": _rule(
        "kind: volume, below: 5, minimum: 9", ".minimum: a rule of kind volume counts the requests itself. Remove it"
    ),
    "a strange name": _rule(
        "kind: drift, name: My drift",
        ".name: 'My drift' is not a valid name of a rule. Use up to 63 of a-z, 0-9 and _, starting with a letter",
    ),
    "a name of ours": _rule(
        "kind: drift, name: pipeline",
        ".name: 'pipeline' is the name of an alert of the product. Use another name, such as 'own_pipeline'",
    ),
    "a name of a kind": _rule(
        "kind: drift, name: error_rate",
        ".name: 'error_rate' is the name of a kind of rule. Use another name, such as 'own_error_rate'",
    ),
    "a strange severity": _rule(
        "kind: drift, severity: warn", ".severity: 'warn' is not a valid value. Did you mean 'warning'?"
    ),
    "a for of nothing": _rule(
        "kind: drift, for: 10",
        ".for: must be a duration, but is a number (10). Write a number and s, m, h or d, such as 90s, 30m, 48h or 7d (at most 3650d)",
    ),
    "an owner of nobody": _rule(
        "kind: drift, owner: ann",
        ".owner: 'ann' is not a valid owner. Write an e-mail address or a team, such as 'team:data-science'",
    ),
    "a runbook of nowhere": _rule(
        "kind: drift, runbook: wiki/drift",
        ".runbook: 'wiki/drift' is not the URL of a page. Write its URL, such as https://wiki.example.com/late-flights, without a password",
    ),
    "labels as a list": _rule(
        "kind: drift, labels: [ops]",
        ".labels: must be a mapping, but is a list. Write 'key: value' lines indented below it, or remove it for the default",
    ),
    "a strange label": _rule(
        "kind: drift, labels: {Team: ops}",
        ".labels.Team: 'Team' is not a valid name of a label. Use up to 63 of a-z, 0-9 and _, starting with a letter",
    ),
    "a rule on capture": _rule(
        "kind: capture, above: 60",
        (
            ".kind: capture takes no rule: its limits are the same for every endpoint, so that no configuration hides a loss. "
            "The alert 'capture' is raised without a rule. Remove it"
        ),
    ),
    "a SQL rule without name": _rule(
        "kind: sql, sql: alerts/late.sql", ".name: is missing. Add 'name', such as 'name: no_carrier'"
    ),
    "a SQL rule without file": _rule(
        "kind: sql, name: a", ".sql: is missing. Add 'sql', a file with one SELECT, such as alerts/no_carrier.sql"
    ),
    "a SQL file outside": _rule(
        "kind: sql, name: a, sql: ../../etc/passwd",
        ".sql: leads out of the project. Write a path inside the project's folder",
    ),
    "a SQL file that is not there": _rule(
        "kind: sql, name: a, sql: alerts/gone.sql",
        (
            ".sql: alerts/gone.sql cannot be read: No such file or directory. "
            "Create it, or correct the path, which is relative to {folder}"
        ),
    ),
    "a SQL file of an unknown parameter": _rule(
        "kind: sql, name: a, sql: alerts/unknown.sql",
        f".sql: alerts/unknown.sql has the parameter(s) from, which nothing gives. {_SELECT}",
    ),
    "a minimum of culprits": _rule(
        "kind: sql, name: a, sql: alerts/late.sql, minimum: 5",
        ".minimum: belongs to a threshold; a query without one lists culprits. Remove it, or add a threshold",
    ),
    "SQL of another kind": _rule(
        "kind: drift, sql: alerts/late.sql", ".sql: a rule of kind drift takes no 'sql'. Remove it"
    ),
}
