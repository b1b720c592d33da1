"""Validate the policy of training sets: which labels count, which rows, and how they are weighted."""

from collections.abc import Iterator
from datetime import timedelta

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.improvement import (
    ACCEPTANCES,
    CONFLICT_RULES,
    DUPLICATES,
    LABEL_ORIGINS,
    WEIGHTINGS,
)
from modelops_pipelines.core.endpoints.issues import Issue, one_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec

SHORTEST_HALF_LIFE = timedelta(days=1)


def training_policy_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield all issues of the policy, in the order of its keys."""
    policy = spec.training
    if not policy.labels:
        fix = f"List the origins that count, the most trusted first, such as [{', '.join(LABEL_ORIGINS)}]"
        yield Issue("training.labels", "is empty", fix)
    for place, origin in enumerate(policy.labels):
        yield from one_of(f"training.labels[{place}]", origin, LABEL_ORIGINS)
        if origin in policy.labels[:place]:
            yield Issue(f"training.labels[{place}]", f"'{origin}' is there twice", "Keep one of them")
    yield from one_of("training.conflict", policy.conflict, CONFLICT_RULES)
    yield from one_of("training.feedback", policy.feedback, ACCEPTANCES)
    yield from one_of("training.duplicates", policy.duplicates, DUPLICATES)
    yield from one_of("training.weights", policy.weights, WEIGHTINGS)
    if policy.weights == "balance" and spec.task == "regression":
        problem = "a regression has no classes to balance"
        yield Issue("training.weights", problem, "Use none, age or propensity")
    if policy.half_life < SHORTEST_HALF_LIFE:
        problem = f"'{format_duration(policy.half_life)}' is not a half-life of training rows"
        yield Issue("training.half_life", problem, f"Set at least {format_duration(SHORTEST_HALF_LIFE)}, such as 90d")
