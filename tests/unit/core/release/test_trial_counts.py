"""A trial counted from the workers' seconds: each caller once, whichever worker answers; latency in pairs."""

from modelops_pipelines.core.metrics.latency_sketch import bucket
from modelops_pipelines.core.release.guards import Arm, Pairs
from modelops_pipelines.core.release.live_counts import Count, Second, second_of
from modelops_pipelines.core.release.trial_counts import REFERENCE_REQUESTS, WARM_UP_SECONDS, TrialCounter

SINCE = 1000.0
FAST, SLOW = bucket(10), bucket(100)
USUAL = Second(990, versions={"1": Count(requests=REFERENCE_REQUESTS, latencies={FAST: REFERENCE_REQUESTS})})


def counter() -> TrialCounter:
    return TrialCounter("1", "2", 20, SINCE, 2.0)


def answered(second: int, challenger: int = FAST, champion: int = FAST, requests: int = 1) -> Second:
    """Return a second in which both versions answered anonymous requests, with these latencies."""
    versions = {
        version: Count(requests, anonymous=requests, fresh=[(None, ms)], latencies={ms: requests})
        for version, ms in (("2", challenger), ("1", champion))
    }
    return Second(second, versions=versions)


def test_a_caller_whom_two_workers_answer_counts_once() -> None:
    counted = counter()
    for _ in range(2):
        one = Count(5, failed=5, fresh=[(7, FAST)], failing=[7])
        counted.add(Second(1001, versions={"2": one}))
    assert Arm(requests=10, failed=10, callers=1, errors=1) == counted.leg().challenger


def test_a_caller_who_moves_to_the_challenger_counts_in_the_next_leg_unless_it_failed_before() -> None:
    first = counter()
    first.add(Second(1001, versions={"1": Count(2, failed=1, fresh=[(1, FAST), (2, FAST)], failing=[1])}))
    second = first.next_leg(50, 1100.0)
    second.add(Second(1101, versions={"2": Count(2, failed=2, fresh=[(1, FAST), (2, FAST)], failing=[1, 2])}))
    assert Arm(2, 1, callers=2, errors=1) == first.leg().champion
    assert Arm(2, 2, callers=1, errors=1) == second.leg().challenger
    assert Arm() == second.leg().champion


def test_a_caller_who_failed_is_at_risk_no_more() -> None:
    counted = counter()
    counted.add(Second(1001, versions={"2": Count(1, fresh=[(1, FAST)]), "1": Count(3, fresh=[(2, FAST), (3, FAST)])}))
    counted.add(Second(1002, versions={"1": Count(1, failed=1, failing=[2])}))
    counted.add(Second(1003, versions={"2": Count(1, failed=1, failing=[1])}))
    counted.add(Second(1004, versions={"1": Count(2, failed=2, anonymous=1, anonymous_errors=1, failing=[4])}))
    assert {334: (0, 1), 500: (1, 0), 200: (0, 2)} == counted.leg().failures


def test_seconds_before_the_change_and_the_warm_up_give_no_pairs() -> None:
    counted = counter()
    counted.add_all([USUAL, *(answered(second, SLOW) for second in range(995, 1001 + WARM_UP_SECONDS))])
    assert Pairs() == counted.leg().slow
    counted.add(answered(1001 + WARM_UP_SECONDS, SLOW))
    assert Pairs(1, 1, 0) == counted.leg().slow


def test_however_many_answers_of_a_second_are_slow_they_are_one_pair() -> None:
    counted = counter()
    counted.add_all([USUAL, answered(1010, SLOW, requests=500), answered(1011), answered(1012, SLOW, SLOW)])
    assert Pairs(3, 1, 0) == counted.leg().slow


def test_without_enough_answers_of_the_champion_nothing_is_slow() -> None:
    counted = counter()
    counted.add_all([answered(1010, SLOW, requests=REFERENCE_REQUESTS - 1), answered(1011, SLOW)])
    assert (Pairs(), None) == (counted.leg().slow, counted.leg().slow_ms)
    counted.add(answered(1012, SLOW))
    assert Pairs(1, 1, 0) == counted.leg().slow


def test_a_published_second_is_read_as_it_was_written_and_one_of_an_older_release_has_no_versions() -> None:
    from dataclasses import asdict

    second = answered(1010)
    line = {**asdict(second), "endpoint": "e"}
    line["latencies"] = {str(key): count for key, count in line["latencies"].items()}
    assert second == second_of(line)
    assert {} == second_of({**line, "versions": {"1": {"requests": 3, "callers": 2}}}).versions
