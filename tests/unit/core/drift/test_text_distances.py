"""Drift statistics of free text: distances of its words."""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance

from modelops_pipelines.core.drift.distances import (
    Statistic,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    missing_shift,
    psi,
    two_proportion_z,
    wasserstein,
    words_by_chance,
)
from modelops_pipelines.core.profiles.categorical import TEXT_BUCKETS
from modelops_pipelines.core.profiles.profile import fit_bins, fit_profile, profile

pytestmark = pytest.mark.filterwarnings("error")

TESTS = (chi_square, two_proportion_z, wasserstein, kolmogorov_smirnov)
texts = st.lists(st.none() | st.sampled_from(["", "...", "a b", "A, b", "c c c", "the end"]), max_size=30)


def test_jensen_shannon_of_texts_is_that_of_their_words():
    reference, current = ["the cat sat", "The mat!"], ["the dog", "a cat sat", "?"]
    names = ["the", "cat", "sat", "mat", "dog", "a", ""]
    p, q = [1, 1, 1, 0, 1, 1, 1], [2, 1, 1, 1, 0, 0, 0]
    assert len({zlib.crc32(name.encode()) % TEXT_BUCKETS for name in names}) == len(names)
    then = fit_profile("x", reference, "text")
    found = jensen_shannon(profile(current, then.bins), then)
    assert found.value == pytest.approx(distance.jensenshannon(p, q), rel=1e-12)


@pytest.mark.parametrize("statistic", TESTS)
def test_statistics_of_numbers_and_of_independent_values_give_a_reason(statistic):
    one = fit_profile("x", ["some words"], "text")
    assert statistic(one, one) == Statistic(None, "the statistic is not defined for column 'x', which is text")


def test_chance_gives_words_about_the_distance_that_is_expected_of_it():
    rng = np.random.default_rng(8)
    then, now = ([f"w{word}" for word in rng.integers(0, 300, 6_000)] for _ in range(2))
    reference = fit_profile("x", then, "text")
    current = profile(now, reference.bins)
    expected = jensen_shannon(current, reference).value ** 2
    assert words_by_chance(current, reference) == pytest.approx(expected, rel=0.3)


@given(texts.filter(lambda values: any(value is not None for value in values)))
def test_texts_do_not_differ_from_themselves(values):
    p = fit_profile("x", values, "text")
    assert [psi(p, p).value, jensen_shannon(p, p).value, missing_shift(p, p).value] == [0.0, 0.0, 0.0]


@given(texts, texts)
def test_the_distance_of_any_texts_is_symmetric_or_has_a_reason(current, reference):
    bins = fit_bins("x", [], "text")
    p, q = profile(current, bins), profile(reference, bins)
    for statistic in (psi, jensen_shannon):
        found, other = statistic(p, q), statistic(q, p)
        assert (found.value is None) == (found.reason is not None) == (other.value is None)
        if found.value is not None:
            assert math.isfinite(found.value)
            assert found.value == pytest.approx(other.value, rel=1e-12, abs=1e-12)
