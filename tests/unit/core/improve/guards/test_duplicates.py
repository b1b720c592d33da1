"""Evaluation rows that repeat training rows."""

from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.guards.duplicates import Hashed, duplicates

DAYS = np.repeat(np.arange(10), 100)


def rows(numbers: Any) -> Hashed:
    hashes = np.asarray(list(numbers), np.uint64)
    return Hashed(hashes, DAYS[: len(hashes)], np.ones(len(hashes), np.bool_))


def test_rows_that_are_all_different_pass() -> None:
    assert duplicates(rows(range(1000)), rows(range(1000, 1300)), 0).passed is True


def test_a_copy_of_training_rows_among_the_evaluation_rows_is_refused() -> None:
    result = duplicates(rows(range(1000)), rows(range(900, 1200)), 0)
    assert "33.3 % of the logged evaluation rows repeat a training row (0.0 % by chance)" == result.message
    assert (False, 100) == (result.passed, result.numbers["logged"]["twins"])


def test_rows_with_few_values_repeat_by_chance() -> None:
    rng = np.random.default_rng(1)
    training, evaluation = (rng.integers(0, 40, n).astype(np.uint64) for n in (1000, 300))
    assert duplicates(rows(training), rows(evaluation), 0).passed is True


def test_a_log_that_repeats_the_provided_rows_on_every_day_does_so_by_chance() -> None:
    pool = np.arange(200)
    log = np.random.default_rng(1).choice(pool, 800)
    both = np.concatenate([pool, log])
    of = Hashed(both.astype(np.uint64), np.concatenate([np.full(200, -1), DAYS[:800]]), np.arange(1000) >= 200)
    assert duplicates(of, rows(np.random.default_rng(2).choice(pool, 200)), 0).passed is True


def test_a_row_of_both_is_refused() -> None:
    result = duplicates(rows(range(1000)), rows(range(1000, 1300)), 1)
    assert "1 evaluation rows are in the training set" == result.message


def test_few_rows_are_not_judged() -> None:
    assert duplicates(rows([1, 2]), rows([1]), 0).passed is None


@given(st.integers(2, 2000), st.integers(0, 2**32))
@example(1762, 1762)
def test_rows_of_one_world_are_hardly_ever_refused(values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    training, evaluation = (rng.integers(0, values, n).astype(np.uint64) for n in (1000, 300))
    assert duplicates(rows(training), rows(evaluation), 0).passed is True
