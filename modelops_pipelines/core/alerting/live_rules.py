"""Judges rules on the last seconds and minutes of live traffic, without waiting for a window to end.

A rule on errors, availability or latency says how large a share of the requests may be bad; one on traffic, how many
may come in a second. It fails here when a count of the last 5 s to 15 min proves that the true rate is above the rule's
own threshold, by an exact bound at level ALPHA. Looks are taken every 2 s over SPANS, so that a rule whose endpoint is
exactly at its threshold for a whole year is expected to raise less than 365 x 43,200 x 5 x 1e-9 = 0.08 false alarms;
one whose endpoint is below it raises fewer. That holds for errors that come independently: a burst of them is what this
is to find, and three seconds with errors are the least that counts as one. What is over does not fail for as long as a
span reaches back to it: a span of more than a minute fails only while its newest minute is beyond the threshold too,
and a minute without requests says nothing, but that there are not too many.

A failure is an alert of its own, ``<rule>_now``. It is not the rule's own one, because the two judge different spans:
an hour that passes as a whole would resolve the alert on the minute that does not, and the minute would reopen it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from modelops_pipelines.core.alerting.alerts import Alert, Verdict
from modelops_pipelines.core.alerting.exact_bounds import rate_exceeds, share_exceeds
from modelops_pipelines.core.metrics.latency_sketch import bucket, merge, percentile
from modelops_pipelines.core.number_words import limit_text, number_text
from modelops_pipelines.core.windows import text

ALPHA = 1e-9
SPANS = (5, 15, 60, 300, 900)
"""The spans (s) that end now and are judged, the shortest first."""
STEADY_SECONDS = 60
"""The shortest span on which too many requests are judged: they do not come independently of each other."""
FEWEST_REQUESTS = 20
"""The fewest requests for a verdict where the rule does not say."""
FEWEST_SECONDS = 3
"""Seconds with bad requests that a failure takes: what went wrong in one instant is over."""
CALM_SECONDS = 60
"""The shortest span whose rate must be within the threshold for a pass; a longer one fails only if this one is not."""
COUNT_EVERY, PASS_AFTER = timedelta(seconds=10), timedelta(seconds=30)
"""A failure is counted so long after the last one; a pass in a row so long after the one before."""
NOW = "_now"
MINUTE = 60


@dataclass(frozen=True)
class LiveRule:
    """A rule as live counts judge it.

    At most ``share`` of the requests may be bad: failed, or over ``slower_than`` milliseconds. Where ``per_second`` is
    given, it is the most requests a second instead. ``threshold`` is the number that the rule states, ``subject`` the
    words for what it compares.
    """

    rule: str
    kind: str
    severity: str
    threshold: float
    share: float = 0.0
    slower_than: float | None = None
    per_second: float | None = None
    minimum: int = FEWEST_REQUESTS
    subject: str = ""

    @property
    def name(self) -> str:
        """The name of its alert."""
        return f"{self.rule}{NOW}"

    def may_fail_by(self, new: "Iterable[LiveCounts]") -> bool:
        """Return whether these counts can make the rule fail: good requests make no share of bad ones larger."""
        return self.per_second is not None or any(counts.bad(self) for counts in new)


@dataclass
class LiveCounts:
    """The counts of one second at all workers; ``latencies`` is a sketch (``core.metrics.latency_sketch``)."""

    second: int
    requests: int = 0
    server_errors: int = 0
    latencies: dict[int, int] = field(default_factory=dict)

    def add(self, requests: int, errors: int, latencies: Mapping[int, int]) -> None:
        """Add further counts of the same second."""
        self.requests += requests
        self.server_errors += errors
        for key, count in latencies.items():
            self.latencies[key] = self.latencies.get(key, 0) + count

    def bad(self, rule: LiveRule) -> int:
        """Return how many requests are bad in the rule's sense; one in the bucket of the limit itself is not."""
        if rule.slower_than is None:
            return self.server_errors
        limit = bucket(rule.slower_than)
        return sum(count for key, count in self.latencies.items() if key > limit)


@dataclass(frozen=True)
class Span:
    """What one rule counts in the ``seconds`` that end now; ``bad_seconds`` are those with bad requests."""

    seconds: int
    requests: int
    bad: int
    bad_seconds: int


def spans_of(rule: LiveRule, counted: Mapping[int, LiveCounts], last: int, first: int = 0) -> list[Span]:
    """Return the rule's counts of each span that ends with the second ``last``; the shortest first.

    None begins before the second ``first``: the last one is as much shorter.
    """
    spans: list[Span] = []
    requests = bad = bad_seconds = done = 0
    for seconds in sorted({min(span, last + 1 - first) for span in SPANS}):
        for second in range(last - seconds + 1, last - done + 1):
            counts = counted.get(second)
            if counts is not None:
                mine = counts.bad(rule)
                requests, bad, bad_seconds = requests + counts.requests, bad + mine, bad_seconds + (mine > 0)
        done = seconds
        spans.append(Span(seconds, requests, bad, bad_seconds))
    return spans


def judge_live(
    rule: LiveRule, counted: Mapping[int, LiveCounts], last: int, now: datetime, first: int = 0
) -> Verdict | None:
    """Return the verdict on the spans from the second ``first`` that end with ``last``; None without proof of either.

    ``first`` is when the rule was made, or its last alert resolved: what was before is not told (again).
    """
    spans = spans_of(rule, counted, last, first)
    minute = max((one for one in spans if one.seconds <= CALM_SECONDS), key=lambda one: one.seconds)
    if minute.requests == 0 and rule.per_second is None:
        return None
    lasting = not _is_calm(rule, minute)
    span = next((one for one in spans if (lasting or one.seconds <= CALM_SECONDS) and _fails(rule, one)), None)
    if span is not None:
        return _verdict(rule, span, counted, last, now, passed=False)
    calm = next((one for one in spans if one.seconds >= CALM_SECONDS and _is_enough(rule, one)), None)
    return _verdict(rule, calm, counted, last, now, passed=True) if calm and _is_calm(rule, calm) else None


def _fails(rule: LiveRule, span: Span) -> bool:
    if span.requests < rule.minimum:
        return False
    if rule.per_second is not None:
        return span.seconds >= STEADY_SECONDS and rate_exceeds(span.requests, rule.per_second * span.seconds, ALPHA)
    return span.bad_seconds >= FEWEST_SECONDS and share_exceeds(span.bad, span.requests, rule.share, ALPHA)


def _is_enough(rule: LiveRule, span: Span) -> bool:
    """Return whether the span has the requests that a pass takes: too many are over also when none comes."""
    return rule.per_second is not None or span.requests >= rule.minimum


def _is_calm(rule: LiveRule, span: Span) -> bool:
    if rule.per_second is not None:
        return span.requests <= rule.per_second * span.seconds
    return span.bad <= rule.share * span.requests


def _verdict(
    rule: LiveRule, span: Span, counted: Mapping[int, LiveCounts], last: int, now: datetime, *, passed: bool
) -> Verdict:
    value = _value(rule, span, counted, last)
    word = "is not" if passed else "is"
    side = "below" if rule.kind == "availability" else "above"
    when = f"over the last {_words(span.seconds)} to {now:%H:%M:%S}Z"
    slow = f", {span.bad} of them over {rule.slower_than:g} ms" if rule.slower_than is not None else ""
    failed = f", {span.bad} of them failed" if rule.slower_than is None and rule.per_second is None else ""
    message = (
        f"{rule.subject or rule.rule} {number_text(value)} {word} {side} {limit_text(rule.threshold)} {when} "
        f"({span.requests} requests{slow}{failed})"
    )
    at = text(now)
    return Verdict(rule.name, rule.kind, rule.severity, passed, value, rule.threshold, span.requests, at, message)


def _value(rule: LiveRule, span: Span, counted: Mapping[int, LiveCounts], last: int) -> float:
    """Return the span's value in the rule's own terms."""
    if rule.per_second is not None:
        return span.requests / span.seconds
    if rule.slower_than is not None:
        seconds = (counted.get(second) for second in range(last - span.seconds + 1, last + 1))
        sketch = merge(one.latencies for one in seconds if one is not None)
        return percentile(sketch, 1 - rule.share) or 0.0
    share = span.bad / span.requests
    return 1 - share if rule.kind == "availability" else share


def _words(seconds: int) -> str:
    return f"{seconds} s" if seconds < MINUTE else f"{seconds // MINUTE} min"


def is_due(alert: Alert | None, verdict: Verdict, now: datetime) -> bool:
    """Return whether a verdict is to be recorded on the alert: looks are frequent, and their spans overlap."""
    if alert is None:
        return verdict.passed is False
    since = abs(now - alert.last_seen_at)  # the clock may have been set back
    return since >= (PASS_AFTER * (alert.passes + 1) if verdict.passed else COUNT_EVERY)


def rule_of(alert_rule: str) -> str:
    """Return the name of the endpoint's rule that an alert belongs to: its own, or that of its live verdict."""
    return alert_rule.removesuffix(NOW)
