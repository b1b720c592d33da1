"""Guards in endpoints' YAML, right and wrong, with the message that each fault must give."""

from tests.unit.operations.endpoints.onboarding_files import MAPPING_FIX, MINIMAL
from tests.unit.operations.endpoints.onboarding_values import DURATION_FIX

RATE_FIX = "Write a number and second, minute, hour or day, such as 5000/hour, or 100/minute; 10/second"
PICKLE_FIX = "Copy the hash from the error of the refused deployment"
HASH = "0123456789abcdef" * 4
GUARDED = f"""\
{MINIMAL}\
  allow_pickle: true
  accept_pickles: [{HASH}]
  row_wise: false
  min_resident: true
  runtime: isolated
  limits:
    per_key: 5000/hour
    per_user: 100/minute; 10/second
    endpoint: 1000/minute
    concurrent: 50
    deadline: 45s
    body_mib: 8
    memory_mib: 2048
  capture: {{sample: 0.25, max_kib: 64, redact: [tail_number, user_id]}}
  promotion: {{strategy: canary, soak: 1h, minimum: 500, aliases: adopt}}
  retention: {{predictions: 100d, labels: 50d, rejects: null, key_usage: never}}
  guard: {{automatic: false, false_alarms: 0.001, errors: 0.01, slower: 1.5, slow: 0.1, loss: 0.2, score_shift: 0.1, watch: 1h, probation: 3d}}
"""

# Lines that follow the minimal file: the first of them is line 7.
GUARD_LINES = {
    "a retention shorter than the label horizon": (
        "retention: {labels: 3d}",
        "7: retention.labels: '3d' is shorter than 4d, the label horizon and two days. Set at least 4d, or 'never' to keep them for ever",
    ),
    "a retention shorter than a reference": (
        "retention:\n  rejects: 2d\n  profiles: 7d",
        "9: retention.profiles: '7d' is shorter than 30d, the days of the drift's reference and two days. Set at least 30d, or 'never' to keep them for ever",
    ),
    "labels that are kept for longer than what they refer to": (
        "retention: {predictions: 90d, labels: never}",
        "7: retention.labels: 'never' is longer than 90d, for which 'predictions' are kept. Remove it, or set at most 90d: an erasure finds them by the prediction",
    ),
    "a retention that is no duration": (
        "retention: {feedback: 400}",
        "7: retention.feedback: must be a duration or 'never', but is a number (400). Write a number and s, m, h or d, such as 400d (at most 3650d), or never",
    ),
    "a retention of an unknown table": (
        "retention: {prediction: 400d}",
        "7: retention.prediction: is not a known key. Did you mean 'predictions'?",
    ),
    "a chance of certain false alarms": (
        "guard: {false_alarms: 1}",
        "7: guard.false_alarms: must be above 0 and below 1, and is 1. Set the probability of withdrawing a good version, such as 0.01",
    ),
    "errors that are no share": (
        "guard: {errors: 5}",
        "7: guard.errors: must be at least 0 and below 1, and is 5. Set the smallest relevant difference in shares, such as 0.005",
    ),
    "slow answers that are no share": (
        "guard: {slow: -0.1}",
        "7: guard.slow: must be at least 0 and below 1, and is -0.1. Set the smallest relevant difference in shares, such as 0.005",
    ),
    "slower than slow": (
        "guard: {slower: 0.5}",
        "7: guard.slower: must be at least 1, and is 0.5. Set the multiple of the champion's p95 latency that counts as slow, such as 2",
    ),
    "a loss that must be a gain": (
        "guard: {loss: -1}",
        "7: guard.loss: must not be negative, and is -1. Set the largest tolerated difference, such as 0.1",
    ),
    "scores that must not meet": (
        "guard: {score_shift: -1}",
        "7: guard.score_shift: must not be negative, and is -1. Set the largest tolerated difference, such as 0.1",
    ),
    "a guard's unknown key": ("guard: {error: 0.1}", "7: guard.error: is not a known key. Did you mean 'errors'?"),
    "a step without requests": (
        "promotion: {minimum: 0}",
        "7: promotion.minimum: must be at least 1, and is 0. Set the fewest requests per step, such as 100",
    ),
    "what to do with aliases": (
        "promotion: {aliases: ignore}",
        "7: promotion.aliases: 'ignore' is not a valid value. Use one of: report, adopt",
    ),
    "a rate without unit": (
        "limits: {per_key: '100'}",
        f"7: limits.per_key: '100' is not a rate limit. {RATE_FIX}",
    ),
    "a number for a rate": (
        "limits: {per_key: 100}",
        "7: limits.per_key: must be a rate, but is a number (100). Write a number, a slash and a unit, such as 100/minute",
    ),
    "an empty rate": (
        "limits:\n  endpoint:",
        "8: limits.endpoint: must be a rate, but is empty. Write a number, a slash and a unit, such as 100/minute",
    ),
    "a rate of an unknown unit": (
        "limits:\n  per_user: 100/minute; 3/fortnight",
        f"8: limits.per_user: '100/minute; 3/fortnight' is not a rate limit. {RATE_FIX}",
    ),
    "a rate in the negative": (
        "limits: {endpoint: -1/second}",
        f"7: limits.endpoint: '-1/second' is not a rate limit. {RATE_FIX}",
    ),
    "a rate of nothing": (
        "limits: {endpoint: 10/second; 0/minute}",
        "7: limits.endpoint: '0/minute' allows no request. Write a number from 1, or remove it for no limit",
    ),
    "a rate over no time": (
        "limits: {endpoint: 5/0 seconds}",
        "7: limits.endpoint: '5/0 seconds' allows no request. Write a number from 1, or remove it for no limit",
    ),
    "a rate of too many to count": (
        "limits: {endpoint: 1000001/day}",
        "7: limits.endpoint: '1000001/day' is more than 1000000 requests in one window. Use a shorter window",
    ),
    "a key of no limit": (
        "limits: {per_kee: 1/second}",
        "7: limits.per_kee: is not a known key. Did you mean 'per_key'?",
    ),
    "limits that are no mapping": (
        "limits: 100/minute",
        f"7: limits: must be a mapping, but is text (100/minute). {MAPPING_FIX}",
    ),
    "nobody at once": (
        "limits: {concurrent: 0}",
        ("7: limits.concurrent: must be at least 1, and is 0. Set the most concurrent requests, such as 100"),
    ),
    "less than nobody at once": (
        "limits: {concurrent: -5}",
        ("7: limits.concurrent: must be at least 1, and is -5. Set the most concurrent requests, such as 100"),
    ),
    "a deadline of no time": (
        "limits: {deadline: 0s}",
        f"7: limits.deadline: must be a duration, but is text (0s). {DURATION_FIX}",
    ),
    "a deadline that nobody waits for": (
        "limits: {deadline: 2h}",
        "7: limits.deadline: '2h' is too long. Set at most 1h, such as 30s",
    ),
    "no body at all": (
        "limits: {body_mib: 0}",
        "7: limits.body_mib: must be from 1 to 1024, and is 0. Set the largest request body in MiB, such as 64",
    ),
    "a body beyond the memory": (
        "limits: {body_mib: 1025}",
        "7: limits.body_mib: must be from 1 to 1024, and is 1025. Set the largest request body in MiB, such as 64",
    ),
    "a sample of more than all": (
        "capture: {sample: 1.5}",
        "7: capture.sample: must be from 0 to 1, and is 1.5. Set the share of requests whose features are kept, such as 0.1",
    ),
    "a sample in the negative": (
        "capture: {sample: -0.1}",
        "7: capture.sample: must be from 0 to 1, and is -0.1. Set the share of requests whose features are kept, such as 0.1",
    ),
    "a capture of nothing": (
        "capture: {max_kib: 0}",
        (
            "7: capture.max_kib: must be at least 1, and is 0. "
            "Set the largest size of one request's features in KiB, such as 4096"
        ),
    ),
    "a key of no capture": (
        "capture:\n  redacted: [height]",
        "8: capture.redacted: is not a known key. Did you mean 'redact'?",
    ),
    "a redacted feature that is monitored": (
        "features: [height]\ncapture: {redact: [height]}",
        (
            "8: capture.redact[0]: 'height' is one of 'features', and a redacted feature cannot be monitored. "
            "Remove it here, or from 'features'"
        ),
    ),
    "a name redacted twice": (
        "capture: {redact: [height, height]}",
        "7: capture.redact[1]: duplicates capture.redact[0]. Keep one of them",
    ),
    "a redacted label": (
        "capture: {redact: [late]}",
        "7: capture.redact[0]: 'late' is the label, which requests do not contain. Remove it",
    ),
    "a redacted column of the system": (
        "capture: {redact: [request_id]}",
        (
            "7: capture.redact[0]: 'request_id' is a system column. "
            "Use features of the model (one of this name is 'feature:request_id'), or user_id, session_id, client_request_id, request_params"
        ),
    ),
    "a pickle without hash": (
        "accept_pickles: [model.pkl]",
        f"7: accept_pickles[0]: 'model.pkl' is not a SHA-256 hash (64 hex digits in lower case). {PICKLE_FIX}",
    ),
    "a hash that is cut off": (
        f"accept_pickles: [{HASH[:-1]}]",
        f"7: accept_pickles[0]: '{HASH[:-1]}' is not a SHA-256 hash (64 hex digits in lower case). {PICKLE_FIX}",
    ),
    "a pickle accepted twice": (
        f"accept_pickles:\n  - {HASH}\n  - {HASH}",
        "9: accept_pickles[1]: duplicates accept_pickles[0]. Keep one of them",
    ),
    "all pickles accepted": (
        "accept_pickles: true",
        (
            "7: accept_pickles: must be a list, but is a yes or no (true). "
            "Write [ ] around the items, or '- ' before each item"
        ),
    ),
    "more resident than there is": (
        "min_resident: 3",
        (
            "7: min_resident: must be true, false, or a number from 0 to 2, and is 3. "
            "Set 1 to keep the versions that answer in memory, true to keep the champion before them too"
        ),
    ),
    "a quoted min_resident": (
        "min_resident: 'true'",
        "7: min_resident: must be a whole number, true or false, but is text (true). Remove the quotes: true",
    ),
    "a runtime that there is not": (
        "runtime: isolation",
        "7: runtime: 'isolation' is not a valid value. Did you mean 'isolated'?",
    ),
    "a limit of memory without a process to hold to it": (
        "limits: {memory_mib: 2048}",
        (
            "7: limits.memory_mib: applies to versions with 'runtime: isolated' only. "
            "Add 'runtime: isolated', or remove it"
        ),
    ),
    "too little memory": (
        "runtime: isolated\nlimits: {memory_mib: 64}",
        (
            "8: limits.memory_mib: must be at least 512, and is 64. "
            "Set the most memory of a version's process in MiB, such as 2048"
        ),
    ),
    "a quoted row_wise": (
        "row_wise: 'false'",
        "7: row_wise: must be true or false, but is text (false). Remove the quotes: false",
    ),
}
