"""Evidence from bad events, which may be looked at at any time: its level is exact; and the guard that needs it."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.release.sequential_tests import (
    _PRIOR,
    FAIL,
    INCONCLUSIVE,
    EventsGuard,
    Step,
    log_evidence,
    log_evidence_of,
)

SHARES = (0.01, 0.05, 0.25, 0.5, 0.9)
counts = st.integers(0, 10**6)
shares = st.floats(0.001, 0.999)
steps = st.lists(st.builds(Step, shares, counts, counts), max_size=6)


def binomial(n, k, p):
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def boundary(share, most, alpha):
    """Return for each number of bad events how many must be the challenger's for evidence of 1 / alpha."""
    found = 0
    for n in range(most + 1):
        while found <= n and log_evidence(found, n - found, share) < -math.log(alpha):
            found += 1
        yield found


def chances_of_crossing(limits, share):
    """Return the chance that the evidence first suffices at each event, each being the challenger's by chance."""
    limits = list(limits)
    alive, crossed = np.zeros(max(limits) + 2), []
    alive[0] = 1
    for limit in limits[1:]:
        alive = share * np.concatenate(([0], alive[:-1])) + (1 - share) * alive
        crossed.append(alive[limit:].sum())
        alive[limit:] = 0
    return np.array(crossed)


def test_the_prior_is_half_around_2_and_half_even_from_1_2_to_1000():
    risks, weights = zip(*_PRIOR, strict=True)
    assert (24, pytest.approx(1.2), pytest.approx(1000)) == (len(risks), risks[0], risks[-1])
    assert math.fsum(weights) == pytest.approx(1)
    assert min(weights) == pytest.approx(0.5 / 24)
    assert math.fsum(weight for r, weight in _PRIOR if 1.5 < r < 3) > 0.4


@given(shares)
def test_without_a_bad_event_there_is_no_evidence(share):
    assert abs(log_evidence(0, 0, share)) < 1e-12
    assert abs(log_evidence_of([])) < 1e-12
    assert abs(log_evidence_of([Step(share, 0, 0, 1000, 500)])) < 1e-12


@given(counts, counts, shares)
def test_evidence_grows_by_the_challengers_events_and_falls_by_the_champions(challenger, champion, share):
    found = log_evidence(challenger, champion, share)
    assert math.isfinite(found)
    assert log_evidence(challenger + 1, champion, share) > found - 1e-9
    assert log_evidence(challenger, champion + 1, share) < found + 1e-9


@given(st.integers(0, 50), st.integers(0, 50), shares)
def test_a_few_events_change_the_evidence_strictly(challenger, champion, share):
    found = log_evidence(challenger, champion, share)
    assert log_evidence(challenger + 1, champion, share) > found > log_evidence(challenger, champion + 1, share)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 60])
def test_the_expected_evidence_is_1_if_the_challenger_is_as_good_and_less_if_it_is_better(share, n):
    def expected(p):
        return math.fsum(binomial(n, a, p) * math.exp(log_evidence(a, n - a, share)) for a in range(n + 1))

    assert abs(expected(share) - 1) < 1e-9
    assert expected(0.9 * share) < 1 - 1e-4
    assert expected(1.1 * share if share < 0.9 else 0.99) > 1 + 1e-4


@pytest.mark.parametrize(("first", "second"), [(0.05, 0.25), (0.5, 0.05), (0.25, 0.25)])
def test_a_share_that_changes_by_what_was_seen_keeps_the_expected_evidence_at_1(first, second):
    expected = math.fsum(
        binomial(8, a, first)
        * binomial(12, b, share)
        * math.exp(log_evidence_of([Step(first, a, 8 - a), Step(share, b, 12 - b)]))
        for a in range(9)
        for share in [second if a < 2 else 0.5 * second]
        for b in range(13)
    )
    assert abs(expected - 1) < 1e-9


@pytest.mark.parametrize(("share", "alpha"), [(0.05, 0.01), (0.25, 0.05), (0.5, 0.01)])
def test_the_chance_of_ever_failing_a_challenger_that_is_as_good_is_at_most_alpha_exactly(share, alpha):
    crossed = chances_of_crossing(boundary(share, 1500, alpha), share).sum()
    assert 0.2 * alpha < crossed <= alpha


def test_five_percent_of_errors_becoming_ten_are_found_within_400_requests_of_a_canary():
    share, bad, champion = 0.05, 0.10, 0.05
    events = share * bad + (1 - share) * champion
    crossed = chances_of_crossing(boundary(share, 800, 0.01), share * bad / events)
    median = int(np.searchsorted(crossed.cumsum(), 0.5)) + 1
    assert 100 < median / events * share <= 400


@pytest.mark.parametrize(("share", "within"), [(0.05, 3), (0.25, 5), (0.5, 9)])
def test_a_challenger_that_only_fails_is_found_after_a_few_requests(share, within):
    assert log_evidence(within, 0, share) >= math.log(100) > log_evidence(within - 1, 0, share)


@given(steps, st.randoms(use_true_random=False))
def test_the_order_of_steps_does_not_matter_and_steps_of_one_share_add_up(told, chance):
    shuffled = told.copy()
    chance.shuffle(shuffled)
    assert log_evidence_of(told) == pytest.approx(log_evidence_of(shuffled), rel=1e-9, abs=1e-6)
    whole = [Step(0.1, sum(one.challenger for one in told), sum(one.champion for one in told))]
    parts = [Step(0.1, one.challenger, one.champion) for one in told]
    assert log_evidence_of(whole) == pytest.approx(log_evidence_of(parts), rel=1e-9, abs=1e-6)


def test_a_new_share_costs_no_evidence():
    once = log_evidence(20, 150, 0.05)
    assert log_evidence_of([Step(0.05, 20, 150), Step(0.25, 0, 0)]) == pytest.approx(once)
    assert log_evidence_of([Step(0.05, 20, 150), Step(0.25, 40, 60)]) > once + log_evidence(40, 60, 0.25)


@pytest.mark.parametrize("counted", [(60_000_000, 940_000_000), (50_000_000, 950_000_000), (10**7, 0), (0, 10**7)])
def test_large_counts_are_exact(counted):
    challenger, champion = counted
    with localcontext(prec=60):
        logs = [
            Decimal(weight).ln()
            + challenger * Decimal(r).ln()
            - (challenger + champion) * (1 + Decimal("0.05") * (Decimal(r) - 1)).ln()
            for r, weight in _PRIOR
        ]
        exact = float(max(logs) + sum((one - max(logs)).exp() for one in logs).ln())
    assert log_evidence(challenger, champion, 0.05) == pytest.approx(exact, rel=1e-9)


def test_shares_and_counts_that_cannot_be_are_refused():
    for share in (0, 1, -0.1, math.nan):
        with pytest.raises(ValueError, match="share"):
            log_evidence(1, 1, share)
    with pytest.raises(ValueError, match="must not be negative"):
        log_evidence(-1, 1, 0.5)


def test_a_guard_fails_what_is_both_proved_and_material():
    guard = EventsGuard(alpha=0.01, least=0.01)
    verdict = guard.judge([Step(0.05, 60, 475, 500, 9500)])
    assert (FAIL, pytest.approx(0.07)) == (verdict.verdict, verdict.excess)
    assert verdict.log_evidence > math.log(100)
    assert verdict.reason.startswith("+7.00% bad events per request (threshold 1.00%); evidence ")
    assert verdict.reason.endswith(" of 100 required")


def test_a_guard_keeps_what_is_proved_but_too_small_to_matter_and_what_is_large_but_unproved():
    guard = EventsGuard(alpha=0.01, least=0.01)
    small = guard.judge([Step(0.5, 2_000, 1_500, 1_000_000, 1_000_000)])
    unproved = guard.judge([Step(0.05, 1, 19, 4, 380)])
    assert small.log_evidence > math.log(100) > unproved.log_evidence
    assert {INCONCLUSIVE} == {small.verdict, unproved.verdict}
    assert small.excess < 0.01 < unproved.excess


def test_an_excess_that_just_matters_fails_and_one_of_an_arm_without_a_request_is_none():
    step = Step(0.05, 64, 512, 512, 8192)
    assert step.excess == 0.0625
    assert EventsGuard(least=step.excess).judge([step]).verdict == FAIL
    assert EventsGuard(least=math.nextafter(step.excess, 1)).judge([step]).verdict == INCONCLUSIVE
    assert Step(0.05, 1, 1, champion_requests=5).excess is None
    assert Step(0.05, 1, 1, challenger_requests=5).excess is None


def test_a_guard_without_requests_of_an_arm_tells_so():
    verdict = EventsGuard().judge([Step(0.05, 3, 0, 3, 0)])
    assert (INCONCLUSIVE, None, "one version has no requests yet") == (verdict.verdict, verdict.excess, verdict.reason)
    assert EventsGuard().judge([]).verdict == INCONCLUSIVE


def test_a_base_rate_that_moved_between_steps_is_no_excess():
    quiet, busy = Step(0.05, 5, 95, 500, 9500), Step(0.5, 500, 500, 5000, 5000)
    assert EventsGuard().judge([quiet, busy]).excess == pytest.approx((500 * 0 + 5000 * 0) / 5500)
    assert 505 / 5500 - 595 / 14500 > 0.05
