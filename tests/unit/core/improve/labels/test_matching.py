"""What a label is matched to depends on what was captured, never on the order or the number of readings."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.labels.matching import (
    Answered,
    Candidate,
    joined_requests,
    match_of_entity,
    match_of_request,
    nearest,
    replaced,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Requests = dict[str, Answered]
candidates = st.builds(
    lambda minute, name: Candidate(START + minute * MINUTE, f"{name}-0"), st.integers(0, 5), st.sampled_from("abc")
)
requests = st.dictionaries(st.sampled_from("abcdefgh"), st.none(), max_size=4).map(
    lambda names: {name: Answered(2, START, name in "bdfg") for name in names}
)


@given(st.lists(candidates | st.none(), max_size=6), st.randoms())
def test_the_nearest_prediction_is_the_same_in_every_order_and_grouping(
    found: list[Candidate | None], chance: random.Random
) -> None:
    expected = nearest(*found)
    chance.shuffle(found)
    known: Candidate | None = None
    for one in [*found, *found[:2]]:
        known = nearest(known, one)
    assert expected == known


@given(st.lists(requests, max_size=6), st.integers(0, 3), st.randoms())
def test_requests_of_a_callers_id_are_joined_alike_in_every_order(
    found: list[Requests], row: int, chance: random.Random
) -> None:
    expected = match_of_request(joined_requests(*found), row, open_=True)
    chance.shuffle(found)
    known: Requests = {}
    for one in [*found, *found[:1]]:
        known = joined_requests(known, one)
    assert expected == match_of_request(known, row, open_=True)


def test_a_callers_id_that_was_used_twice_is_refused_and_not_guessed() -> None:
    match = match_of_request({"a": Answered(1, START), "b": Answered(1, START)}, 0, open_=True)
    assert ("ambiguous", None) == (match.status, match.prediction)
    assert "two or more requests have this client request id" in str(match.reason)


def test_a_request_of_another_key_takes_no_label_from_a_request_of_the_labels_own_key() -> None:
    found = {"a": Answered(1, START), "b": Answered(1, START, own=True), "c": Answered(1, START)}
    assert Candidate(START, "b-0") == match_of_request(joined_requests(found), 0, open_=True).prediction
    twice = found | {"d": Answered(1, START, own=True)}
    assert "ambiguous" == match_of_request(joined_requests(twice), 0, open_=True).status
    others = {name: found[name] for name in "ac"}
    assert "ambiguous" == match_of_request(joined_requests(others), 0, open_=True).status


def test_a_row_that_the_request_does_not_have_is_no_match_and_says_so() -> None:
    match = match_of_request({"a": Answered(2, START)}, 2, open_=True)
    assert ("waiting", "the request has 2 row(s), counted from 0, and no row 2") == (match.status, match.reason)


def test_what_has_not_matched_expires_with_its_reason_once_its_time_has_passed() -> None:
    assert ["waiting", "expired"] == [match_of_entity(None, open_=open_).status for open_ in (True, False)]
    assert ["waiting", "expired"] == [match_of_request({}, 0, open_=open_).status for open_ in (True, False)]
    assert match_of_entity(None, open_=False).reason


def test_ten_thousand_orders_of_predictions_labels_and_corrections_give_one_result() -> None:
    chance = random.Random(19)
    events = [*(("row", n) for n in range(5)), *(("label", n) for n in range(5))]
    expected = labels_after(events)
    assert 3 == len(expected)
    for _ in range(10_000):
        chance.shuffle(events)
        assert expected == labels_after(events)


ROWS = [Candidate(START + minute * MINUTE, f"r{minute}-0") for minute in (0, 2, 2, 5, 9)]
LABELS = [  # the time meant, the label, when it became known
    (1, "0", 10),
    (1, "1", 20),  # a correction of the one before
    (4, "0", 10),
    (6, "1", 10),
    (8, "0", 30),  # for the same prediction, known later
]


def labels_after(events: Sequence[tuple[str, int]]) -> dict[str, str]:
    """Return the label of each prediction after these events, with labels and withdrawals as they are written."""
    rows: list[Candidate] = []
    open_: dict[int, Candidate | None] = {}
    written: dict[tuple[int, str], tuple[int, str]] = {}
    withdrawn: set[tuple[int, str]] = set()
    for kind, n in events:
        if kind == "row":
            rows.append(ROWS[n])
        else:
            open_[n] = None
        for number, before in open_.items():
            at = START + LABELS[number][0] * MINUTE
            after = nearest(before, *(row for row in rows if row.event_time <= at))
            open_[number] = after
            gone = replaced([], before and before.prediction_id, after and after.prediction_id)
            withdrawn |= {(number, prediction) for prediction in gone}
            if after is not None:
                written[number, after.prediction_id] = (LABELS[number][2], LABELS[number][1])
    now: dict[str, tuple[int, str]] = {}
    for (number, prediction), said in written.items():
        if (number, prediction) not in withdrawn:
            now[prediction] = max(said, now.get(prediction, said))
    return {prediction: label for prediction, (_, label) in now.items()}
