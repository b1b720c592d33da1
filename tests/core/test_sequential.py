"""Tests that may be looked at at any time: exact levels where they are exact, simulated ones where they are not."""

import math
import subprocess
import sys
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.sequential import (
    _PRIOR,
    FAIL,
    INCONCLUSIVE,
    PASS,
    EventsGuard,
    Moments,
    Step,
    difference,
    difference_of,
    judge_quality,
    judge_quality_of,
    log_evidence,
    log_evidence_of,
    too_little,
)

SHARES = (0.01, 0.05, 0.25, 0.5, 0.9)
counts = st.integers(0, 10**6)
shares = st.floats(0.001, 0.999)
steps = st.lists(st.builds(Step, shares, counts, counts), max_size=6)
losses = st.lists(st.floats(-1000, 1000), max_size=30)


def moments(values):
    return Moments.of(len(values), math.fsum(values), math.fsum(value**2 for value in values))


def binary(rows, bad):
    return Moments.of(rows, bad, bad)


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
    with pytest.raises(ValueError, match="never negative"):
        log_evidence(-1, 1, 0.5)


def test_a_guard_fails_what_is_both_proved_and_material():
    guard = EventsGuard(alpha=0.01, least=0.01)
    verdict = guard.judge([Step(0.05, 60, 475, 500, 9500)])
    assert (FAIL, pytest.approx(0.07)) == (verdict.verdict, verdict.excess)
    assert verdict.log_evidence > math.log(100)
    assert verdict.reason.startswith("+7.00% bad events a request, 1.00% matter; evidence ")
    assert verdict.reason.endswith(" of 100 needed")


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
    assert (INCONCLUSIVE, None, "an arm has no request yet") == (verdict.verdict, verdict.excess, verdict.reason)
    assert EventsGuard().judge([]).verdict == INCONCLUSIVE


def test_a_base_rate_that_moved_between_steps_is_no_excess():
    quiet, busy = Step(0.05, 5, 95, 500, 9500), Step(0.5, 500, 500, 5000, 5000)
    assert EventsGuard().judge([quiet, busy]).excess == pytest.approx((500 * 0 + 5000 * 0) / 5500)
    assert 505 / 5500 - 595 / 14500 > 0.05


@given(losses, losses, losses)
def test_moments_merge_in_any_order_to_those_of_all_rows(one, two, three):
    a, b, c = moments(one), moments(two), moments(three)
    values = np.array([*one, *two, *three])
    left, right, turned = a.merged(b).merged(c), a.merged(b.merged(c)), c.merged(a).merged(b)
    variance = values.var(ddof=1) / len(values) if len(values) > 1 else 0.0
    for found in (left, right, turned):
        assert found.rows == len(values)
        assert found.mean == pytest.approx(values.mean() if len(values) else 0.0, abs=1e-9)
        assert found.variance == pytest.approx(variance, rel=1e-6, abs=1e-6)


def test_moments_of_no_row_and_of_one_have_no_variance():
    assert Moments.of(0, 0.0, 0.0) == Moments(0, 0.0, 0.0)
    assert Moments.of(1, 3.0, 9.0) == Moments(1, 3.0, 0.0)


clusters = st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=5), min_size=2, max_size=20)


def of_clusters(told):
    sizes, sums = np.array([len(one) for one in told], float), np.array([math.fsum(one) for one in told])
    return Moments.of_clusters(
        len(told), int(sizes.sum()), sums.sum(), (sums**2).sum(), (sums * sizes).sum(), (sizes**2).sum()
    )


@given(clusters)
def test_the_variance_of_clusters_is_that_of_their_totals_about_the_common_mean(told):
    rows, found = [loss for one in told for loss in one], of_clusters(told)
    residuals = [math.fsum(one) - len(one) * np.mean(rows) for one in told]
    expected = len(told) / (len(told) - 1) * np.sum(np.square(residuals)) / len(rows) ** 2
    assert (found.rows, found.mean) == (len(told), pytest.approx(np.mean(rows), abs=1e-9))
    assert found.variance == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(losses)
def test_clusters_of_one_row_are_independent_rows(values):
    one, other = of_clusters([[value] for value in values]), moments(values)
    assert (one.rows, one.mean) == (other.rows, pytest.approx(other.mean))
    assert one.variance == pytest.approx(other.variance, rel=1e-6, abs=1e-6)


def test_rows_that_repeat_within_a_cluster_are_no_more_evidence():
    values = [0.0, 1.0, 2.0, 5.0] * 50
    assert of_clusters([[value] * 10 for value in values]).variance == pytest.approx(moments(values).variance)


def test_clusters_that_are_none_or_no_number_are_told_apart():
    assert Moments.of_clusters(0, 0, 0.0, 0.0, 0.0, 0.0) == Moments(0, 0.0, 0.0)
    assert Moments.of_clusters(1, 5, 2.0, 4.0, 10.0, 25.0) == Moments(1, 0.4, 0.0)
    assert math.isnan(Moments.of_clusters(2, 5, 2.0, math.nan, 10.0, 25.0).variance)


def test_rounding_never_makes_a_variance_negative():
    assert Moments.of(3, 0.3, 0.03).variance >= 0


GOOD = binary(1000, 50)


@pytest.mark.parametrize(
    ("challenger", "told"),
    [
        (Moments.of(0, 0.0, 0.0), "0 rows of the challenger and 1000 of the champion, of 100 each"),
        (Moments.of(1, 1.0, 1.0), "1 rows of the challenger"),
        (binary(99, 5), "99 rows of the challenger"),
        (Moments.of(1000, math.nan, math.nan), "no finite number"),
        (Moments.of(1000, math.inf, math.inf), "no finite number"),
        (Moments(1000, 0.1, math.nan), "no finite number"),
    ],
)
def test_too_little_of_either_arm_gives_no_interval_and_says_why(challenger, told):
    for pair in ((challenger, GOOD), (GOOD, challenger)):
        assert difference(*pair, planned=1000) is None
        verdict = judge_quality(*pair, planned=1000)
        assert (INCONCLUSIVE, None) == (verdict.verdict, verdict.interval)
    assert told in too_little(challenger, GOOD)
    assert too_little(challenger, GOOD) == judge_quality(challenger, GOOD, planned=1000).reason


def test_losses_that_never_vary_give_no_interval():
    same = Moments.of(1000, 500.0, 250.0)
    assert difference(same, same, planned=1000) is None
    assert "the same" in judge_quality(same, same, planned=1000).reason


def test_one_row_an_arm_is_too_little_whatever_is_asked():
    one, two = Moments.of(1, 1.0, 1.0), Moments.of(2, 1.0, 1.0)
    assert difference(one, GOOD, planned=1000, fewest=0) is None
    assert "of 2 each" in too_little(one, GOOD, fewest=0)
    assert difference(two, GOOD, planned=1, fewest=0) is not None


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 1.0}, {"alpha": math.nan}, {"planned": 0}])
def test_a_level_or_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="alpha"):
        difference(GOOD, GOOD, **{"planned": 1000, **wrong})


def test_the_interval_is_that_of_the_paper():
    a, b, alpha, planned = Moments(2000, 0.12, 0.0004), Moments(6000, 0.10, 0.0002), 0.05, 10_000
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned)
    n, pooled = 8000, (2000 * 0.8 + 6000 * 1.2) / 8000
    spread = n * (pooled / 2000 + 1.2 / 6000)
    half = math.sqrt(spread) * math.sqrt(
        2 * (n * rho**2 + 1) / (n**2 * rho**2) * math.log(math.sqrt(n * rho**2 + 1) / alpha)
    )
    found = difference(a, b, planned=planned, alpha=alpha)
    assert found.estimate == pytest.approx(0.02)
    assert (found.lower, found.upper) == (pytest.approx(0.02 - half), pytest.approx(0.02 + half))


def test_the_interval_is_tightest_about_where_it_is_planned_to_be():
    challenger, champion = binary(500, 50), binary(9500, 950)
    widths = {}
    for planned in (100, 1000, 5000, 10_000, 20_000, 100_000, 10_000_000):
        found = difference(challenger, champion, planned=planned)
        widths[planned] = found.upper - found.lower
    assert min(widths, key=widths.get) == 10_000
    assert widths[10_000_000] > 3 * widths[10_000]


@given(st.integers(100, 10**6), st.integers(2, 50), st.floats(0.01, 0.99), st.floats(0.001, 0.3))
def test_an_interval_holds_its_estimate_and_shrinks_as_rows_come(rows, times, rate, alpha):
    few, many = (Moments(n, rate, rate * (1 - rate) / n) for n in (rows, rows * times))
    narrow, wide = (difference(one, one, planned=10_000, alpha=alpha) for one in (many, few))
    assert wide.lower < narrow.lower < 0 < narrow.upper < wide.upper
    assert narrow.estimate == 0


@given(st.integers(100, 10**4), st.integers(100, 10**4), st.floats(0, 1), st.floats(0, 1))
def test_the_arms_are_treated_alike(rows, others, rate, other_rate):
    a, b = Moments(rows, rate, 0.3 / rows), Moments(others, other_rate, 0.1 / others)
    one, turned = difference(a, b, planned=1000), difference(b, a, planned=1000)
    assert one.estimate == pytest.approx(-turned.estimate)
    assert (one.lower, one.upper) == (pytest.approx(-turned.upper), pytest.approx(-turned.lower))


def test_a_small_arm_without_a_single_event_yet_is_not_taken_for_certain():
    lucky = difference(binary(150, 0), binary(2850, 29), planned=14_000)
    assert lucky.lower < -0.01 < 0 < lucky.upper


def test_a_worse_challenger_fails_a_better_one_passes_and_a_like_one_stays_open():
    champion = binary(10_000, 1000)
    verdicts = [judge_quality(binary(10_000, bad), champion, planned=20_000).verdict for bad in (1200, 800, 1010)]
    assert [FAIL, PASS, INCONCLUSIVE] == verdicts


def test_a_tolerance_lets_pass_what_is_a_little_worse():
    champion, challenger = binary(100_000, 10_000), binary(100_000, 10_000)
    assert judge_quality(challenger, champion, planned=200_000).verdict == INCONCLUSIVE
    assert judge_quality(challenger, champion, planned=200_000, tolerance=0.01).verdict == PASS
    worse = binary(100_000, 10_700)
    assert judge_quality(worse, champion, planned=200_000).verdict == FAIL
    assert judge_quality(worse, champion, planned=200_000, tolerance=0.007).verdict == INCONCLUSIVE
    assert judge_quality(worse, champion, planned=200_000, tolerance=0.02).verdict == PASS


def test_an_end_that_just_reaches_the_tolerance_decides_nothing():
    pair = binary(10_000, 1200), binary(10_000, 1000)
    found = difference(*pair, planned=20_000)
    for end, inwards, verdict in ((found.lower, -1, FAIL), (found.upper, 1, PASS)):
        assert judge_quality(*pair, planned=20_000, tolerance=end).verdict == INCONCLUSIVE
        assert judge_quality(*pair, planned=20_000, tolerance=math.nextafter(end, inwards)).verdict == verdict


QUIET, BUSY = (binary(1000, 50), binary(19_000, 950)), (binary(10_000, 1000), binary(10_000, 1000))


def test_losses_that_move_while_the_share_grows_are_no_difference():
    plain = [a.merged(b) for a, b in zip(QUIET, BUSY, strict=True)]
    assert judge_quality(*plain, planned=40_000).verdict == FAIL
    verdict = judge_quality_of([QUIET, BUSY], planned=40_000)
    assert (INCONCLUSIVE, 0.0) == (verdict.verdict, verdict.interval.estimate)
    assert verdict.reason.endswith(", 11000 and 29000 rows")


@given(st.permutations([QUIET, BUSY, (binary(500, 40), binary(500, 10)), (binary(30, 0), binary(70, 9))]))
def test_strata_are_weighed_by_their_rows_in_any_order(strata):
    found = difference_of(strata, planned=40_000)
    assert found.estimate == pytest.approx((1000 * 0.06 + 100 * -9 / 70) / 41_100)
    same = difference_of(
        [QUIET, BUSY, (binary(500, 40), binary(500, 10)), (binary(30, 0), binary(70, 9))], planned=40_000
    )
    assert (found.lower, found.upper) == (pytest.approx(same.lower), pytest.approx(same.upper))


def test_strata_of_one_share_and_one_rate_say_what_the_whole_says():
    whole = difference(binary(10_000, 500), binary(10_000, 500), planned=20_000)
    halves = difference_of([(binary(5000, 250), binary(5000, 250))] * 2, planned=20_000)
    assert (halves.lower, halves.upper) == (pytest.approx(whole.lower, rel=1e-3), pytest.approx(whole.upper, rel=1e-3))


def test_a_stratum_without_an_arm_is_left_out_and_too_few_strata_are_too_little():
    nothing = Moments.of(0, 0.0, 0.0)
    alone = difference_of([QUIET, (nothing, GOOD), (GOOD, nothing)], planned=40_000)
    assert alone == difference(*QUIET, planned=40_000)
    assert difference_of([(nothing, GOOD), (GOOD, nothing)], planned=40_000) is None
    verdict = judge_quality_of([(nothing, GOOD), (GOOD, nothing)], planned=40_000)
    assert "0 rows of the challenger and 0 of the champion" in verdict.reason
    assert judge_quality_of([], planned=40_000).verdict == INCONCLUSIVE


def test_a_verdict_tells_its_numbers():
    verdict = judge_quality(binary(10_000, 1200), binary(10_000, 1000), planned=20_000, tolerance=0.001)
    assert verdict.reason == (
        "loss +0.02000 a row, +0.00631 to +0.03369 at all looks, tolerance 0.001, 10000 and 10000 rows"
    )


def looks(values, arms):
    """Yield the moments of challenger and champion after each row."""
    told = np.stack([arms, arms * values, arms * values**2], axis=1)
    rest = np.stack([~arms, ~arms * values, ~arms * values**2], axis=1)
    for mine, others in zip(told.cumsum(axis=0).tolist(), rest.cumsum(axis=0).tolist(), strict=True):
        yield Moments.of(int(mine[0]), *mine[1:]), Moments.of(int(others[0]), *others[1:])


def test_equal_versions_looked_at_after_every_row_differ_seldom_enough_and_a_plain_z_test_often():
    chance, runs, rows, alpha = np.random.default_rng(20), 80, 1200, 0.05
    false, naive = 0, 0
    for _ in range(runs):
        pairs = list(looks(chance.exponential(1, rows), chance.random(rows) < 0.5))
        intervals = [difference(*pair, planned=rows, alpha=alpha) for pair in pairs]
        false += any(not one.lower <= 0 <= one.upper for one in intervals if one)
        z = [(a.mean - b.mean) ** 2 > 1.96**2 * (a.variance + b.variance) for a, b in pairs if a.rows > 100 < b.rows]
        naive += any(z)
    assert false / runs <= alpha
    assert naive / runs > 3 * alpha


def test_a_difference_that_is_there_is_found_and_the_interval_holds_it_at_every_look():
    chance, rows = np.random.default_rng(4), 4000
    arms = chance.random(rows) < 0.5
    pairs = looks(chance.exponential(1, rows) + 0.25 * arms, arms)
    intervals = [found for pair in pairs if (found := difference(*pair, planned=rows))]
    assert len(intervals) > 3000
    assert all(one.lower <= 0.25 <= one.upper for one in intervals)
    assert sum(one.lower > 0 for one in intervals) > 500


def test_importing_it_loads_no_numpy():
    code = "import sys, modelops_pipelines.core.sequential; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
