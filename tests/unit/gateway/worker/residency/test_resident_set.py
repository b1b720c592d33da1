"""What leaves the memory: the least recently used, as little as makes room, and never what answers or is pinned."""

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.gateway.worker.residency.resident_set import Resident, to_leave, total

SETS = st.lists(
    st.builds(
        Resident,
        endpoint=st.sampled_from("abcdefgh"),
        answers=st.booleans(),
        bytes=st.integers(0, 100),
        used_at=st.integers(0, 9).map(float),
        min_resident=st.sampled_from([0, 0, 0, 1, 2]),
        busy=st.sampled_from([False, False, True]),
        new=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda one: (one.endpoint, one.answers),
)
BUDGETS, WANTED = st.integers(0, 600), st.integers(0, 100)


@given(SETS, BUDGETS, WANTED)
def test_what_is_pinned_or_answers_a_request_never_leaves(residents: list[Resident], budget: int, wanted: int) -> None:
    assert all(not one.busy and not one.is_pinned for one in to_leave(residents, budget, wanted))


@given(SETS, BUDGETS, WANTED)
def test_afterwards_it_fits_or_nothing_more_may_leave(residents: list[Resident], budget: int, wanted: int) -> None:
    gone = to_leave(residents, budget, wanted)
    stays = [one for one in residents if one not in gone]
    assert total(stays) + wanted <= budget or not any(one.may_leave for one in stays)


@given(SETS, BUDGETS, WANTED)
def test_nothing_leaves_that_needs_not(residents: list[Resident], budget: int, wanted: int) -> None:
    gone = to_leave(residents, budget, wanted)
    if gone:
        assert total(residents) - total(gone[:-1]) + wanted > budget
    assert [] == to_leave(residents, None, wanted)


@given(SETS, BUDGETS, WANTED)
def test_the_least_recently_used_leaves_first_and_what_is_new_last(
    residents: list[Resident], budget: int, wanted: int
) -> None:
    gone = to_leave(residents, budget, wanted)
    stays = [one for one in residents if one.may_leave and one not in gone]
    assert all((left.new, left.used_at) <= (kept.new, kept.used_at) for left in gone for kept in stays)


@given(SETS, BUDGETS, WANTED)
def test_the_champion_before_leaves_before_the_versions_that_answer(
    residents: list[Resident], budget: int, wanted: int
) -> None:
    gone = to_leave(residents, budget, wanted)
    for one in gone:
        before = next((other for other in residents if other.endpoint == one.endpoint and not other.answers), None)
        same_use = before is not None and (before.new, before.used_at) == (one.new, one.used_at)
        if one.answers and before is not None and same_use and before.may_leave:
            assert before in gone


def test_pinned_by_one_the_champion_before_may_leave_and_by_two_not() -> None:
    parts = [Resident("a", answers, 10, 0.0, least) for least in (0, 1, 2) for answers in (True, False)]
    assert [(0, False), (0, True), (1, False)] == [(one.min_resident, one.answers) for one in to_leave(parts, 0)]
