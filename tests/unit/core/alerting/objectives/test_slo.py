"""Error budgets against cases computed by hand, the windows of a timeline, and the words of verdicts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.objectives.burn_rates import (
    ABSENT,
    BURN_RATES,
    BURNS,
    CLEAR,
    UNDECIDED,
    Counts,
    judge_burn,
)
from modelops_pipelines.core.alerting.objectives.slo import Budget, Timeline, in_words, state_of_burns
from modelops_pipelines.core.alerting.objectives.slo_messages import Words, share_text, verdict_message
from modelops_pipelines.core.metrics.latency_sketch import bucket, count_within

HOUR, DAY, MONTH = timedelta(hours=1), timedelta(days=1), timedelta(days=28)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = Words("slo_availability", "requests", "failed")


@pytest.mark.parametrize(
    ("objective", "counts", "allowed", "left_events", "left", "burn_rate"),
    [
        (0.999, Counts(100_000, 40), 100, 60, 0.60, 0.4),
        (0.99, Counts(67_200, 0), 672, 672, 1.0, 0.0),
        (0.99, Counts(67_200, 672), 672, 0, 0.0, 1.0),
        (0.99, Counts(10_000, 150), 100, -50, -0.50, 1.5),
        (0.9, Counts(50, 4), 5, 1, 0.2, 0.8),
        (0.95, Counts(28, 28), 1.4, -26.6, -19.0, 20.0),
    ],
)
def test_a_budget_is_what_a_person_computes(
    objective: float, counts: Counts, allowed: float, left_events: float, left: float, burn_rate: float
) -> None:
    budget = Budget(objective, MONTH, counts)
    found = (budget.allowed, budget.left_events, budget.left, budget.burn_rate)
    assert found == pytest.approx((allowed, left_events, left, burn_rate), abs=1e-9)


def test_a_budget_without_events_is_absent_never_met() -> None:
    budget = Budget(0.99, MONTH, Counts())
    assert (None, None, None) == (budget.left, budget.burn_rate, budget.gone_in(Counts(10, 5), HOUR))


@pytest.mark.parametrize(
    ("spent", "counted", "length", "gone_in"),
    [
        (0, Counts(1000, 144), 10 * HOUR, MONTH / 14.4),  # 100 requests an hour, 14.4 % fail: 28 d / 14.4 = 46.7 h
        (0, Counts(7200, 72), 3 * DAY, MONTH),  # a burn rate of 1 spends a whole budget in its whole period
        (540, Counts(100, 144), 10 * HOUR, timedelta(hours=132 / 14.4)),  # 132 left, 14.4 an hour: 9 h
        (672, Counts(100, 1), HOUR, timedelta(0)),
        (900, Counts(100, 1), HOUR, timedelta(0)),
        (900, Counts(100, 0), HOUR, timedelta(0)),
        (100, Counts(100, 0), HOUR, None),
    ],
)
def test_when_a_budget_is_gone_is_what_a_person_computes(
    spent: int, counted: Counts, length: timedelta, gone_in: timedelta | None
) -> None:
    found = Budget(0.99, MONTH, Counts(67_200, spent)).gone_in(counted, length)
    assert (found is None) == (gone_in is None)
    assert found is None or gone_in is None or abs(found - gone_in) < timedelta(seconds=1)


@given(st.integers(1, 10**6), st.data(), st.sampled_from([0.9, 0.99, 0.9999]))
def test_one_more_bad_event_never_leaves_more_of_the_budget(n: int, data: st.DataObject, objective: float) -> None:
    bad = data.draw(st.integers(0, n - 1))
    fewer, more = (Budget(objective, MONTH, Counts(n, b)) for b in (bad, bad + 1))
    assert fewer.left is not None
    assert more.left is not None
    assert more.left < fewer.left
    assert fewer.burn_rate == pytest.approx(1 - fewer.left)


def test_short_windows_are_seconds_and_long_ones_are_hours() -> None:
    end = NOON + timedelta(minutes=30)
    at = int(end.timestamp())
    live = {at - 1: Counts(5, 1), at - 299: Counts(3), at - 301: Counts(7), at - 3590: Counts(1), at - 3601: Counts(9)}
    hours = {NOON - n * HOUR: Counts(10 * n, n) for n in range(1, 10)}
    timeline = Timeline(hours, live)
    assert Counts(8, 1) == timeline.last(timedelta(minutes=5), end)
    assert Counts(16, 1) == timeline.last(HOUR, end)
    assert Counts(15 + 10 * 21, 1 + 21) == timeline.last(6 * HOUR, end)


def test_of_an_hour_that_the_lake_and_the_gateway_have_the_one_with_more_counts() -> None:
    end = NOON + timedelta(minutes=30)
    live = {int(NOON.timestamp()) + n: Counts(1) for n in range(50)}
    assert Counts(50) == Timeline({NOON: Counts(30)}, live).last(6 * HOUR, end)
    assert Counts(80) == Timeline({NOON: Counts(80)}, live).last(6 * HOUR, end)


def test_an_hour_that_live_counts_do_not_reach_back_to_is_filled_from_the_lake() -> None:
    end = NOON + timedelta(minutes=30)
    begun = {int(end.timestamp()) - 1 - n: Counts(1, 1) for n in range(149)}
    timeline = Timeline({NOON: Counts(1500), NOON - HOUR: Counts(1576, 3)}, begun)
    assert Counts(3076, 149 + 3) == timeline.last(HOUR, end)
    assert Counts(149, 149) == timeline.last(timedelta(minutes=5), end)
    assert Counts(149, 149) == Timeline({}, begun).last(HOUR, end)


def test_without_live_counts_short_windows_are_whole_hours() -> None:
    hours = {NOON: Counts(4, 1), NOON - HOUR: Counts(10, 2), NOON - 2 * HOUR: Counts(100, 50)}
    assert Counts(14, 3) == Timeline(hours).last(timedelta(minutes=5), NOON + timedelta(minutes=20))


def test_a_latency_is_good_up_to_its_bucket() -> None:
    sketch = {bucket(100.0): 5, bucket(299.0): 3, bucket(310.0): 2}
    assert (5, 8, 10) == tuple(count_within(sketch, at) for at in (200.0, 303.0, 1000.0))


FAST, _, SLOW = BURN_RATES
BURNING = judge_burn(FAST, 0.001, Counts(240, 24), Counts(20, 2))
SPENT_LITTLE = Budget(0.999, MONTH, Counts(161_280, 30))


def test_one_burn_rate_is_enough_to_fail_and_all_are_needed_to_pass() -> None:
    clear = judge_burn(SLOW, 0.001, Counts(10_000, 0), Counts(100, 0))
    absent = judge_burn(FAST, 0.001, Counts(), Counts())
    doubtful = judge_burn(FAST, 0.001, Counts(40, 1), Counts(3, 1))
    assert (BURNS, BURNING) == state_of_burns([clear, absent, BURNING])
    assert (ABSENT, absent) == state_of_burns([clear, doubtful, absent])
    assert (UNDECIDED, doubtful) == state_of_burns([clear, doubtful])
    assert (CLEAR, clear) == state_of_burns([clear, clear])
    assert (ABSENT, None) == state_of_burns([])


def test_a_verdict_says_how_bad_what_is_left_and_when_it_is_gone() -> None:
    assert (
        "slo_availability: 24 of 240 requests failed in the last 1h and 2 of 20 in the last 5m, "
        "100 times what 99.9 % allows (limit 14.4 times). "
        "81 % of the error budget of 28d is left; at this rate it is gone in 5 h"
    ) == verdict_message(FAILED, SPENT_LITTLE, BURNS, BURNING, SPENT_LITTLE.gone_in(BURNING.long, HOUR))


def test_a_verdict_says_why_there_is_none() -> None:
    budget = Budget(0.999, MONTH, Counts(161_280, 300))
    doubtful = judge_burn(FAST, 0.001, Counts(40, 1), Counts(3, 1))
    assert verdict_message(FAILED, budget, UNDECIDED, doubtful, None).endswith(": too few to exclude chance")
    quiet = judge_burn(FAST, 0.001, Counts(240, 24), Counts(20, 0))
    silent = judge_burn(FAST, 0.001, Counts(240, 24), Counts())
    assert "too few in the last 5m to tell that it is over" in verdict_message(FAILED, budget, UNDECIDED, quiet, None)
    assert verdict_message(FAILED, budget, UNDECIDED, silent, None).endswith(": no requests in the last 5m")
    absent = judge_burn(FAST, 0.001, Counts(), Counts())
    assert ("not judged: no requests in the last 1h: an objective without data is absent, not met") == verdict_message(
        FAILED, budget, ABSENT, absent, None
    )


def test_a_spent_budget_says_so() -> None:
    budget = Budget(0.999, MONTH, Counts(161_280, 300))
    told = verdict_message(FAILED, budget, BURNS, BURNING, timedelta(0))
    assert told.endswith("The error budget of 28d is spent (186 % of it)")


def test_durations_and_shares_read_as_people_say_them() -> None:
    said = [in_words(timedelta(minutes=m)) for m in (0, 0.2, 5, 119, 540, 60 * 47, 60 * 100)]
    assert ["spent", "under a minute", "5 min", "119 min", "9 h", "47 h", "4 days"] == said
    assert ["50 %", "99.9 %", "99.995 %"] == [share_text(share) for share in (0.5, 0.999, 0.99995)]
