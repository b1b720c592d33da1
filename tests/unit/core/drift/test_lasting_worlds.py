"""Lasting, mended and no drift in worlds that nothing was tuned on (``benchmarks/worlds``): a few of their seeds."""

import pytest

from benchmarks.lasting_drift import ORDINARY, WORLDS, Counts, Endpoint, measure


@pytest.mark.parametrize("world", WORLDS)
def test_a_step_keeps_its_alert_and_a_mended_week_leaves_nothing(world: str) -> None:
    make, column = WORLDS[world]
    counts = Counts()
    measure(make, column, [2_000], 15, counts, sizes=(1.0,))
    assert {1.0: 1} == counts.told
    assert {1.0: 1} == counts.kept
    assert counts.again == counts.untouched
    assert counts.episodes <= 1


def test_a_step_is_told_by_the_column_that_changed() -> None:
    make, column = WORLDS["machines"]
    found = Endpoint(make(2_001), column).judged(ORDINARY, 6, lambda day: 2.0 if day >= ORDINARY else 0.0)
    assert all(column in one.drifted for one in found[1:])
    assert [False, True, True, True, True, True] == [one.open for one in found]
