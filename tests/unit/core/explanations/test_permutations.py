"""Shapley values by sampled orders have the properties that define them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelops_pipelines.core.explanations.permutations import Estimate, draw_orders, estimate

seeds = st.integers(0, 2**32)
Floats = NDArray[np.float64]


def explain(answer: object, row: Floats, reference: Floats, seed: int) -> Estimate:
    """Explain a function of rows as a model is explained: by what it answers to mixed rows."""
    orders = draw_orders(row.size, len(reference), seed)
    own = orders.own()
    mixed = np.where(own, row, reference[orders.references][:, None, :])
    answers = answer(mixed.reshape(-1, row.size)).reshape(own.shape[:2])  # type: ignore[operator]
    return estimate(orders, answers)


def world(seed: int, columns: int = 5, rows: int = 12) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=columns), draw.normal(size=(rows, columns))


def wavy(rows: Floats) -> Floats:
    return np.tanh(rows[:, 0] * rows[:, 1]) + np.exp(-(rows[:, 2] ** 2)) * rows[:, 3]


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_contributions_add_up_to_the_answer_minus_the_mean_of_the_reference(seed: int) -> None:
    row, reference = world(seed)
    found = explain(wavy, row, reference, seed)
    assert np.isclose(found.base, wavy(reference).mean())
    assert np.isclose(found.base + found.contributions.sum(), wavy(row[None])[0])


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_a_column_that_is_not_used_contributes_exactly_nothing(seed: int) -> None:
    found = explain(wavy, *world(seed), seed)
    assert 0.0 == found.contributions[4]
    assert found.errors is not None
    assert 0.0 == found.errors[4]


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_a_linear_function_is_explained_exactly(seed: int) -> None:
    row, reference = world(seed)
    weights = np.random.default_rng(seed + 1).normal(size=row.size)
    found = explain(lambda rows: rows @ weights, row, reference, seed)
    assert np.allclose(found.contributions, weights * (row - reference.mean(axis=0)))


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_two_columns_that_play_the_same_part_contribute_the_same(seed: int) -> None:
    row, reference = world(seed)
    row[1], reference[:, 1] = row[0], reference[:, 0]
    found = explain(lambda rows: rows[:, 0] * rows[:, 1] + rows[:, 2], row, reference, seed)
    assert np.isclose(found.contributions[0], found.contributions[1])


def test_an_estimate_is_within_its_stated_error_of_the_value_by_all_orders() -> None:
    """Over 60 rows, four standard errors hold the mean over all orders and reference rows nearly always."""
    from itertools import permutations

    misses = 0
    for seed in range(60):
        row, reference = world(seed, columns=4, rows=32)
        exact = np.zeros(4)
        for order in permutations(range(4)):
            mixed = reference.copy()
            for column in order:
                before = wavy(mixed)
                mixed[:, column] = row[column]
                exact[column] += (wavy(mixed) - before).mean() / 24
        found = explain(wavy, row, reference, seed)
        assert found.errors is not None
        misses += int((np.abs(found.contributions - exact) > 4 * found.errors + 1e-12).sum())
    assert misses <= 2


def test_the_same_seed_draws_the_same_orders_and_each_reference_row_has_two() -> None:
    one, again, other = draw_orders(6, 9, 1), draw_orders(6, 9, 1), draw_orders(6, 9, 2)
    assert np.array_equal(one.columns, again.columns)
    assert not np.array_equal(one.columns, other.columns)
    assert [2] * 9 == np.bincount(one.references).tolist()
    assert np.array_equal(one.columns[::2], one.columns[1::2, ::-1])
    assert 9 * 2 * 7 == one.rows


def test_a_single_reference_row_gives_no_error() -> None:
    row, reference = world(3, rows=1)
    assert explain(wavy, row, reference, 3).errors is None
