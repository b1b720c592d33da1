"""What is told together, how long to wait after a failed try, and when a message is given up."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.alerts import OPEN, Alert, AlertEvent
from modelops_pipelines.core.alerting.messages import (
    LONGEST_PAUSE,
    MOST_IN_ONE,
    SEVERAL,
    STORM_ENDPOINTS,
    Waiting,
    drafts_of,
    pause_after,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def waiting(number: int, endpoint: str) -> Waiting:
    alert = Alert(endpoint, "drift", "drift", OPEN, "error", "", 1, 0, NOW, NOW, None, "", "", id=number)
    return Waiting(number, "night", endpoint, alert, AlertEvent(number, endpoint, "drift", NOW, "opened", id=number))


@given(st.lists(st.integers(0, 30), max_size=600), st.sets(st.integers(0, 30), max_size=5))
def test_each_change_is_told_at_most_once_in_order_and_never_beside_one_under_way(
    endpoints: list[int], under_way: set[int]
) -> None:
    given_ones = [waiting(number, f"e{endpoint}") for number, endpoint in enumerate(endpoints)]
    busy = {f"e{endpoint}" for endpoint in under_way}
    drafts = drafts_of("night", given_ones, busy, 100)
    told = [one for draft in drafts for one in draft.waiting]
    assert len({one.notification_id for one in told}) == len(told)
    assert not busy & {one.endpoint for one in told}
    for endpoint in {one.endpoint for one in told}:
        numbers = [one.notification_id for one in told if one.endpoint == endpoint]
        assert numbers == sorted(numbers)
        assert 1 == sum(any(one.endpoint == endpoint for one in draft.waiting) for draft in drafts)
        skipped = [one.notification_id for one in given_ones if one.endpoint == endpoint][: len(numbers)]
        assert skipped == numbers


def test_few_endpoints_have_a_message_each_and_many_are_told_together() -> None:
    few = drafts_of("night", [waiting(n, f"e{n}") for n in range(STORM_ENDPOINTS)], (), 100)
    many = drafts_of("night", [waiting(n, f"e{n}") for n in range(1_000)], (), 100)
    assert [f"e{n}" for n in range(STORM_ENDPOINTS)] == [draft.endpoint for draft in few]
    assert [(SEVERAL, MOST_IN_ONE)] * 5 == [(draft.endpoint, len(draft.waiting)) for draft in many]


def test_no_more_messages_than_are_wanted() -> None:
    waits = [waiting(n, f"e{n}") for n in range(5)]
    assert [2, 0, 0] == [len(drafts_of("night", waits, (), most)) for most in (2, 0, -3)]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_double_up_to_the_longest_and_are_spread(attempts: int, jitter: float) -> None:
    pause = pause_after(attempts, jitter)
    whole = min(timedelta(seconds=5) * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)
    assert whole / 2 <= pause <= whole


def test_a_receivers_wish_is_respected_for_up_to_an_hour() -> None:
    assert timedelta(minutes=20) == pause_after(1, 0.5, timedelta(minutes=20))
    assert timedelta(hours=1) == pause_after(1, 0.5, timedelta(days=3))
    assert pause_after(9, 0.5) == pause_after(9, 0.5, timedelta(0))
