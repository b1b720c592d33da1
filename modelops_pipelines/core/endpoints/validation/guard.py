"""Validate the guards of a trial: issues by path, each with its fix."""

from collections.abc import Iterator

from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import Guard


def guard_issues(guard: Guard) -> Iterator[Issue]:
    """Yield all issues of the guards."""
    if not 0 < guard.false_alarms < 1:
        problem = f"must be above 0 and below 1, and is {guard.false_alarms:g}"
        yield Issue("guard.false_alarms", problem, "Set the probability of withdrawing a good version, such as 0.01")
    for name in ("errors", "slow"):
        share = getattr(guard, name)
        if not 0 <= share < 1:
            problem = f"must be at least 0 and below 1, and is {share:g}"
            yield Issue(f"guard.{name}", problem, "Set the smallest relevant difference in shares, such as 0.005")
    if not guard.slower >= 1:
        problem = f"must be at least 1, and is {guard.slower:g}"
        fix = "Set the multiple of the champion's p95 latency that counts as slow, such as 2"
        yield Issue("guard.slower", problem, fix)
    for name in ("loss", "score_shift"):
        most = getattr(guard, name)
        if most is not None and not most >= 0:
            problem = f"must not be negative, and is {most:g}"
            yield Issue(f"guard.{name}", problem, "Set the largest tolerated difference, such as 0.1")
