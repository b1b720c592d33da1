"""Endpoints' values, rules that need no file, and durations."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.durations import format_duration, parse_duration
from modelops_pipelines.core.endpoints.alert_rules import AlertRule, default_alerts
from modelops_pipelines.core.endpoints.issues import suggestion
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Promotion, Task
from modelops_pipelines.core.endpoints.validate import ValidationContext, endpoint_issues, promotion_issues

FLIGHTS = EndpointSpec("flights", "flight-delay", "binary_classification", "late")


@pytest.mark.parametrize("task", ["binary_classification", "multiclass", "regression"])
def test_an_endpoint_of_defaults_has_nothing_wrong_with_it(task: str) -> None:
    spec = replace(FLIGHTS, task=cast("Task", task), alerts=default_alerts(task))
    assert list(endpoint_issues(spec, ValidationContext(system_columns=()))) == []


def test_the_names_of_rules_are_stable_slugs() -> None:
    names = [rule.name for rule in default_alerts("binary_classification")]
    quality = ["quality_brier_skill", "quality_excess_errors"]
    assert ["error_rate", "latency_p95_ms", "drift", "data_quality", *quality] == names


def test_a_rule_is_named_by_its_kind_and_metric_alone() -> None:
    assert AlertRule("drift", above=0.5).name == AlertRule("drift", over=timedelta(days=1)).name


@given(st.sets(st.integers(1, 99)))
def test_growing_shares_up_to_100_are_a_canary(shares: set[int]) -> None:
    promotion = Promotion("canary", (*sorted(shares), 100))
    assert list(promotion_issues(promotion)) == []


@given(st.lists(st.integers(-5, 120), min_size=1))
def test_any_other_shares_are_no_canary(steps: list[int]) -> None:
    possible = steps == sorted(set(steps)) and steps[0] >= 1 and steps[-1:] == [100]
    assert (list(promotion_issues(Promotion("canary", tuple(steps)))) == []) == possible


@given(st.integers(1, 3650 * 86_400))
def test_a_duration_survives_its_text(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "48", "h", "-1h", "1.5h", "1h30m", "0s", "1w", "4000d", "1 h", "1H", "٣h"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert parse_duration(text) is None


def test_a_suggestion_is_the_nearest_word_or_all_words() -> None:
    assert suggestion("drfit", ["drift", "quality"]) == "Did you mean 'drift'?"
    assert suggestion("qual", ["drift", "quality"]) == "Did you mean 'quality'?"
    assert suggestion("xyz", ["drift", "quality"]) == "Use one of: drift, quality"
