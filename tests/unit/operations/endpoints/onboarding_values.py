"""Wrong values in endpoints' YAML, with the message that each must give."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from tests.unit.operations.endpoints.onboarding_files import MAPPING_FIX

KEYS = EndpointSpec.__match_args__
DURATION_FIX = "Write a number and s, m, h or d, such as 90s, 30m, 48h or 7d (at most 3650d)"
BINARY_METRICS = (
    "auc, log_loss, brier, brier_skill, calibration_error, accuracy, precision, recall, f1, confidence, base_rate, "
    "excess_errors"
)

# Lines that follow the minimal file: the first of them is line 7.
ADDED_LINES = {
    "an unknown key": ("windw: day", "7: windw: is not a known key. Did you mean 'window'?"),
    "a merge key": (
        "<<: {window: day}",
        f"7: <<: is not a known key. Use one of: {', '.join(KEYS[:12])} and {len(KEYS) - 12} more",
    ),
    "a repeated key": ("label: later", "7: label: is already set on line 6. Keep one of them"),
    "an unknown window": ("window: dya", "7: window: 'dya' is not a valid value. Did you mean 'day'?"),
    "a bare number as duration": (
        "label_horizon: 48",
        f"7: label_horizon: must be a duration, but is a number (48). {DURATION_FIX}",
    ),
    "a duration in words": (
        "label_horizon: 2 days",
        f"7: label_horizon: must be a duration, but is text (2 days). {DURATION_FIX}",
    ),
    "an endless duration": (
        "label_horizon: 4000d",
        f"7: label_horizon: must be a duration, but is text (4000d). {DURATION_FIX}",
    ),
    "no duration at all": (
        "label_horizon: 0h",
        f"7: label_horizon: must be a duration, but is text (0h). {DURATION_FIX}",
    ),
    "an unquoted positive label": (
        "positive_label: 1",
        '7: positive_label: must be text, but is a number (1). Quote it: "1"',
    ),
    "a quoted switch": (
        'allow_replay: "true"',
        "7: allow_replay: must be true or false, but is text (true). Remove the quotes: true",
    ),
    "a number for a switch": (
        "allow_pickle: 1",
        "7: allow_pickle: must be true or false, but is a number (1). Write true or false",
    ),
    "a list for a text": ("description: [a]", "7: description: must be text, but is a list. Write a text"),
    "a text for a list": (
        "owners: me",
        "7: owners: must be a list, but is text (me). Write [ ] around the items, or '- ' before each item",
    ),
    "an owner that Dagster refuses": (
        "owners: [me@example.org, data science]",
        (
            "7: owners[1]: 'data science' is not a valid owner. Write an e-mail address or a team, such as 'team:data-science'"
        ),
    ),
    "a tag that Dagster refuses": (
        "tags: [eu, Check out]",
        "7: tags[1]: 'Check out' is not a valid tag. Write another word of 1 to 60 of a-z, 0-9, _, - and '.'",
    ),
    "a repeated tag": ("tags: [eu, eu]", "7: tags[1]: 'eu' is already tags[0]. Keep one of them"),
    "a tag of ours": (
        "tags: [endpoint]",
        "7: tags[0]: 'endpoint' is the tag of every asset of an endpoint. Write another word of 1 to 60 of a-z, 0-9, _, - and '.'",
    ),
    "a repeated feature": (
        "features:\n  - a\n  - a",
        "9: features[1]: 'a' is already features[0]. Keep one of them",
    ),
    "the label as feature": (
        "features: [late]",
        "7: features[0]: 'late' is the label. Remove it: the label is not known at prediction time",
    ),
    "a feature of the system": (
        "features: [date]",
        "7: features[0]: 'date' is the name of a system column. Write 'feature:date' for a feature of this name",
    ),
    "an empty value": (
        "alerts:",
        "7: alerts: must be a list, but is empty. Write [ ] around the items, or '- ' before each item",
    ),
    "a rule that is no mapping": (
        "alerts: [drift]",
        f"7: alerts[0]: must be a mapping, but is text (drift). {MAPPING_FIX}",
    ),
    "a rule without kind": (
        "alerts: [{above: 1}]",
        "7: alerts[0].kind: is missing. Add 'kind', such as 'kind: drift'",
    ),
    "an unknown kind": (
        "alerts:\n  - kind: drfit",
        "8: alerts[0].kind: 'drfit' is not a valid value. Did you mean 'drift'?",
    ),
    "a repeated rule": (
        "alerts:\n  - {kind: drift}\n  - {kind: drift, above: 0.5}",
        "9: alerts[1]: duplicates the rule 'drift' of alerts[0]. Keep one of them, or give this one a 'name' of its own",
    ),
    "a key of no rule": (
        "alerts:\n  - kind: drift\n    abve: 0.5",
        "9: alerts[0].abve: is not a known key. Did you mean 'above'?",
    ),
    "a service rule without threshold": (
        "alerts: [{kind: error_rate}]",
        "7: alerts[0].above: is missing. Add 'above': a share of at least 0 and below 1, such as 0.1",
    ),
    "a service rule with two thresholds": (
        "alerts: [{kind: latency_p95_ms, above: 9, below: 5}]",
        "7: alerts[0]: a latency_p95_ms rule takes one threshold, but this one has two. Keep either 'above' or 'below'",
    ),
    "a service rule with metric": (
        "alerts: [{kind: drift, metric: psi}]",
        "7: alerts[0].metric: a rule of kind drift takes no metric. Remove it, or use kind quality",
    ),
    "an error rate in percent": (
        "alerts: [{kind: error_rate, above: 10}]",
        "7: alerts[0].above: 10 is not a valid threshold for error_rate. Write a share of at least 0 and below 1, such as 0.1",
    ),
    "a drifted share above all": (
        "alerts: [{kind: drift, above: 1.5}]",
        "7: alerts[0].above: 1.5 is not a valid threshold for drift. Write a share of at least 0 and below 1, such as 0.1",
    ),
    "a latency in the negative": (
        "alerts: [{kind: latency_p95_ms, above: -1}]",
        "7: alerts[0].above: -1 is not a valid threshold for latency_p95_ms. Write milliseconds from 1, such as 10000",
    ),
    "an endless threshold": (
        "alerts: [{kind: error_rate, above: .inf}]",
        (
            "7: alerts[0].above: must be a finite number, but is a number (.inf). "
            "Write digits and at most one point, such as 0.1"
        ),
    ),
    "a quoted threshold": (
        "alerts: [{kind: error_rate, above: '0.1'}]",
        "7: alerts[0].above: must be a finite number, but is text (0.1). Remove the quotes: 0.1",
    ),
    "a rule over no duration": (
        "alerts: [{kind: drift, over: 1w}]",
        f"7: alerts[0].over: must be a duration, but is text (1w). {DURATION_FIX}",
    ),
    "a rule that no row allows": (
        "alerts: [{kind: error_rate, above: 0.1, minimum: 0}]",
        ("7: alerts[0].minimum: must be at least 1, and is 0. Set the fewest rows for a verdict, such as 100"),
    ),
    "quality without metric": (
        "alerts: [{kind: quality, below: 0}]",
        f"7: alerts[0].metric: is missing. Add one of: {BINARY_METRICS}",
    ),
    "an unknown metric": (
        "alerts: [{kind: quality, metric: brier_skil, below: 0}]",
        ("7: alerts[0].metric: 'brier_skil' is not a metric of binary_classification. Did you mean 'brier_skill'?"),
    ),
    "quality without threshold": (
        "alerts: [{kind: quality, metric: auc}]",
        "7: alerts[0]: a quality rule needs a threshold. Add 'above' or 'below'",
    ),
    "quality with two thresholds": (
        "alerts: [{kind: quality, metric: auc, above: 0, below: 1}]",
        "7: alerts[0]: a quality rule takes one threshold, but this one has two. Keep either 'above' or 'below'",
    ),
    "an impossible metric": (
        "alerts: [{kind: quality, metric: auc, below: 70}]",
        "7: alerts[0].below: 70 is not a valid threshold for quality_auc. Write a number from 0 to 1",
    ),
    "retraining without trainer": (
        "retraining: {}",
        ("7: retraining: needs 'trainer', which is missing. Add 'trainer: module:function', or remove 'retraining'"),
    ),
    "retraining on nothing": (
        "trainer: demo.trainer:train\nretraining:\n  min_new_labels: 0",
        (
            "9: retraining.min_new_labels: must be at least 1, and is 0. "
            "Set the number of new labels that starts a retraining, such as 5000"
        ),
    ),
    "quoted labels to wait for": (
        "trainer: demo.trainer:train\nretraining: {min_new_labels: '50'}",
        "8: retraining.min_new_labels: must be a whole number, but is text (50). Remove the quotes: 50",
    ),
    "a yes for a number": (
        "trainer: demo.trainer:train\nretraining: {min_new_labels: true}",
        (
            "8: retraining.min_new_labels: must be a whole number, but is a yes or no (true). "
            "Write decimal digits only, such as 5000"
        ),
    ),
    "an unknown strategy": (
        "promotion: {strategy: canray}",
        "7: promotion.strategy: 'canray' is not a valid value. Did you mean 'canary'?",
    ),
    "steps of a direct promotion": (
        "promotion: {steps: [50, 100]}",
        "7: promotion.steps: a direct promotion has no steps. Remove 'steps', or write 'strategy: canary'",
    ),
    "no steps": (
        "promotion: {strategy: canary, steps: []}",
        "7: promotion.steps: is empty. List increasing percentages, such as [5, 25, 50, 100], or remove 'steps'",
    ),
    "steps that shrink": (
        "promotion: {strategy: canary, steps: [50, 25, 100]}",
        "7: promotion.steps[1]: 25 is not greater than 50. List each percentage once, in ascending order",
    ),
    "a step of nothing": (
        "promotion: {strategy: canary, steps: [0, 100]}",
        "7: promotion.steps[0]: 0 is not a share of the traffic. Write a percentage from 1 to 100",
    ),
    "steps that stop early": (
        "promotion:\n  strategy: canary\n  steps: [5, 50]",
        "9: promotion.steps: ends at 50, so the challenger never becomes the champion. End the list with 100",
    ),
    "a step in octal": (
        "promotion: {strategy: canary, steps: [010, 100]}",
        (
            "7: promotion.steps[0]: must be a whole number, but is a number (010). "
            "Write decimal digits only, such as 5000"
        ),
    ),
    "a trainer without function": (
        "trainer: demo.trainer.train",
        (
            "7: trainer: 'demo.trainer.train' is not of the form module:function. "
            "Write it as module:function, such as examples.flights.trainer:train"
        ),
    ),
    "a trainer in no package": (
        "trainer: dmo.trainer:train",
        (
            "7: trainer: there is no module 'dmo'. Create it under {folder}, install it, or run from a folder where it can be imported"
        ),
    ),
    "a trainer in no module": (
        "trainer: demo.trainr:train",
        (
            "7: trainer: there is no module 'demo.trainr'. "
            "Create it under {folder}, install it, or run from a folder where it can be imported"
        ),
    ),
    "a trainer below a module": (
        "trainer: demo.trainer.deep:train",
        "7: trainer: 'demo.trainer' is a module, not a package. Write module:function, with one ':' before the function",
    ),
    "a package for a module": (
        "trainer: bare:train",
        "7: trainer: 'bare' has no Python source. Name the module that defines the function",
    ),
    "a trainer that is not there": (
        "trainer: demo.trainer:trian",
        "7: trainer: demo/trainer.py defines no function 'trian' at its top level. Did you mean 'train'?",
    ),
    "a trainer of one argument": (
        "trainer: demo.good:one",
        ("7: trainer: demo/good.py:4 cannot be called with two positional arguments. Write 'def one(frame, context)'"),
    ),
    "a trainer that needs more": (
        "trainer: demo.good:three",
        (
            "7: trainer: demo/good.py:5 cannot be called with two positional arguments. "
            "Write 'def three(frame, context)'"
        ),
    ),
    "a trainer to be awaited": (
        "trainer: demo.good:later",
        "7: trainer: demo/good.py:6 is async. Write 'def later(frame, context)'",
    ),
    "a trainer of broken source": (
        "trainer: demo.broken:train",
        "7: trainer: demo/broken.py:1 is not valid Python: '(' was never closed. Fix that line",
    ),
}
