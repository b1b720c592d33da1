"""Rules as values: their conditions, names, and defaults."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.alert_rules import (
    OPERATORS,
    SERVICE_KINDS,
    AlertRule,
    Condition,
    with_defaults,
)
from modelops_pipelines.core.endpoints.spec import Slo
from modelops_pipelines.core.endpoints.validation.alerts import RESERVED_NAMES, alert_issues
from modelops_pipelines.core.number_words import number_text
from modelops_pipelines.core.tables.derivations import rule_kinds

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS)
def test_each_operator_is_the_opposite_of_another(value: float, limit: float) -> None:
    fails = {name: Condition(name, limit, limit).fails(value) for name in OPERATORS}
    assert fails["gt"] != fails["le"]
    assert fails["lt"] != fails["ge"]
    assert fails["eq"] != fails["ne"]
    assert fails["ge"] == (fails["gt"] or fails["eq"])


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_band_fails_below_its_lower_or_above_its_upper_end(value: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    band = AlertRule("metric", metric="own", outside=(low, high)).condition
    assert band is not None
    assert band.fails(value) == (Condition("lt", low, low).fails(value) or Condition("gt", high, high).fails(value))
    assert band.limit(value) in {low, high}


@pytest.mark.parametrize(
    ("rule", "name", "words"),
    [
        (AlertRule("error_rate", above=0.1), "error_rate", "above 0.1"),
        (AlertRule("error_rate", operator="ge", threshold=0.1), "error_rate", "at or above 0.1"),
        (AlertRule("availability", below=0.99), "availability", "below 0.99"),
        (AlertRule("latency", above=12345), "latency_p95", "above 12345"),
        (AlertRule("latency", percentile=99.9, operator="le", threshold=1e7), "latency_p99_9", "at or below 10000000"),
        (AlertRule("quality", metric="auc", outside=(0.2, 0.8)), "quality_auc", "outside 0.2 to 0.8"),
        (AlertRule("volume", given_name="night", operator="eq", threshold=0), "night", "equal to 0"),
        (AlertRule("metric", metric="own", operator="ne", threshold=1), "metric_own", "different from 1"),
    ],
)
def test_a_rule_has_a_name_and_a_condition_in_words(rule: AlertRule, name: str, words: str) -> None:
    assert rule.condition is not None
    assert (name, words) == (rule.name, rule.condition.words)


@given(st.floats(0, 100, exclude_min=True, exclude_max=True), st.floats(1, 1e300))
def test_a_name_that_a_number_makes_is_a_slug_or_refused(percentile: float, limit: float) -> None:
    rule = AlertRule("latency", percentile=percentile, above=5)
    issues = list(alert_issues([rule], "regression"))
    assert bool(issues) != bool(re.fullmatch("[a-z0-9_]{1,100}", rule.name))
    assert re.fullmatch("[a-z0-9_]+", Slo("latency", 0.99, under_ms=limit).name)


def test_percentiles_have_names_of_their_own() -> None:
    given = (99.0, 99.9, 99.99999, 99.999999, 0.00001)
    names = [AlertRule("latency", percentile=one).name.removeprefix("latency_p") for one in given]
    assert ["99", "99_9", "99_99999", "99_999999", "0_00001"] == names


def test_a_metric_whose_rule_would_be_named_like_a_live_alert_needs_a_name() -> None:
    rules = [
        AlertRule("metric", metric="late_now", above=1),
        AlertRule("metric", "late_now", above=1, given_name="own"),
    ]
    assert ["alerts[0].name"] == [issue.path for issue in alert_issues(rules, "regression", ["late_now"])]


def test_a_rule_without_a_threshold_has_no_condition() -> None:
    assert [None, None] == [AlertRule("drift").condition, AlertRule("drift", operator="gt").condition]


def test_kinds_of_service_judge_an_hour_by_default() -> None:
    given = {kind: with_defaults(AlertRule(kind)).over for kind in rule_kinds()}
    assert dict.fromkeys(SERVICE_KINDS, timedelta(hours=1)) == {kind: over for kind, over in given.items() if over}


def test_numbers_are_written_without_exponents() -> None:
    assert ["0.1235", "12345", "1e-05", "3"] == [number_text(one) for one in (0.12345, 12345.2, 1e-5, 3.0)]


@pytest.mark.parametrize(
    "name", [*sorted(RESERVED_NAMES), "slo_x", "watchers_x", "drift", "volume_now", "Night", "9", "a b", ""]
)
def test_a_name_that_is_another_alerts_is_refused(name: str) -> None:
    paths = [issue.path for issue in alert_issues([AlertRule("error_rate", above=0.1, given_name=name)], "regression")]
    assert ["alerts[0].name"] == paths


@pytest.mark.parametrize(
    "runbook",
    ["wiki", "ftp://x/y", "javascript:alert(1)", "https://", "https://u:p@host/", "https://a b", "https://h:99999x/"],
)
def test_what_is_no_page_is_no_runbook(runbook: str) -> None:
    issues = alert_issues([AlertRule("error_rate", above=0.1, runbook=runbook)], "regression")
    assert ["alerts[0].runbook"] == [issue.path for issue in issues]
