"""Whether and for how long answers are kept for equal requests: what an endpoint's YAML says under ``cache``."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.issues import Issue

LONGEST_TTL = timedelta(days=1)
MOST_ENTRIES, LARGEST_MIB = 100_000, 1024


@dataclass(frozen=True)
class CachePolicy:
    """Which answers each gateway worker keeps: each for ``ttl``, and of those used last as many as fit.

    ``entries`` is the most answers of requests, whatever their number of rows, ``max_mib`` the most memory (MiB) that
    they take together.
    """

    ttl: timedelta = timedelta(minutes=5)
    entries: int = 100
    max_mib: int = 8


def cache_issues(policy: CachePolicy | None) -> Iterator[Issue]:
    """Yield all issues of the section 'cache'."""
    if policy is None:
        return
    if policy.ttl > LONGEST_TTL:
        problem = f"'{format_duration(policy.ttl)}' is too long"
        yield Issue("cache.ttl", problem, f"Set for how long an answer is kept, at most {format_duration(LONGEST_TTL)}")
    if not 1 <= policy.entries <= MOST_ENTRIES:
        problem = f"must be from 1 to {MOST_ENTRIES}, and is {policy.entries}"
        yield Issue("cache.entries", problem, "Set the most answers that a worker keeps, such as 100")
    if not 1 <= policy.max_mib <= LARGEST_MIB:
        problem = f"must be from 1 to {LARGEST_MIB}, and is {policy.max_mib}"
        yield Issue("cache.max_mib", problem, "Set the most memory of a worker's kept answers in MiB, such as 8")
