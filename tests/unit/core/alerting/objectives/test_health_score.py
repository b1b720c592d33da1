"""The health score: monotone in each part, capped by the worst, and nothing without evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.objectives.health_score import (
    AVAILABILITY,
    CAPTURE,
    DRIFT,
    LEAST_WEIGHT,
    WEIGHTS,
    Part,
    points_beyond,
    points_of_share,
    points_within,
    score_of,
)

points = st.floats(0, 100)
parts = st.fixed_dictionaries({name: st.none() | points for name in WEIGHTS})


def scored(given_points: dict[str, float | None]) -> float | None:
    return score_of([Part(name, value, "") for name, value in given_points.items()]).score


def has_enough(given_points: dict[str, float | None]) -> bool:
    return sum(WEIGHTS[name].weight for name, value in given_points.items() if value is not None) >= LEAST_WEIGHT


@given(parts, st.sampled_from(sorted(WEIGHTS)), points, points)
def test_a_score_never_falls_when_the_points_of_a_part_rise(
    others: dict[str, float | None], name: str, one: float, other: float
) -> None:
    low, high = (scored({**others, name: value}) for value in sorted((one, other)))
    assert [not has_enough({**others, name: one})] * 2 == [low is None, high is None]
    assert low is None or high is None or low <= high + 1e-9


@given(parts)
def test_a_score_is_between_its_parts_and_within_0_and_100(given_points: dict[str, float | None]) -> None:
    known = [value for value in given_points.values() if value is not None]
    found = scored(given_points)
    assert (found is None) == (not has_enough(given_points))
    assert found is None or -1e-9 <= found <= max(known) + 1e-9


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-3, 1e5))
def test_points_never_rise_with_what_should_be_small(one: float, other: float, limit: float) -> None:
    low, high = sorted((one, other))
    assert points_within(low, limit) >= points_within(high, limit)
    assert points_beyond(low, limit) >= points_beyond(high, limit)
    assert points_beyond(low, limit, 2 * limit) >= points_beyond(high, limit, 2 * limit)


def test_points_at_what_people_know() -> None:
    assert [100, 75, 50, 0, 0] == [points_within(errors, 0.1) for errors in (0, 0.05, 0.1, 0.2, 0.9)]
    assert [100, 100, 25] == [points_beyond(lag, 60) for lag in (0, 60, 120)]
    assert [100, 100, pytest.approx(25), 0] == [points_beyond(disk, 0.9, 1.0) for disk in (0.1, 0.9, 0.95, 1.0)]
    assert [0, 0, 60, 100] == [points_of_share(left) for left in (-3, 0, 0.6, 1)]


@given(parts)
def test_an_endpoint_that_is_down_scores_nothing_whatever_else_is_well(given_points: dict[str, float | None]) -> None:
    found = score_of([Part(name, value, "") for name, value in {**given_points, AVAILABILITY: 0.0}.items()])
    assert 0.0 == found.score


def test_no_part_with_no_points_leaves_a_score_of_80() -> None:
    for name in WEIGHTS:
        found = score_of([Part(other, 0.0 if other == name else 100.0, "") for other in WEIGHTS])
        assert found.score is not None
        assert found.score <= WEIGHTS[name].cap < 80
        assert (name, f"limited by its {name}") == (found.limited_by, found.reason)


def test_a_part_without_evidence_counts_neither_for_nor_against() -> None:
    found = score_of([Part(AVAILABILITY, 90.0, ""), Part(CAPTURE, 90.0, ""), Part(DRIFT, None, "no window yet")])
    assert (90.0, "the weighted mean of its parts; 1 of 3 parts have no evidence") == (found.score, found.reason)


def test_with_too_little_evidence_there_is_no_score_and_the_reason_says_so() -> None:
    found = score_of([Part(CAPTURE, 100.0, ""), Part(AVAILABILITY, None, "")])
    assert found.score is None
    assert "too little evidence: only capture, of weight 10; a score needs parts of 30" == found.reason
    assert 0.0 == score_of([Part(AVAILABILITY, 0.0, "down")]).score


def test_without_any_evidence_there_is_no_score() -> None:
    found = score_of([Part(name, None, "nothing yet") for name in WEIGHTS])
    assert (None, "no part has evidence yet", None) == (found.score, found.reason, found.limited_by)


def test_the_weights_add_up_to_100() -> None:
    assert 100 == sum(one.weight for one in WEIGHTS.values())
