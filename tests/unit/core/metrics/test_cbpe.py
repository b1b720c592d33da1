"""Quality from scores alone: against NannyML on its own example, against the same sums row by row, and by its laws.

``cbpe.npz`` and ``cbpe.csv`` beside this file were made with nannyml 0.13.1 (Apache 2.0, its bundled data) by

    import nannyml, numpy, pandas
    metrics = ["roc_auc", "f1", "accuracy", "precision", "recall"]
    reference, analysis, _ = nannyml.load_synthetic_binary_classification_dataset()
    columns = {"y_pred_proba": "y_pred_proba", "y_pred": "y_pred", "y_true": "work_home_actual"}
    cbpe = nannyml.CBPE(problem_type="classification_binary", metrics=metrics, chunk_size=5000, **columns)
    cbpe.fit(reference)
    found = cbpe.estimate(analysis).filter(period="analysis").to_df()
    made = pandas.DataFrame({name: found[(name, "value")] for name in metrics})
    made.to_csv("cbpe.csv", index=False, float_format="%.9f")
    numpy.savez_compressed(
        "cbpe.npz",
        reference_scores=reference.y_pred_proba.to_numpy(numpy.float32),
        reference_labels=reference.work_home_actual.to_numpy(numpy.uint8),
        scores=analysis.y_pred_proba.to_numpy(numpy.float32),
        answers=analysis.y_pred.to_numpy(numpy.uint8),
    )
"""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from modelops_pipelines.core.metrics.cbpe import (
    METRICS,
    MINIMUM_LABELLED,
    AnswerCounts,
    Estimate,
    calibrate,
    estimate,
    no_estimate,
    why_not_calibrated,
)
from modelops_pipelines.core.metrics.score_histogram import (
    BINS,
    SCORE_EDGES,
    SCORE_MIDDLES,
    ScoreCounts,
    auc,
    score_bins,
)

FIXTURES = Path(__file__).parent
CHUNK = 5000
EDGES = [float(edge) for edge in SCORE_EDGES]

score = (
    st.floats(0, 1) | st.sampled_from([*EDGES[:3], *EDGES[-3:], 0.5, 1e-9]) | st.integers(0, 10).map(lambda n: n / 10)
)
answered = st.lists(st.tuples(score, st.booleans()), max_size=30)
bin_counts = st.dictionaries(st.integers(0, BINS - 1), st.integers(1, 900), max_size=12)


def counted(scores: Any, labels: Any) -> tuple[Any, Any]:
    """Return positives and negatives a bin."""
    bins = score_bins(np.asarray(scores, float))
    return np.bincount(bins, labels, BINS), np.bincount(bins, 1 - np.asarray(labels, float), BINS)


def filled(counts: dict[int, int]) -> Any:
    made = np.zeros(BINS)
    for place, count in counts.items():
        made[place] = count
    return made


# Against NannyML, and against rows


def test_estimates_are_those_of_nannyml_on_its_own_example() -> None:
    data = np.load(FIXTURES / "cbpe.npz")
    with (FIXTURES / "cbpe.csv").open() as file:
        expected = [
            {("auc" if k == "roc_auc" else k): float(v) for k, v in row.items()} for row in csv.DictReader(file)
        ]
    chance = calibrate(*counted(data["reference_scores"], data["reference_labels"]))
    assert chance is not None
    found = []
    for start in range(0, len(data["scores"]), CHUNK):
        chunk = slice(start, start + CHUNK)
        counts = AnswerCounts.of(data["scores"][chunk].astype(float), data["answers"][chunk].astype(float))
        found.append(estimate(counts, chance))
    assert 10 == len(expected) == len(found)
    assert {None} == {one.reason for one in found}
    for nannyml, ours in zip(expected, found, strict=True):
        assert nannyml == {name: pytest.approx(ours.values[name], abs=0.001) for name in nannyml}


@pytest.mark.parametrize("centre", [0, -3, -6, -8])
def test_however_rare_the_class_the_bins_give_what_the_rows_give(centre: float) -> None:
    rng = np.random.default_rng(5)
    (scores, labels), (later, later_labels) = (drawn(rng, centre), drawn(rng, centre + 0.4))
    answers = (later >= np.quantile(later, 0.9)).astype(float)
    chance = calibrate(*counted(scores, labels))
    assert chance is not None
    ours = estimate(AnswerCounts.of(later, answers), chance).values
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(scores, labels).predict(later)
    expected = by_rows(later, answers, isotonic)
    assert expected == {name: pytest.approx(ours[name], abs=0.002) for name in METRICS}
    realized = roc_auc_score(later_labels, later)
    assert realized == pytest.approx(ours["auc"], abs=0.05)


def drawn(rng: np.random.Generator, centre: float) -> tuple[Any, Any]:
    """Return scores that are too timid, and the labels."""
    logit = rng.normal(centre, 1.5, 200_000)
    labels = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)
    return 1 / (1 + np.exp(-(0.8 * logit - 0.3))), labels


def by_rows(scores: Any, answers: Any, chance: Any) -> dict[str, float]:
    """Return the expected metrics row by row."""
    hits, false = (answers * chance).sum(), (answers * (1 - chance)).sum()
    missed, n = ((1 - answers) * chance).sum(), len(scores)
    order = np.argsort(-scores)
    right, wrong = np.cumsum(chance[order]), np.cumsum((1 - chance)[order])
    losses = chance * np.log(scores) + (1 - chance) * np.log(1 - scores)
    return {
        "auc": np.trapezoid(np.r_[0, right] / right[-1], np.r_[0, wrong] / wrong[-1]),
        "log_loss": -losses.mean(),
        "brier": (scores**2 - 2 * scores * chance + chance).mean(),
        "accuracy": (hits + n - answers.sum() - missed) / n,
        "precision": hits / (hits + false),
        "recall": hits / (hits + missed),
        "f1": 2 * hits / (2 * hits + false + missed),
    }


@given(answered, st.integers(0, 99))
def test_an_estimate_is_the_expectation_over_rows(rows: list[tuple[float, bool]], seed: int) -> None:
    chance = np.random.default_rng(seed).uniform(0.01, 0.99, BINS)
    scores, answers = np.array([s for s, _ in rows], float), np.array([a for _, a in rows], float)
    found = estimate(AnswerCounts.of(scores, answers), chance).values
    mine = [(s, a, chance[place]) for (s, a), place in zip(rows, score_bins(scores), strict=True)]
    n, ones = len(rows), sum(a for _, a, _ in mine)
    expected = {
        "accuracy": sum(c if a else 1 - c for _, a, c in mine) / n if n else None,
        "precision": sum(c for _, a, c in mine if a) / ones if ones else None,
        "recall": sum(c for _, a, c in mine if a) / sum(c for _, _, c in mine) if n else None,
        "brier": sum(c * (1 - s) ** 2 + (1 - c) * s**2 for s, _, c in mine) / n if n else None,
        "log_loss": sum(-c * ln(s) - (1 - c) * ln(1 - s) for s, _, c in mine) / n if n else None,
        "auc": expected_auc(scores, mine) if n else None,
    }
    for name, value in expected.items():
        assert (value is None) == (found[name] is None), name
        assert value is None or math.isclose(value, found[name] or 0.0, rel_tol=1e-9, abs_tol=1e-12), name


def ln(value: float) -> float:
    return math.log(max(value, 1e-15))


def expected_auc(scores: Any, rows: list[tuple[float, bool, float]]) -> float:
    """Return the expected share of pairs in order, two rows of one bin counted half, over the expected pairs."""
    bins = score_bins(scores)
    chances = [c for _, _, c in rows]
    won = sum(
        p * (1 - q) * (1.0 if i > j else 0.5 if i == j else 0.0)
        for i, p in zip(bins, chances, strict=True)
        for j, q in zip(bins, chances, strict=True)
    )
    return won / (sum(chances) * sum(1 - c for c in chances))


# The calibration


@given(bin_counts, bin_counts)
def test_a_calibration_grows_with_the_score_and_expects_as_many_positives_as_there_were(
    ones: dict[int, int], zeros: dict[int, int]
) -> None:
    positives, negatives = filled(ones), filled(zeros)
    chance = calibrate(positives, negatives)
    labelled = sum(ones.values()) + sum(zeros.values())
    if not ones or not zeros or labelled < MINIMUM_LABELLED:
        assert chance is None
        return
    assert chance is not None
    assert chance.shape == (BINS,)
    assert np.all(np.diff(chance) >= -1e-12)
    assert np.all((chance >= 0) & (chance <= 1))
    assert sum(ones.values()) == pytest.approx(float((positives + negatives) @ chance), rel=1e-9)


def test_a_bin_without_a_label_lies_between_its_neighbours() -> None:
    chance = calibrate(filled({100: 100, 700: 800}), filled({100: 900, 700: 200}))
    assert chance is not None
    share = (SCORE_MIDDLES[400] - SCORE_MIDDLES[100]) / (SCORE_MIDDLES[700] - SCORE_MIDDLES[100])
    assert [0.1, 0.1, 0.1 + 0.7 * share, 0.8, 0.8] == pytest.approx([chance[i] for i in (0, 100, 400, 700, BINS - 1)])


def test_too_few_labels_or_one_class_calibrate_nothing() -> None:
    few, one = (filled({3: 999}), filled({})), (filled({3: 5000}), filled({}))
    assert (None, None) == (calibrate(*few), calibrate(*one))
    assert "the calibration needs 1000 earlier rows with score and label, and there are 999" == why_not_calibrated(*few)
    assert "the earlier labels have one class only" == why_not_calibrated(*one)


# What is undefined


def test_a_window_without_a_score_has_no_estimate() -> None:
    nothing = estimate(AnswerCounts.of(np.empty(0), np.empty(0)), np.full(BINS, 0.5))
    assert no_estimate("no row has a score") == nothing


def test_what_no_row_can_tell_is_null_with_a_reason() -> None:
    none_positive = estimate(AnswerCounts.of(np.array([0.2, 0.3]), np.zeros(2)), np.full(BINS, 0.25))
    assert "precision is undefined: no prediction is positive" == none_positive.reason
    assert (0.75, None, 0.0, 0.0) == tuple(none_positive.values[n] for n in ("accuracy", "precision", "recall", "f1"))
    impossible = estimate(AnswerCounts.of(np.array([0.2, 0.3]), np.zeros(2)), np.zeros(BINS))
    assert impossible == Estimate(
        {
            **dict.fromkeys(("auc", "precision", "recall", "f1")),
            "log_loss": pytest.approx(-(math.log(0.8) + math.log(0.7)) / 2),
            "brier": pytest.approx((0.04 + 0.09) / 2),
            "accuracy": 1.0,
        },
        "auc is undefined: only one class is expected; precision is undefined: no prediction is positive; "
        "recall is undefined: no positive label is expected; f1 is undefined: no positive prediction or label is expected",
    )


# The grid, and counts that merge


@given(st.lists(score, min_size=1, max_size=30))
def test_a_bin_holds_its_scores_and_a_higher_score_never_a_lower_bin(scores: list[float]) -> None:
    ordered = np.sort(np.array(scores))
    bins = score_bins(ordered)
    assert np.all(np.diff(bins) >= 0)
    assert np.all(SCORE_EDGES[bins] <= ordered)
    assert np.all(ordered <= SCORE_EDGES[bins + 1])
    assert [bool(s >= 0.5) for s in ordered] == [bool(place >= BINS // 2) for place in bins]


def test_every_multiple_of_a_256th_is_an_edge() -> None:
    assert (0.0, 1.0, BINS + 1) == (EDGES[0], EDGES[-1], len(set(EDGES)))
    assert sorted(EDGES) == EDGES
    assert set() == {n / 256 for n in range(257)} - set(EDGES)


def test_scores_outside_of_0_to_1_count_at_the_ends() -> None:
    assert [0, 0, BINS - 1, BINS - 1] == score_bins(np.array([-0.5, 0.0, 1.0, 1.5])).tolist()


def test_the_auc_of_counts_is_that_of_tied_scores() -> None:
    positives, negatives = np.array([1.0, 0, 3, 2]), np.array([4.0, 1, 3, 0])
    labels = [1] * 6 + [0] * 8
    scores = [0, 2, 2, 2, 3, 3, 0, 0, 0, 0, 1, 2, 2, 2]
    assert roc_auc_score(labels, scores) == pytest.approx(auc(positives, negatives))
    assert (None, None) == (auc(positives, np.zeros(4)), auc(np.zeros(4), negatives))


@given(st.permutations(range(4)))
def test_counts_merge_in_any_order(order: list[int]) -> None:
    parts = [
        ScoreCounts.read(
            {"positives": {str(n): n + 1, "9": 2}, "negatives": {"7": n}, "gaps": {str(n): 0.25 * n}}
            | {"scores": n * 0.5, "log_loss": n * 0.25, "squared_error": n * 0.125}
        )
        for n in range(4)
    ]
    merged, shuffled = (ScoreCounts.merge(parts[n] for n in places) for places in (range(4), order))
    assert {name: np.asarray(value).tolist() for name, value in vars(merged).items()} == {
        name: np.asarray(value).tolist() for name, value in vars(shuffled).items()
    }
    assert (24, 3.0, 8.0) == (merged.labelled, merged.scores, merged.positives[9])


def test_no_counts_at_all_have_no_quality() -> None:
    found = ScoreCounts.merge([]).quality()
    names = ("base_rate", "mean_score", "auc", "log_loss", "brier", "brier_skill", "calibration_error")
    assert dict.fromkeys(names) == found
