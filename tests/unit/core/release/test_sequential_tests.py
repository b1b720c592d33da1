"""Intervals that may be looked at at any time: exact where they are exact, simulated where they are not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.release.sequential_tests import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Moments,
    difference,
    difference_of,
    judge_quality,
    judge_quality_of,
    too_little,
)


def binary(rows, bad):
    return Moments.of(rows, bad, bad)


GOOD = binary(1000, 50)


@pytest.mark.parametrize(
    ("challenger", "told"),
    [
        (Moments.of(0, 0.0, 0.0), "0 rows of the challenger and 1000 of the champion, but 100 of each are required"),
        (Moments.of(1, 1.0, 1.0), "1 rows of the challenger"),
        (binary(99, 5), "99 rows of the challenger"),
        (Moments.of(1000, math.nan, math.nan), "a loss is not finite"),
        (Moments.of(1000, math.inf, math.inf), "a loss is not finite"),
        (Moments(1000, 0.1, math.nan), "a loss is not finite"),
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
    assert "have no variance" in judge_quality(same, same, planned=1000).reason


def test_one_row_an_arm_is_too_little_whatever_is_asked():
    one, two = Moments.of(1, 1.0, 1.0), Moments.of(2, 1.0, 1.0)
    assert difference(one, GOOD, planned=1000, fewest=0) is None
    assert "but 2 of each are required" in too_little(one, GOOD, fewest=0)
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
    assert verdict.reason.endswith(", 11000 and 29000 rows)")


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
        "loss +0.02000 per row (interval +0.00631 to +0.03369, tolerance 0.001, 10000 and 10000 rows)"
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
