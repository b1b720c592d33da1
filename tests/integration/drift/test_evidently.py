"""Evidently's defaults from profiles, beside the real Evidently on the same columns."""

import math
import warnings

import numpy as np
import pytest

from modelops_pipelines.core.drift.evidently import judge_evidently
from modelops_pipelines.core.drift.fixed_thresholds import share_drifted
from modelops_pipelines.core.profiles.profile import fit_profile, profile

SIZES = {"small": (1_000, 900), "small against large": (800, 12_000), "large": (1_001, 5_000)}


def columns(rng, n, *, moved):
    """Every kind of column that the rules tell apart, nulls and infinities among them."""
    shift = 0.4 * moved
    normal = rng.normal(shift, 1, n)
    holes = np.where(rng.random(n) < 0.1 + 0.3 * moved, np.nan, rng.normal(size=n))
    holes[:3] = math.inf
    return {
        "normal": normal,
        "same": rng.normal(size=n),
        "skewed": np.exp(rng.normal(shift / 2, 1, n)),
        "holes": holes,
        "counts": rng.poisson(4 + shift, n) * 1.0,
        "unit": rng.normal(68 if moved else 20, 9 if moved else 5, n),
        "five values": rng.choice(5, n, p=[0.3, 0.2, 0.2, 0.2, 0.1]) * 1.5,
        "five values moved": rng.choice(5, n, p=[0.1, 0.2, 0.2, 0.2, 0.3][:: 1 if moved else -1]) / 3,
        "a sixth value": rng.choice(5 + moved, n) * 1.0,
        "a fourth value between": rng.choice([0.0, 1.0, 2.0, 0.5][: 3 + moved], n),
        "three values of four": rng.choice([7.0, 8.0, 9.0, 1e6][moved:], n),
        "two values": (rng.random(n) < 0.5) * 1.0,
        "two values moved": (rng.random(n) < 0.5 + shift / 2) * 1.0,
        "constant": np.full(n, 5.0),
        "another constant": np.full(n, 5.0 + moved),
        "category": rng.choice(list("abcd"), n),
        "category moved": rng.choice(list("abcd"), n, p=[0.1, 0.2, 0.3, 0.4][:: 1 if moved else -1]),
        "new category": rng.choice(list("abcde"[: 4 + moved]), n),
        "gone category": rng.choice(list("abcde"[moved:]), n),
        "two categories": np.where(rng.random(n) < 0.5 + shift / 3, "yes", "no"),
        "one category": np.full(n, "only"),
        "many categories": np.array([f"n{code}" for code in rng.geometric(0.1 - 0.02 * moved, n)]),
        "category with nulls": np.where(rng.random(n) < 0.2 + 0.5 * moved, None, rng.choice(list("xyz"), n)),
    }


def kind_of(values):
    return "numeric" if values.dtype == np.float64 else "categorical"


@pytest.fixture(scope="module", params=SIZES)
def pair(request):
    reference_rows, current_rows = SIZES[request.param]
    rng = np.random.default_rng(11)
    return columns(rng, reference_rows, moved=False), columns(rng, current_rows, moved=True)


@pytest.fixture(scope="module")
def report(pair):
    """Return what the real Evidently says of the columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        kinds = {name: kind_of(values) for name, values in pair[0].items()}
        numeric, categorical = ([name for name in kinds if kinds[name] == kind] for kind in ("numeric", "categorical"))
        definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
        then, now = (Dataset.from_pandas(pd.DataFrame(side), definition) for side in pair)
        return Report([DataDriftPreset()]).run(now, then).dict()["metrics"]


@pytest.fixture(scope="module")
def theirs(report):
    """Return Evidently's value, threshold and method for each column."""
    return {metric["config"]["column"]: metric for metric in report if "column" in metric["config"]}


@pytest.fixture(scope="module")
def ours(pair):
    reference, current = pair
    then = {name: fit_profile(name, values, kind_of(values)) for name, values in reference.items()}
    now = {name: profile(values, then[name].bins) for name, values in current.items()}
    return {verdict.column: verdict for verdict in judge_evidently(now, then)}


METHODS = {
    "kolmogorov_smirnov_p": "K-S p_value",
    "chi_square": "chi-square p_value",
    "two_proportion_z": "Z-test p_value",
    "wasserstein": "Wasserstein distance (normed)",
    "jensen_shannon": "Jensen-Shannon distance",
}


def test_every_column_gets_evidentlys_test_and_threshold(ours, theirs):
    expected = {name: (metric["config"]["method"], metric["config"]["threshold"]) for name, metric in theirs.items()}
    assert {name: (METHODS[verdict.statistic], verdict.threshold) for name, verdict in ours.items()} == expected


def test_every_verdict_is_evidentlys(ours, theirs):
    expected = {name: _drifted(metric) for name, metric in theirs.items()}
    assert {name: verdict.drifted for name, verdict in ours.items()} == expected
    assert 5 < sum(expected.values()) < len(expected) - 3


def test_every_value_is_evidentlys(ours, theirs):
    tested = [verdict for verdict in ours.values() if verdict.statistic != "kolmogorov_smirnov_p"]
    values = {verdict.column: verdict.value for verdict in tested}
    within = {verdict.column: 0.002 if verdict.statistic == "wasserstein" else 1e-6 for verdict in tested}
    assert {name: pytest.approx(theirs[name]["value"], abs=within[name]) for name in values} == values


def test_the_share_of_drifted_columns_is_evidentlys(ours, theirs, report):
    (count,) = [metric["value"] for metric in report if "column" not in metric["config"]]
    assert share_drifted(list(ours.values())) == pytest.approx(count["share"])


def _drifted(metric):
    value, threshold, method = metric["value"], metric["config"]["threshold"], metric["config"]["method"]
    if method == METHODS["kolmogorov_smirnov_p"]:
        return bool(value <= threshold)
    return bool(value < threshold if "p_value" in method else value >= threshold)
