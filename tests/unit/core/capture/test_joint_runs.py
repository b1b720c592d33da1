"""Small ingests are joined within a stated time, and endpoints in runs of a bounded number; what kills runs is alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.capture.joint_runs import MOST_BYTES, MOST_SEGMENTS, Attempts, PendingWork, joined

NAMES = st.lists(st.text("abc", min_size=1, max_size=4), unique=True, max_size=30)


def work(segments: int = 1, size: int = 100, waited: float = 5.0) -> PendingWork:
    return PendingWork("e", segments, 1, size, waited, "same")


@given(NAMES, st.sets(st.text("abc", min_size=1, max_size=4)), st.integers(1, 7))
def test_each_endpoint_is_in_one_run_of_at_most_so_many_and_those_alone_are_by_themselves(
    names: list[str], alone: set[str], most: int
) -> None:
    groups = joined(names, alone, most)
    assert sorted(names) == sorted(name for group in groups for name in group)
    assert all(len(group) <= most for group in groups)
    assert all(len(group) == 1 for group in groups if alone & {*group})
    together = sum(1 for name in names if name not in alone)
    assert len(groups) == -(-together // most) + len(alone & {*names})


@pytest.mark.parametrize(
    ("pending", "lag", "ripe"),
    [
        (work(waited=5.0), 20.0, False),
        (work(waited=20.0), 20.0, True),
        (work(waited=5.0), 0.0, True),
        (work(waited=5.0, size=MOST_BYTES), 20.0, True),
        (work(waited=5.0, segments=MOST_SEGMENTS), 20.0, True),
        (work(segments=0, size=0, waited=0.0), 20.0, True),
    ],
    ids=["young", "old enough", "without a lag", "many bytes", "many segments", "windows alone"],
)
def test_captured_rows_wait_for_others_to_join_them_unless_they_are_many(
    pending: PendingWork,
    lag: float,
    ripe: bool,  # noqa: FBT001
) -> None:
    assert ripe == pending.is_ripe(lag)


def test_work_whose_process_was_lost_more_than_once_is_alone() -> None:
    assert [False, False, True] == [Attempts(lost=times).alone for times in range(3)]
