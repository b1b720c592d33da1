"""Validate what is put into an endpoint's review queue: issues by path, each with its fix."""

from collections.abc import Iterator

from modelops_pipelines.core.endpoints.improvement import REVIEW_REASONS, ReviewPolicy
from modelops_pipelines.core.endpoints.issues import Issue, one_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec

MOST_A_DAY, MOST_REVIEWERS = 10_000, 10
_RANGES: dict[str, tuple[float, float, str]] = {
    "per_day": (0, MOST_A_DAY, "Set how many predictions a day are put in for a reason, such as 20"),
    "random": (0, MOST_A_DAY, "Set how many predictions of each day are drawn, such as 10"),
    "reviewers": (1, MOST_REVIEWERS, "Set how many verdicts a shared prediction gets, such as 2"),
    "shared": (0, 1, "Set the share of predictions that several reviewers judge, such as 0.2"),
}


def review_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield all issues of the review's settings."""
    policy = spec.review
    for index, reason in enumerate(policy.reasons):
        yield from one_of(f"review.reasons[{index}]", reason, REVIEW_REASONS)
        if reason in policy.reasons[:index]:
            first = policy.reasons.index(reason)
            yield Issue(f"review.reasons[{index}]", f"'{reason}' is already reasons[{first}]", "Keep one of them")
    for name, (least, most, fix) in _RANGES.items():
        value = getattr(policy, name)
        if not least <= value <= most:
            yield Issue(f"review.{name}", f"must be from {least:g} to {most:g}, and is {value:g}", fix)
    if "random" in policy.reasons and policy.random == 0:
        yield Issue("review.random", "is 0, but 'random' is among the reasons", "Raise it, or remove the reason")
    if not policy.reasons and policy != ReviewPolicy():
        fix = "Add reasons, such as [flagged, disagreeing, random], or remove 'review'"
        yield Issue("review.reasons", "is empty, so that nothing is put into the queue", fix)
