"""Counts a trial from the workers' seconds, each caller once. The log counts the same (queries/trial_arms.sql)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from modelops_pipelines.core.metrics.latency_sketch import bucket, merge, percentile, upper_edge
from modelops_pipelines.core.release.guards import Arm, Leg, Pairs
from modelops_pipelines.core.release.live_counts import Count, Second

REFERENCE_SECONDS, REFERENCE_REQUESTS = 3600, 50
"""An answer is slow by the champion's 95th percentile over the hour before the share changed, from that many on."""
WARM_UP_SECONDS = 5
"""Seconds after a change of the share without latency pairs: the first requests of a loaded model are slow."""
CALLERS_KEPT = 500_000
"""Callers that a leg remembers; beyond that it forgets all, and counts them as at risk again."""
_P95 = 0.95


def slow_bucket(reference: dict[int, int], slower: float) -> int | None:
    """Return the sketch's bucket above which an answer is slow; None with fewer than REFERENCE_REQUESTS requests."""
    usual = percentile(reference, _P95) if sum(reference.values()) >= REFERENCE_REQUESTS else None
    return None if usual is None else bucket(usual * slower)


@dataclass
class TrialCounter:
    """One leg of a trial: everything since the champion and challenger have their present shares.

    ``since`` is the time of the change (seconds since 1970): seconds that began before it are not counted. ``failed``
    has the callers with a failure earlier in the trial: they are not counted again.
    """

    champion: str
    challenger: str
    share: int
    since: float
    slower: float
    failed: set[int] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)
    _failing: set[int] = field(default_factory=set)
    _arms: dict[str, Arm] = field(default_factory=dict)
    _at_risk: dict[str, int] = field(default_factory=dict)
    _newest: int = 0
    _per_mille: int = 0
    _failures: dict[int, tuple[int, int]] = field(default_factory=dict)
    _reference: dict[int, int] = field(default_factory=dict)
    _slow_from: int | None = None
    _slow: Pairs = field(default_factory=Pairs)
    _replayed: Pairs = field(default_factory=Pairs)
    _timed: Pairs = field(default_factory=Pairs)

    def add(self, second: Second) -> None:
        """Count one second of one worker; seconds before the change serve as reference for the latency only."""
        if second.second <= self.since:
            if second.second > self.since - REFERENCE_SECONDS:
                self._add_reference(second)
            return
        if second.second > self._newest:  # all workers' failures of a second count by who was at risk before it
            self._newest, self._per_mille = second.second, self._challengers_at_risk()
        for version in (self.challenger, self.champion):
            count = second.versions.get(version)
            if count is not None:
                self._arms[version] = self._arms.get(version, Arm()).plus(self._arm(version, count))
                self._replayed = self._replayed.plus(self._pairs(version, count.replays))
                self._timed = self._timed.plus(self._pairs(version, count.timings))
        self._pair_latencies(second)
        for count in second.versions.values():
            self._seen.update(key for key, _ in count.fresh if key is not None)
        if len(self._seen) > CALLERS_KEPT:
            self._seen.clear()

    def add_all(self, seconds: Iterable[Second]) -> None:
        """Count several seconds, in order."""
        for second in seconds:
            self.add(second)

    def leg(self) -> Leg:
        """Return the counts so far."""
        challenger, champion = (self._arms.get(version, Arm()) for version in (self.challenger, self.champion))
        limit = self._slow_from
        slow_ms = None if limit is None else upper_edge(limit)
        failures = dict(self._failures)
        return Leg(self.share, challenger, champion, failures, self._slow, slow_ms, self._replayed, self._timed)

    def next_leg(self, share: int, since: float) -> "TrialCounter":
        """Return the counter of the trial's next leg."""
        return TrialCounter(self.champion, self.challenger, share, since, self.slower, self.failed | self._failing)

    def _challengers_at_risk(self) -> int:
        """Return how many per mille of the named callers at risk are the challenger's, rounded up; 0 without any."""
        mine, other = (self._at_risk.get(version, 0) for version in (self.challenger, self.champion))
        return -(-1000 * mine // (mine + other)) if mine + other else 0

    def _arm(self, version: str, count: Count) -> Arm:
        """Return a version's counts, without the callers that were counted before."""
        at_risk = {key for key, _ in count.fresh if key is not None} - self._seen - self.failed
        failing = {key for key in count.failing if key not in self._failing and key not in self.failed}
        self._failing |= failing
        returning = len(failing & self._seen)
        self._at_risk[version] = self._at_risk.get(version, 0) + len(at_risk) - len(failing)
        self._add_failures(version, self._per_mille, returning)
        self._add_failures(version, 10 * self.share, count.anonymous_errors + len(failing) - returning)
        return Arm(
            requests=count.requests,
            failed=count.failed,
            callers=count.anonymous + len(at_risk),
            errors=count.anonymous_errors + len(failing),
        )

    def _add_failures(self, version: str, per_mille: int, failures: int) -> None:
        if failures:
            challenger, champion = self._failures.get(per_mille, (0, 0))
            mine = failures if version == self.challenger else 0
            self._failures[per_mille] = (challenger + mine, champion + failures - mine)

    def _add_reference(self, second: Second) -> None:
        count = second.versions.get(self.champion)
        if count is not None:
            self._reference = merge([self._reference, count.latencies])

    def _pair_latencies(self, second: Second) -> None:
        """Compare the latency of the second's first new caller of either version."""
        if second.second <= self.since + WARM_UP_SECONDS:
            self._add_reference(second)
            return
        limit = self._limit()
        if limit is None:
            self._add_reference(second)
            return
        units = [self._first_unit(second.versions.get(version)) for version in (self.challenger, self.champion)]
        if units[0] is not None and units[1] is not None:
            self._slow = self._slow.plus(Pairs.of(units[0] > limit, units[1] > limit))

    def _limit(self) -> int | None:
        """Return the bucket above which an answer is slow; the reference ends with the first pair, and it stays."""
        if self._slow_from is None:
            self._slow_from = slow_bucket(self._reference, self.slower)
        return self._slow_from

    def _first_unit(self, count: Count | None) -> int | None:
        fresh = [] if count is None else count.fresh
        return next((ms for key, ms in fresh if key is None or key not in self._seen), None)

    def _pairs(self, version: str, counts: Sequence[int]) -> Pairs:
        compared, own, other = counts
        return Pairs(compared, own, other) if version == self.challenger else Pairs(compared, other, own)
