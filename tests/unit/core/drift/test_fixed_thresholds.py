"""Verdicts by fixed thresholds: what drifted, what could not be judged, and why."""

import itertools
import math

import numpy as np
import pytest

from modelops_pipelines.core.drift.distances import jensen_shannon
from modelops_pipelines.core.drift.fixed_thresholds import ColumnVerdict, judge_fixed, share_drifted
from modelops_pipelines.core.profiles.profile import fit_bins, fit_profile, profile

pytestmark = pytest.mark.filterwarnings("error")


def numeric(current, reference):
    bins = fit_bins("x", reference, "numeric")
    return profile(current, bins), profile(reference, bins)


def categorical(current, reference):
    bins = fit_bins("x", reference, "categorical")
    return profile(current, bins), profile(reference, bins)


def judge(current, reference, **settings):
    (verdict,) = judge_fixed({"x": current}, {"x": reference}, **settings)
    return verdict


def test_numbers_that_moved_have_drifted_and_those_that_did_not_have_not():
    rng = np.random.default_rng(4)
    reference = rng.normal(size=5_000)
    moved = judge(*numeric(rng.normal(0.3, 1, 5_000), reference))
    stayed = judge(*numeric(rng.normal(size=5_000), reference))
    assert (moved.statistic, moved.threshold, moved.drifted) == ("wasserstein", 0.1, True)
    assert moved.reason == f"the distance {moved.value:.4g} reaches 0.1"
    assert (stayed.drifted, stayed.reason) == (False, None)


def test_a_verdict_holds_all_that_a_row_of_the_drift_table_needs():
    p, q = categorical(["a"] * 600 + [None] * 400, ["a"] * 500 + ["b"] * 500)
    assert judge(p, q) == ColumnVerdict(
        column="x",
        kind="categorical",
        statistic="jensen_shannon",
        value=jensen_shannon(p, q).value,
        threshold=0.1,
        drifted=True,
        n=1_000,
        n_reference=1_000,
        missing=0.4,
        missing_reference=0.0,
        reason="the missing share changed by +0.4, more than 0.05",
    )


def test_thresholds_are_reached_not_passed():
    p, q = categorical(["a"] * 600, ["a"] * 500 + ["b"] * 500)
    exact = jensen_shannon(p, q).value
    assert judge(p, q, categorical_threshold=exact).drifted is True
    assert judge(p, q, categorical_threshold=exact + 1e-9).drifted is False


@pytest.mark.parametrize(("missing", "drifted"), [(50, False), (51, True)])
def test_missing_values_drift_when_their_share_moves_by_more_than_the_threshold(missing, drifted):
    reference = np.arange(1_000.0)
    current = np.concatenate([np.full(missing, math.nan), np.linspace(0, 999, 1_000 - missing)])
    assert judge(*numeric(current, reference)).drifted is drifted


def test_too_few_rows_are_not_judged_and_the_reason_has_the_numbers():
    verdict = judge(*numeric([9.0] * 499, [1.0] * 1_000))
    assert judge(*numeric([math.nan] * 1_000, [1.0] * 499)).drifted is None
    assert judge(*numeric([9.0] * 500, [1.0] * 500)).drifted is True
    assert verdict.drifted is None
    assert verdict.value == pytest.approx(8_000)
    assert verdict.reason == "499 rows against 1000 of the reference: each side needs 500"


def test_a_column_that_is_nearly_always_null_is_judged_by_its_nulls_only():
    current = [9.0] * 20 + [math.nan] * 980
    verdict = judge(*numeric(current, [1.0] * 20 + [math.nan] * 980))
    assert verdict.drifted is None
    assert verdict.reason == "20 values against 20 of the reference: each side needs 500"
    assert judge(*numeric([1.0] * 520 + [math.nan] * 520, [9.0] * 499 + [math.nan] * 501)).drifted is None
    assert judge(*numeric(current, [1.0] * 1_000)).drifted is True


def test_a_column_that_is_null_on_both_sides_is_not_judged():
    verdict = judge(*numeric([math.nan] * 600, [math.nan] * 600))
    assert (verdict.drifted, verdict.value, verdict.missing) == (None, None, 1.0)
    assert verdict.reason.startswith("no values to compare")


def test_a_column_missing_on_one_side_is_not_judged_and_says_which():
    p, q = numeric([1.0], [1.0])
    old, new = judge_fixed({"new": p}, {"gone": q})
    assert (old.column, old.drifted, old.reason) == ("gone", None, "missing in the window")
    assert (new.column, new.drifted, new.reason) == ("new", None, "missing in the reference")
    assert (old.n, old.missing, old.n_reference, old.missing_reference) == (0, None, 1, 0.0)


def test_verdicts_come_in_order_of_name_whatever_the_order_of_columns():
    p, q = numeric([1.0], [1.0])
    for names in itertools.permutations("abc"):
        verdicts = judge_fixed(dict.fromkeys(names, p), dict.fromkeys(reversed(names), q))
        assert [verdict.column for verdict in verdicts] == ["a", "b", "c"]


def test_the_share_of_drifted_columns_leaves_out_those_not_judged():
    p, q = numeric([1.0] * 600, [1.0] * 600)
    shifted, _ = numeric([2.0] * 600, [1.0] * 600)
    few, _ = numeric([1.0], [1.0] * 600)
    verdicts = judge_fixed({"a": p, "b": shifted, "c": few}, dict.fromkeys("abc", q))
    assert share_drifted(verdicts) == 0.5
    assert share_drifted(verdicts[2:]) is None
    assert share_drifted([]) is None


def draw_texts(rng, topic, n):
    """Texts of ten words, most of them rare ones, as in a language; a share comes from one topic's few."""
    common = np.minimum(rng.zipf(1.4, (n, 10)), 20_000)
    own = 30_000 + rng.integers(0, 50, (n, 10))
    chosen = np.where(rng.random((n, 1)) < topic, own, common)
    return [" ".join(f"w{word}" for word in row) for row in chosen]


@pytest.mark.parametrize(("topic", "drifted"), [(0.0, False), (0.2, True), (0.5, True)])
def test_texts_drift_when_a_topic_comes_up_and_not_because_words_are_rare(topic, drifted):
    rng = np.random.default_rng(9)
    then = fit_profile("x", draw_texts(rng, 0.0, 2_000), "text")
    verdict = judge(profile(draw_texts(rng, topic, 600), then.bins), then)
    assert verdict.drifted is drifted
    assert (verdict.statistic, verdict.n, verdict.n_reference) == ("jensen_shannon", 600, 2_000)
    assert verdict.threshold > 0.1


def test_texts_that_fall_silent_have_drifted():
    then = fit_profile("x", ["some words"] * 600, "text")
    assert judge(profile([""] * 600, then.bins), then).drifted is True
