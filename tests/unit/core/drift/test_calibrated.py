"""Calibrated verdicts: what ordinary days decide about a window, and what no data can break."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.drift.calibrated import (
    CalibratedVerdict,
    Calibration,
    confirm_verdicts,
    flags_of,
    judge_calibrated,
)
from modelops_pipelines.core.drift.distances import jensen_shannon, wasserstein
from modelops_pipelines.core.drift.leave_one_out import LeaveOneOut
from modelops_pipelines.core.drift.null_distribution import fitted, kappa, levels
from modelops_pipelines.core.drift.seasonal_reference import SeasonReference, season_of
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack

pytestmark = pytest.mark.filterwarnings("error")

DAYS = 20


def season(windows, kind="numeric", days=None, fit=None):
    """Return the reference of one window a day, on bins of all of them or of ``fit``."""
    bins = fit_bins("x", fit if fit is not None else [value for one in windows for value in one], kind)
    stack = Stack.of(bins, [profile(one, bins) for one in windows])
    return SeasonReference(stack, np.asarray(range(len(windows)) if days is None else days))


def judge(current, reference, **settings):
    bins = reference.windows.bins
    (verdict,) = judge_calibrated({"x": profile(current, bins)}, {"x": reference}, Calibration(**settings))
    return verdict


def ordinary(seed=0, rows=1_500, days=DAYS, spread=0.02):
    rng = np.random.default_rng(seed)
    return [rng.normal(spread * rng.normal(), 1, rows) for _ in range(days)]


def normal(shift=0.0, rows=1_500, seed=99):
    return np.random.default_rng(seed).normal(shift, 1, rows)


def with_missing(share, rows=1_500, seed=5):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, rows)
    values[rng.random(rows) < share] = np.nan
    return values


def test_a_shift_of_three_tenths_of_a_sigma_is_flagged_and_an_ordinary_window_is_not():
    reference = season(ordinary())
    moved, stayed = judge(normal(0.3), reference), judge(normal(), reference)
    assert (True, "distribution", "wasserstein") == (moved.flagged, moved.channel, moved.statistic)
    assert moved.reason == f"a distance of {moved.value:.3g} occurs by chance with probability {moved.p_value:.1e}"
    assert (False, False, None) == (stayed.flagged, stayed.drifted, stayed.reason)


def test_the_value_is_the_distance_of_the_window_from_all_reference_windows():
    windows = ordinary()
    reference = season(windows)
    found = judge(normal(0.3), reference)
    expected = wasserstein(profile(normal(0.3), reference.windows.bins), reference.windows.total())
    assert found.value == pytest.approx(expected.value, rel=0.03)
    assert found.effect == found.value / 0.05


def test_the_value_of_categories_is_their_jensen_shannon_distance():
    reference = season([["a"] * (700 + day) + ["b"] * 300 for day in range(DAYS)], "categorical")
    current = ["a"] * 500 + ["b"] * 500 + ["new"] * 100
    expected = jensen_shannon(profile(current, reference.windows.bins), reference.windows.total())
    found = judge(current, reference)
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    assert (True, "jensen_shannon") == (found.flagged, found.statistic)


def test_reference_windows_are_measured_against_the_other_days_only():
    windows = [[0.0] * 50 + [1.0] * 50, [0.0] * 60 + [1.0] * 40, [0.0] * 80 + [1.0] * 20]
    reference = season(windows, days=[0, 0, 1])
    found = LeaveOneOut.of(profile([0.0, 1.0], reference.windows.bins), reference).wasserstein()
    pooled = np.std([value for one in windows for value in one])
    expected = [abs(0.5 - 0.2) / pooled, abs(0.4 - 0.2) / pooled, abs(0.2 - 0.45) / pooled]
    assert found.others.tolist() == pytest.approx(expected, rel=0.05)


def test_days_that_differ_raise_the_bar():
    calm, restless = (judge(normal(0.2), season(ordinary(spread=spread))) for spread in (0.01, 0.2))
    assert (True, False) == (calm.flagged, restless.flagged)
    assert restless.threshold > calm.threshold


def test_the_threshold_is_the_value_at_which_the_column_would_just_have_been_flagged():
    reference = season(ordinary())
    bar = judge(normal(), reference).threshold
    shifts = np.linspace(0.0, 0.3, 61)
    found = [judge(normal(shift), reference) for shift in shifts]
    assert {True, False} == {one.flagged for one in found}
    assert [one.value >= one.threshold for one in found] == [one.flagged for one in found]
    assert 0.05 <= bar < 0.3


def test_moves_under_the_floor_are_never_flagged():
    reference = season([normal(seed=seed, rows=20_000) for seed in range(DAYS)])
    found = judge(normal(0.03, rows=20_000), reference)
    assert (False, 0.05) == (found.flagged, found.threshold)


def test_missing_values_are_a_channel_of_their_own():
    found = judge(with_missing(0.06), season([with_missing(0.01, seed=day) for day in range(DAYS)]))
    assert (True, "missing", "missing_shift", ("missing",)) == (
        found.flagged,
        found.channel,
        found.statistic,
        found.channels,
    )
    assert found.value == pytest.approx(found.missing - found.missing_reference)


def test_values_out_of_the_range_of_the_bins_are_a_channel_of_their_own():
    reference = season(ordinary(), fit=np.linspace(-2, 2, 500))
    wild = normal()
    wild[:120] = 2.01
    assert "range" in judge(wild, reference).channels


def test_one_wild_value_moves_nothing():
    wild = normal()
    wild[0] = 1e12
    found = judge(wild, season(ordinary()))
    assert (False, True) == (found.flagged, found.value < 0.1)


def test_a_wild_value_in_the_reference_hides_no_shift():
    windows = ordinary()
    windows[3][0] = 1e12
    assert judge(normal(0.3), season(windows, fit=normal())).flagged is True


def test_few_rows_are_judged_for_a_gross_change_alone():
    reference = season(ordinary(rows=200))
    unit, shift = judge(normal(2.0, rows=200), reference), judge(normal(0.5, rows=200, seed=3), reference, gross=20)
    assert (True, False) == (unit.flagged, unit.drifted)
    assert (None, None) == (shift.flagged, shift.drifted)
    assert shift.reason == "200 rows: a verdict needs 500; no gross change"


def test_fewer_rows_than_any_reference_window_has_do_not_alarm():
    reference = season(ordinary(rows=20_000))
    found = [judge(normal(rows=300, seed=seed), reference, minimum=100).flagged for seed in range(100)]
    assert sum(found) <= 1


def test_drift_lasts_two_windows_or_is_as_gross_as_one_says():
    reference = season(ordinary())
    current = {"x": profile(normal(0.2), reference.windows.bins)}
    (once,) = judge_calibrated(current, {"x": reference})
    (twice,) = judge_calibrated(current, {"x": reference}, before=flags_of([once]))
    (other,) = judge_calibrated(current, {"x": reference}, before={("x", "missing"), ("y", "distribution")})
    assert [(True, False), (True, True), (True, False)] == [(one.flagged, one.drifted) for one in (once, twice, other)]
    assert (False, True) == (
        judge(normal(0.4), reference).drifted,
        judge(normal(0.4), reference, at_once=5).drifted,
    )


def test_the_first_day_of_a_drift_does_not_hide_the_second():
    rng, days = np.random.default_rng(3), 30
    shifts = [0.2 if day >= days - 2 else 0.02 * rng.normal() for day in range(days)]
    bins = fit_bins("x", normal(rows=5_000), "numeric")
    stack = Stack.of(bins, [profile(rng.normal(shift, 1, 2_000), bins) for shift in shifts])
    before, found = frozenset(), []
    for day in (days - 2, days - 1):
        one = season_of(24 * np.arange(days), stack, 24 * day, 24 * day + 24, 1_000)
        (verdict,) = judge_calibrated({"x": one.current}, {"x": one.reference}, before=before)
        before = flags_of([verdict])
        found.append(verdict.drifted)
    assert [False, True] == found


def test_what_was_not_judged_stays_so_whatever_was_flagged_before():
    found = judge(normal(rows=20), season(ordinary()))
    (after,) = confirm_verdicts([found], {("x", "distribution")})
    assert (None, None) == (after.flagged, after.drifted)


def test_a_verdict_says_all_that_a_row_of_the_drift_table_needs():
    reference = season(ordinary(rows=100))
    found = judge(normal(rows=50), reference)
    assert found == CalibratedVerdict(
        column="x",
        kind="numeric",
        statistic="wasserstein",
        value=None,
        threshold=0.05,
        drifted=None,
        n=50,
        n_reference=2_000,
        missing=0.0,
        missing_reference=0.0,
        reason="50 rows: a verdict needs 500, or 100 for a gross change",
        p_value=None,
        channel="distribution",
        effect=None,
        most=None,
        flagged=None,
        days=20,
        channels=(),
    )


@pytest.mark.parametrize(
    ("current", "windows", "flagged"),
    [
        ([], ordinary(rows=50), None),
        ([1.0] * 1_500, [[1.0] * 1_500] * DAYS, False),
        ([2.0] * 1_500, [[1.0] * 1_500] * DAYS, True),
        ([np.nan] * 1_500, [[1.0] * 1_500] * DAYS, True),
        ([np.nan] * 1_500, [[np.nan] * 1_500] * DAYS, None),
        ([1.0] * 1_500, [[np.nan] * 1_500] * DAYS, True),
        ([1.0] * 1_500, [[1.0, 2.0] * 750], None),
        ([np.inf, -np.inf] * 750, [[1.0, 2.0] * 750] * DAYS, True),
        ([0.0, 1.0] * 750, [[0.0, 1.0] * 750] * DAYS, False),
        ([0.0] * 1_200 + [1.0] * 300, [[0.0, 1.0] * 750] * DAYS, True),
    ],
)
def test_degenerate_numbers_have_a_verdict_or_a_reason(current, windows, flagged):
    found = judge(current, season(windows))
    assert flagged == found.flagged
    assert (found.flagged is not None and found.value is not None) or found.reason


@pytest.mark.parametrize(
    ("current", "windows", "flagged"),
    [
        ([], [["a"] * 100] * DAYS, None),
        (["a"] * 1_500, [["a"] * 1_500] * DAYS, False),
        (["new"] * 1_500, [["a"] * 1_500] * DAYS, True),
        ([None] * 1_500, [["a"] * 1_500] * DAYS, True),
        (["a"] * 1_500, [[None] * 1_500] * DAYS, True),
    ],
)
@pytest.mark.parametrize("kind", ["categorical", "text"])
def test_degenerate_names_and_texts_have_a_verdict_or_a_reason(current, windows, flagged, kind):
    found = judge(current, season(windows, kind))
    assert flagged == found.flagged
    assert (found.flagged is not None and found.value is not None) or found.reason


def test_a_column_absent_from_a_side_is_not_judged():
    reference = season(ordinary())
    current = {"y": profile(normal(), fit_bins("y", normal(), "numeric"))}
    found = judge_calibrated(current, {"x": reference})
    assert [("x", "missing in the window"), ("y", "missing in the reference")] == [
        (one.column, one.reason) for one in found
    ]
    assert [None, None] == [one.drifted for one in found]


def test_profiles_of_other_bins_are_refused():
    with pytest.raises(SchemaError, match="bins"):
        judge_calibrated({"x": profile(normal(), fit_bins("x", [1.0], "numeric"))}, {"x": season(ordinary())})


cells = st.one_of(st.floats(-10, 10), st.just(np.nan), st.just(np.inf), st.sampled_from([0.0, 1e15, -1e139, 1e-300]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(cells, max_size=30),
    st.lists(st.tuples(st.lists(cells, max_size=20), st.integers(0, 5)), max_size=10),
    st.lists(cells, max_size=20),
)
def test_any_numbers_give_finite_numbers_or_none_and_no_warning(current, windows, fit):
    reference = season([one for one, _ in windows], days=np.array([day for _, day in windows], int), fit=fit)
    found = judge(current, reference, minimum=2, least=1, days=2)
    numbers = (found.value, found.threshold, found.p_value, found.effect)
    assert all(number is None or math.isfinite(number) for number in numbers)
    assert found.reason or found.flagged is not None


p_values = st.lists(st.one_of(st.floats(0, 1), st.floats(0, 0.05)), max_size=12)


@given(p_values)
def test_the_bar_rejects_what_benjamini_and_hochberg_reject(p):
    ranked = sorted(p)
    last = max((k for k in range(1, len(p) + 1) if ranked[k - 1] <= 0.05 * k / len(p)), default=0)
    expected = [one <= 0.05 * last / len(p) if last else False for one in p]
    assert expected == [one <= bar for one, bar in zip(p, levels(p, 0.05), strict=True)]


@given(st.floats(0, 10), st.floats(0, 10))
def test_a_scale_that_follows_the_law_is_fitted_exactly(a, b):
    inverse = 1 / np.array([100.0, 200.0, 400.0, 1_000.0])
    found = fitted(a * inverse + b, inverse)
    assert found[0] * inverse + found[1] == pytest.approx(a * inverse + b, rel=1e-6, abs=1e-12)


def test_the_shape_is_the_gamma_laws():
    drawn = np.random.default_rng(1).gamma(3.0, 1 / 3.0, 100_000)
    assert kappa(drawn) == pytest.approx(3.0, rel=0.03)
    assert (0.5, 15.0) == (kappa(np.zeros(3)), kappa(np.array([1.0, 1.001])))


def test_the_p_value_is_the_upper_tail_of_students_law_for_a_share():
    from scipy.stats import t

    windows = [[np.nan] * (15 if day % 2 else 45) + list(normal()[45 if day % 2 == 0 else 15 :]) for day in range(DAYS)]
    found = judge(with_missing(0.3), season(windows), share=1e-4, level=0.001)
    scale = found.threshold / t.isf(0.001 / 3 / 2, DAYS - 1)
    assert (found.channel, found.value) == ("missing", pytest.approx(found.missing - found.missing_reference))
    assert found.p_value == pytest.approx(2 * t.sf(found.value / scale, DAYS - 1), rel=1e-6)


def test_five_points_of_base_rate_on_five_thousand_rows_are_found():
    rng = np.random.default_rng(11)
    bins = fit_bins("prediction", ["0", "1"], "categorical")

    def day(rate):
        ones = int(rng.binomial(5_000, rate))
        return profile({"0": 5_000 - ones, "1": ones}, bins)

    found = []
    for base in (0.2, 0.35, 0.5):
        for _ in range(100):
            past = SeasonReference(Stack.of(bins, [day(base + rng.normal(0, 0.004)) for _ in range(20)]), np.arange(20))
            (verdict,) = judge_calibrated({"prediction": day(base + 0.05)}, {"prediction": past})
            found.append(verdict.flagged)
    assert sum(found) >= 0.99 * len(found)
