"""What is wrong with how an endpoint's versions are guarded while they are on trial. Paths only."""

from collections.abc import Iterator

from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import Guard


def guard_issues(guard: Guard) -> Iterator[Issue]:
    """Yield all that is wrong with the guards."""
    if not 0 < guard.false_alarms < 1:
        problem = f"{guard.false_alarms:g} is no chance between 0 and 1"
        yield Issue("guard.false_alarms", problem, "Write how often a good version may be withdrawn, such as 0.01")
    for name in ("errors", "slow"):
        share = getattr(guard, name)
        if not 0 <= share < 1:
            problem = f"{share:g} is no share of the requests under 1"
            yield Issue(f"guard.{name}", problem, "Write the least share that matters, such as 0.005")
    if not guard.slower >= 1:
        problem = f"must be at least 1, and is {guard.slower:g}"
        yield Issue("guard.slower", problem, "Write how many times the champion's latency is slow, such as 2")
    for name in ("loss", "score_shift"):
        most = getattr(guard, name)
        if most is not None and not most >= 0:
            problem = f"must not be negative, and is {most:g}"
            yield Issue(f"guard.{name}", problem, "Write the most that is let pass, such as 0.1")
