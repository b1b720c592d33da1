"""The graph of derived tables: whole, without a circle, and what each endpoint gets of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from modelops_pipelines.components.model_endpoint import DERIVED_ASSETS
from modelops_pipelines.core.drift.schedule import is_due
from modelops_pipelines.core.endpoints.explain import ExplainPolicy
from modelops_pipelines.core.endpoints.spec import DriftPolicy, EndpointSpec, Metric
from modelops_pipelines.core.tables.derivations import (
    DERIVATIONS,
    direct_sources,
    judged_table,
    lake_tables,
    rule_kinds,
)
from modelops_pipelines.operations.alerting.judges.judge_rules import JUDGES

CAPTURED = ("inference_log", "labels", "feedback")
BINARY = EndpointSpec("cancer", "tumours", "binary_classification", "benign")
NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def test_a_table_is_computed_only_from_tables_that_come_before_it() -> None:
    known = {*CAPTURED, "explanations"}
    for one in DERIVATIONS:
        assert set(one.computed_from) <= known, one.name
        assert set(one.marks) <= known, one.name
        known.add(one.name)


def test_every_table_of_the_lake_is_named_once() -> None:
    names = [table.name for table in lake_tables()]
    assert len(set(names)) == len(names)
    assert {
        *CAPTURED,
        "keyed_labels",
        "rejects",
        "shadow_log",
        "daily_profiles",
        "explanations",
        "attributions",
        *(one.name for one in DERIVATIONS),
    } == set(names)


def test_every_derived_table_has_an_asset_and_no_other_has() -> None:
    assert {one.name for one in DERIVATIONS} == set(DERIVED_ASSETS)


def test_every_kind_of_rule_judges_one_table_by_a_function_or_by_a_declared_column() -> None:
    for name, kind in rule_kinds().items():
        assert (name in JUDGES) != (kind.value is not None), name
        assert name in {
            judging.name for one in DERIVATIONS if one.table is judged_table(name) for judging in one.judged_by
        }
    assert set(JUDGES) <= set(rule_kinds())


@pytest.mark.parametrize(
    ("changed", "marked"),
    [
        (
            "inference_log",
            ["service_metrics", "profiles", "quality_metrics", "estimated_quality", "custom_metrics", "key_usage"],
        ),
        ("labels", ["quality_metrics", "custom_metrics"]),
        ("feedback", ["quality_metrics", "custom_metrics"]),
        ("profiles", ["drift", "data_quality"]),
        ("drift", []),
        ("explanations", ["attribution_drift"]),
    ],
)
def test_a_changed_window_marks_the_tables_that_build_on_it(changed: str, marked: list[str]) -> None:
    spec = EndpointSpec("e", "m", "binary_classification", "y", metrics=(Metric("mine", sql="mine.sql"),))
    spec = replace(spec, explain=ExplainPolicy())
    assert marked == list(spec.dependents(changed))


def test_an_endpoint_derives_what_its_task_and_its_metrics_allow() -> None:
    regression = EndpointSpec("e", "m", "regression", "y")
    assert {"estimated_quality"} == set(BINARY.monitored) - set(regression.monitored)
    assert "custom_metrics" not in BINARY.monitored
    explained = replace(BINARY, explain=ExplainPolicy())
    assert {"attribution_drift"} == set(explained.monitored) - set(BINARY.monitored)
    on_request = replace(BINARY, explain=ExplainPolicy(sample=0))
    assert BINARY.monitored == on_request.monitored


def test_a_dependency_that_another_brings_along_is_not_drawn() -> None:
    by_name = {one.name: one for one in DERIVATIONS}
    assert ["labels", "feedback"] == direct_sources(by_name["quality_metrics"])
    assert ["quality_metrics"] == direct_sources(by_name["estimated_quality"])
    assert ["profiles"] == direct_sources(by_name["data_quality"])


def test_only_calibrated_drift_waits_for_the_end_of_its_window() -> None:
    fixed = EndpointSpec("e", "m", "regression", "y", drift=DriftPolicy(method="fixed"))
    window = NOW.replace(minute=0)
    waiting = [one.name for one in DERIVATIONS if not is_due(BINARY, one.name, window, NOW)]
    assert ["drift"] == waiting
    assert all(is_due(fixed, one.name, window, NOW) for one in DERIVATIONS)
