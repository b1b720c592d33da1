"""Objectives in endpoints' YAML, right and wrong, with the message that each fault must give."""

from tests.unit.operations.endpoints.onboarding_files import MINIMAL

OBJECTIVES = f"""\
{MINIMAL}\
  slos:
    - {{kind: availability, objective: 0.999}}
    - {{kind: latency, under_ms: 300, objective: 0.99, over: 7d, severity: warning, owner: "team:serving"}}
    - {{kind: quality, metric: auc, at_least: 0.7, objective: 0.9, minimum: 50, runbook: "https://wiki.example.com/auc"}}
"""

# Lines that follow the minimal file: the first of them is line 7.
SLO_LINES = {
    "an objective of an unknown kind": (
        "slos: [{kind: availabilty, objective: 0.99}]",
        "7: slos[0].kind: 'availabilty' is not a valid value. Did you mean 'availability'?",
    ),
    "an objective without a share": (
        "slos: [{kind: availability}]",
        "7: slos[0].objective: is missing. Add the share of good events, such as 'objective: 0.99'",
    ),
    "an objective that leaves no budget": (
        "slos: [{kind: availability, objective: 1}]",
        (
            "7: slos[0].objective: must be from 0.5 to below 1, and is 1. "
            "Write the share of good events, such as 0.99: an objective of 1 leaves no budget"
        ),
    ),
    "an objective in percent": (
        "slos:\n  - {kind: availability, objective: 99.9}",
        (
            "8: slos[0].objective: must be from 0.5 to below 1, and is 99.9. "
            "Write the share of good events, such as 0.99: an objective of 1 leaves no budget"
        ),
    ),
    "an objective over an hour": (
        "slos: [{kind: availability, objective: 0.99, over: 1h}]",
        "7: slos[0].over: '1h' is not a period for an error budget. Set 1d to 365d, such as 28d",
    ),
    "the same objective twice": (
        "slos: [{kind: availability, objective: 0.99}, {kind: availability, objective: 0.9}]",
        "7: slos[1]: duplicates the objective 'slo_availability' of slos[0]. Keep one of them",
    ),
    "a latency objective without a latency": (
        "slos: [{kind: latency, objective: 0.99}]",
        "7: slos[0].under_ms: is missing. Add the latency that is good enough, such as 'under_ms: 300'",
    ),
    "a latency objective in seconds": (
        "slos: [{kind: latency, objective: 0.99, under_ms: 0.3}]",
        "7: slos[0].under_ms: must be at least 1, and is 0.3. Write milliseconds, such as 300",
    ),
    "a key of another kind": (
        "slos: [{kind: availability, objective: 0.99, under_ms: 300}]",
        "7: slos[0].under_ms: an objective of kind availability takes no 'under_ms'. Remove it",
    ),
    "a quality objective of another task": (
        "slos: [{kind: quality, objective: 0.9, metric: rmse, at_most: 3}]",
        (
            "7: slos[0].metric: 'rmse' is not a metric of binary_classification. "
            "Use one of: auc, log_loss, brier, brier_skill, calibration_error, accuracy, precision, recall, f1, "
            "confidence, base_rate"
        ),
    ),
    "a quality objective without a bound": (
        "slos: [{kind: quality, objective: 0.9, metric: auc}]",
        "7: slos[0]: a quality objective takes one bound. Add either 'at_least' or 'at_most', such as 'at_least: 0.7'",
    ),
    "a severity that there is not": (
        "slos: [{kind: availability, objective: 0.99, severity: page}]",
        "7: slos[0].severity: 'page' is not a valid value. Use one of: error, warning",
    ),
    "a runbook that is no address": (
        "slos: [{kind: availability, objective: 0.99, runbook: see wiki}]",
        (
            "7: slos[0].runbook: 'see wiki' is not a web address. "
            "Write the address of a page, such as https://wiki.example.com/late-flights"
        ),
    ),
    "an objective that is a text": (
        "slos: [availability]",
        "7: slos[0]: must be a mapping, but is text (availability). Write 'key: value' lines indented below it, or remove it for the default",
    ),
    "an objective over more than is kept": (
        "slos: [{kind: availability, objective: 0.99, over: 90d}]\nretention: {service_metrics: 60d}",
        (
            "7: slos[0].over: '90d' is longer than 60d, for which service_metrics is kept. "
            "Set at most 60d, or a longer 'retention.service_metrics'"
        ),
    ),
}
