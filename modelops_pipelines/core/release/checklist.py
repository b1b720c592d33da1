"""The checklist of a deployment: its items, and what counts of requests say about them. No clock, no store.

An item passes or fails by evidence. What cannot be judged is unknown, with its reason: it never passes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from modelops_pipelines.core.alerting.exact_bounds import probability_at_least, probability_at_most, share_exceeds
from modelops_pipelines.core.endpoints.spec import Guard
from modelops_pipelines.core.metrics.latency_sketch import percentile, upper_edge
from modelops_pipelines.core.release.trial_counts import REFERENCE_REQUESTS, slow_bucket

Phase = Literal["before", "during", "after"]
BEFORE: Final = "before"
DURING: Final = "during"
AFTER: Final = "after"
PHASES: tuple[Phase, ...] = (BEFORE, DURING, AFTER)

State = Literal["passed", "failed", "unknown"]
PASSED: Final = "passed"
FAILED: Final = "failed"
UNKNOWN: Final = "unknown"

FIRST_ANSWERS = 50
"""Requests from the switch on that count as the first ones."""
LOW_MEMORY = 0.10
"""The share of a machine's memory that has to be available."""
_P95 = 0.95
_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Finding:
    """What was found of an item: its state, and the evidence as a sentence with its numbers and times."""

    state: State
    evidence: str


def passed(evidence: str) -> Finding:
    """Return the finding of an item that is as it should be."""
    return Finding(PASSED, evidence)


def failed(evidence: str) -> Finding:
    """Return the finding of an item that is not as it should be."""
    return Finding(FAILED, evidence)


def unknown(reason: str) -> Finding:
    """Return the finding of an item that cannot be judged, with the reason."""
    return Finding(UNKNOWN, reason)


def together(found: Sequence[Finding]) -> Finding:
    """Return several findings as one: failed when one failed, else unknown when one is unknown."""
    states = [one.state for one in found]
    worst: State = FAILED if FAILED in states else UNKNOWN if UNKNOWN in states or not states else PASSED
    return Finding(worst, "; ".join(one.evidence for one in found))


@dataclass(frozen=True)
class Item:
    """One item of the checklist; ``look`` is the command that shows more of it."""

    phase: Phase
    name: str
    state: State
    evidence: str
    look: str


@dataclass(frozen=True)
class Checklist:
    """All items on a version of an endpoint at a time, in order.

    ``role`` is the version's role now and ``since`` when it got it, None while the version is not deployed.
    """

    endpoint: str
    version: str
    role: str | None
    since: datetime | None
    at: datetime
    items: Sequence[Item]

    @property
    def counts(self) -> Mapping[State, int]:
        """How many items are in each state."""
        found = Counter(item.state for item in self.items)
        return {state: found[state] for state in (PASSED, FAILED, UNKNOWN)}


@dataclass(frozen=True)
class Served:
    """Requests of a period: all, those that failed with a server error (5xx), and a sketch of answers' latencies."""

    requests: int = 0
    failed: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)
    last: datetime | None = None

    @property
    def words(self) -> str:
        """How many failed, in words."""
        if not self.requests:
            return "no request"
        return f"{self.failed:,} of {self.requests:,} request(s) failed ({self.failed / self.requests:.2%})"


@dataclass(frozen=True)
class Compared:
    """Requests that a version answered beside those that it is compared with, and the words for both periods."""

    served: Served
    usual: Served
    served_when: str
    usual_when: str


def judge_first(answers: Sequence[bool], version: str) -> Finding:
    """Judge the first requests that a version answered, in order: True is one that failed with a server error."""
    if not answers:
        return unknown(f"no request that version {version} answered is in the log yet")
    said = f"{sum(answers)} of the first {len(answers)} requests that version {version} answered failed"
    return failed(said) if any(answers) else passed(said)


def judge_errors(compared: Compared, policy: Guard, limit: float, minimum: int) -> Finding:
    """Judge the share of failed requests, as the guards do: against a limit (0 to 1), and against those compared with.

    It fails when the counts prove, at ``policy.false_alarms``, a share above the limit; or one above the other's, which
    is higher by ``policy.errors`` at least. It passes when ``minimum`` requests on both sides show no such excess.
    """
    mine, other = compared.served, compared.usual
    said = f"{mine.words} {compared.served_when}; {other.words} {compared.usual_when}"
    if not mine.requests:
        return unknown(f"no request {compared.served_when} is in the log")
    if share_exceeds(mine.failed, mine.requests, limit, policy.false_alarms):
        return failed(f"{said}; the limit is {limit:.1%}")
    pair = (mine.failed, mine.requests), (other.failed, other.requests)
    return _judged(said, _is_above(*pair, policy.errors, policy.false_alarms), pair, minimum)


def judge_latency(compared: Compared, policy: Guard, minimum: int) -> Finding:
    """Judge how many answers are slow, as the guards do: over ``policy.slower`` times the 95th percentile of others.

    It fails when their share is proven to be above the others' share, by ``policy.slow`` at least. It passes when
    ``minimum`` answers on both sides show no such excess.
    """
    mine, other = compared.served.latencies, compared.usual.latencies
    usual, own = percentile(other, _P95), percentile(mine, _P95)
    limit = slow_bucket(dict(other), policy.slower)
    if own is None:
        return unknown(f"no answer {compared.served_when} is in the log")
    n, m = sum(mine.values()), sum(other.values())
    said = f"p95 {own:.3g} ms of {n:,} answers {compared.served_when}"
    if limit is None or usual is None:
        few = f"{m:,} answers {compared.usual_when} are too few to compare with ({REFERENCE_REQUESTS} are needed)"
        return unknown(f"{said}; {few}")
    slow = sum(count for key, count in mine.items() if key > limit)
    said += f", {usual:.3g} ms of {m:,} {compared.usual_when}; {slow / n:.1%} took over {upper_edge(limit):.3g} ms"
    pair = (slow, n), (sum(count for key, count in other.items() if key > limit), m)
    return _judged(said, _is_above(*pair, policy.slow, policy.false_alarms), pair, minimum)


def judge_share(share: int, mine: int, callers: int, policy: Guard, minimum: int) -> Finding:
    """Judge whether a version answers its share (percent) of the callers: ``mine`` of ``callers``.

    Callers are routed independently of each other, so the exact tails of the binomial distribution decide, at
    ``policy.false_alarms`` for both together.
    """
    if not callers:
        return unknown(f"no request since the version has {share} % of the traffic is in the log")
    said = f"it has {share} % of the traffic, and answered {mine:,} of {callers:,} callers ({mine / callers:.1%})"
    wanted, level = share / 100, policy.false_alarms / 2
    tails = probability_at_least(mine, callers, wanted), probability_at_most(mine, callers, wanted)
    if min(tails) <= level:
        return failed(f"{said}, which chance does not explain")
    return passed(said) if callers >= minimum else unknown(f"{said}; a judgement needs {minimum} callers")


def judge_memory(available: int, machine: int, held: int | None, workers: int) -> Finding:
    """Judge whether there is memory for a version: its files' bytes in each worker at least, and LOW_MEMORY to spare.

    ``available`` of the ``machine``'s bytes can still be taken; ``held`` is None while the files are not known.
    """
    said = f"{size(available)} of {size(machine)} are available on this machine"
    if available < LOW_MEMORY * machine:
        return failed(f"{said}, under {LOW_MEMORY:.0%}")
    if held is None:
        return unknown(f"{said}; what the version takes is not known before it is recorded")
    said += f"; the version's files take {size(held)}, in each of {workers} worker(s) at least"
    return failed(said) if held * workers > available else passed(said)


def size(count: int) -> str:
    """Return a number of bytes as MiB or GiB."""
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _MIB:.1f} MiB"


Counted = tuple[int, int]
"""How many were bad, and of how many."""


def _is_above(mine: Counted, other: Counted, least: float, level: float) -> bool | None:
    """Return whether a share is above another by ``least``, proven; None when it looks so and is not proven.

    Of equal shares, each bad one is as likely on either side as the numbers of all are: the exact conditional test.
    """
    if not other[1] or mine[0] / mine[1] - other[0] / other[1] < least:
        return False
    bad, weight = mine[0] + other[0], mine[1] / (mine[1] + other[1])
    return True if share_exceeds(mine[0], bad, weight, level) else None


def _judged(said: str, is_above: bool | None, counted: tuple[Counted, Counted], minimum: int) -> Finding:  # noqa: FBT001 - the test's outcome
    if is_above:
        return failed(said)
    if is_above is None:
        return unknown(f"{said}; the difference is not proven")
    fewest = min(n for _, n in counted)
    return passed(said) if fewest >= minimum else unknown(f"{said}; a judgement needs {minimum} on both sides")
