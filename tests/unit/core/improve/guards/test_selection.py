"""Labels that are no sample of the log."""

from typing import Any

import numpy as np

from modelops_pipelines.core.improve.guards.selection import LogRows, selection

ROWS = 4000
RNG = np.random.default_rng(2)
WRONG = RNG.random(ROWS) < 0.2
CHANCE = RNG.random(ROWS)
DAY = np.arange(ROWS) // 400
NOBODY = np.zeros(ROWS, np.bool_)


def rows(labelled: Any, told: Any = NOBODY, propensity: Any = None) -> LogRows:
    return LogRows(labelled, WRONG & labelled, np.full(ROWS, 0.2), DAY, told, propensity)


def test_complaints_only_are_refused_with_what_was_expected() -> None:
    result = selection(rows(WRONG & (CHANCE < 0.5)), 0.2, weighted=False)
    assert result.passed is False
    assert "contradict the prediction, expected are 20.0 %: complaints, not a sample" in result.message


def test_a_sample_at_random_passes() -> None:
    assert selection(rows(CHANCE < 0.3), 0.2, weighted=False).passed is True


def test_labels_of_nearly_all_rows_are_no_selection() -> None:
    assert selection(rows(CHANCE < 0.95), 0.05, weighted=False).passed is True


def test_worse_answers_alone_are_no_selection() -> None:
    assert selection(rows(CHANCE < 0.3), 0.1, weighted=False).passed is True


def test_complaints_beside_a_sample_are_refused_as_feedback() -> None:
    complaints = WRONG & (CHANCE > 0.7)
    result = selection(rows((CHANCE < 0.3) | complaints, complaints), 0.2, weighted=False)
    assert result.passed is False
    assert result.message.startswith("feedback are selected by what they say")


def test_selection_by_features_is_refused_and_with_weights_it_passes() -> None:
    propensity = np.where(np.arange(ROWS) % 2 == 0, 0.5, 0.1)
    skewed = np.where(np.arange(ROWS) % 20 < 2, 0.95, 0.15)
    labelled = CHANCE < skewed
    result = selection(rows(labelled, propensity=skewed), 0.2, weighted=False)
    assert result.numbers["propensity"]["auc"] is not None
    strong = np.where(labelled, 0.8, 0.2) + RNG.normal(0, 0.1, ROWS)
    refused = selection(rows(labelled, propensity=np.clip(strong, 0.05, 1)), 0.2, weighted=False)
    assert "write 'training: {weights: propensity}'" in refused.message
    assert selection(rows(labelled, propensity=np.clip(strong, 0.05, 1)), 0.2, weighted=True).passed is True
    assert selection(rows(CHANCE < propensity, propensity=propensity), 0.2, weighted=False).passed is True


def test_rows_that_no_label_stands_for_are_refused_even_with_weights() -> None:
    reached = np.arange(ROWS) % 2 == 0
    labelled = reached & (CHANCE < 0.5)
    result = selection(rows(labelled, propensity=np.where(reached, 0.5, 0.0)), 0.2, weighted=True)
    assert "50.0 % of the rows are like no labelled row: no weights stand for them (AUC 0.83)" == result.message


def test_labels_of_some_days_only_are_no_selection_by_features() -> None:
    days = DAY < 3
    result = selection(rows(days, propensity=days.astype(float)), 0.2, weighted=False)
    assert (True, None) == (result.passed, result.numbers["propensity"]["auc"])


def test_few_labels_are_not_judged() -> None:
    assert selection(rows(CHANCE < 0.005), 0.2, weighted=False).passed is None
