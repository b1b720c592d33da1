"""Shares of contributions, their distance and what chance makes of it."""

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.explanations.attributions import Compared, compare_shares, ranks_of, shares_of


def rows(sizes: tuple[float, ...], count: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, len(sizes))) * np.array(sizes)


def test_shares_add_up_to_one_and_are_of_absolute_values() -> None:
    assert [0.75, 0.25, 0.0] == shares_of(np.array([[3.0, -1.0, 0.0], [-3.0, 1.0, 0.0]])).tolist()  # type: ignore[union-attr]
    assert shares_of(np.zeros((3, 2))) is None


def test_rows_of_the_same_kind_are_farther_apart_than_the_noise_as_rarely_as_it_says() -> None:
    """Of 150 pairs of the same kind, 1 in 1,000 is to exceed the noise."""
    found = [compare_shares(rows((3, 2, 1), 120, seed), rows((3, 2, 1), 200, seed + 10_000)) for seed in range(150)]
    assert sum(one.excess > 0 for one in found if isinstance(one, Compared)) <= 2
    p_values = [one.p_value for one in found if isinstance(one, Compared)]
    assert 0.35 < float(np.mean(p_values)) < 0.65


def test_columns_that_matter_otherwise_are_told_with_the_one_that_changed_most() -> None:
    found = compare_shares(rows((1, 2, 1), 200, 1), rows((3, 2, 1), 200, 2))
    assert isinstance(found, Compared)
    assert 0.25 == round(found.distance, 1) or 0.2 <= found.distance <= 0.3
    assert found.excess > 0.1
    assert 1 / 2000 == found.p_value
    assert 0 == found.column
    assert found.change < -0.2


def test_the_same_rows_have_no_distance() -> None:
    mine = rows((3, 2, 1), 80, 4)
    found = compare_shares(mine, mine)
    assert isinstance(found, Compared)
    assert (0.0, 0.0, 1.0) == (found.distance, found.excess, found.p_value)


def test_too_few_rows_and_no_contributions_have_no_distance_but_a_reason() -> None:
    few = compare_shares(rows((3, 2), 49, 1), rows((3, 2), 200, 2))
    assert few == "49 explained predictions and 200 reference rows; a distance needs 50 of each"
    assert compare_shares(np.zeros((60, 2)), rows((3, 2), 60, 1)) == "no column contributes anything"


def test_equal_ranks_keep_their_order() -> None:
    assert [2, 1, 3, 4] == ranks_of([1.0, 5.0, 1.0, 0.0])
