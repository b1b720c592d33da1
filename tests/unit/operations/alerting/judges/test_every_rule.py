"""Every kind of rule by every operator, over a real lake: at the threshold, one row below and one row above it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import OPERATORS, AlertRule, with_defaults
from modelops_pipelines.core.endpoints.validation.alerts import alert_issues
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from tests.fakes.judged_steps import HOURS, MAKERS, Bench
from tests.fakes.records import VERSION
from tests.support.project import Project, make_project

FAILS = {
    "gt": [False, False, False, True, True],
    "ge": [False, False, True, True, True],
    "lt": [True, True, False, False, False],
    "le": [True, True, True, False, False],
    "eq": [False, False, True, False, False],
    "ne": [True, True, False, True, True],
    "outside": [True, False, False, False, True],
    "above": [False, False, False, True, True],
    "below": [True, True, False, False, False],
}
"""Whether the values of five hours fail: two and one steps below the threshold, at it, one and two steps above it."""
DRIFT_FAILS = {name: FAILS[name] for name in ("gt", "ge")} | {"above": FAILS["ge"]}
"""Of drift ``above`` has always meant at or above; the other operators are refused."""
MINIMUM = {kind for kind in MAKERS if kind not in {"drift", "data_quality", "volume", "throughput"}}
LONG_AGO = HOURS[0] - timedelta(days=300)
BenchOf = Callable[[str], Bench]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("rules") / "project"
    made = make_project(folder)
    made.stores.deployments.record_version(VERSION)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)  # where SQL files are
        yield made
    made.stores.database.close()


@pytest.fixture(scope="module")
def bench_of(project: Project) -> BenchOf:
    made: dict[str, Bench] = {}

    def bench(kind: str) -> Bench:
        if kind not in made:
            made[kind] = MAKERS[kind](project, replace(project.spec, name=kind))
        return made[kind]

    return bench


def rule_of(kind: str, bench: Bench, **condition: Any) -> AlertRule:
    least = {"minimum": 40} if kind in MINIMUM else {}
    return with_defaults(AlertRule(kind, **{**bench.attributes, **least, **condition}))


def condition_of(form: str, values: Any) -> dict[str, Any]:
    if form == "outside":
        return {"outside": (values[1], values[3])}
    return {form: values[2]} if form in {"above", "below"} else {"operator": form, "threshold": values[2]}


def judged(project: Project, bench: Bench, rule: AlertRule, windows: Any = HOURS) -> list[Verdict]:
    found = judge_rules(project.stores, replace(bench.spec, alerts=(rule,)), [rule.kind], windows)
    starts = {window.isoformat().replace("+00:00", "Z") for window in windows}
    return [verdict for verdict in found if verdict.window in starts or not verdict.window]


def test_the_table_has_every_kind_and_every_operator() -> None:
    assert set(rule_kinds()) == set(MAKERS)
    assert {*OPERATORS, "outside", "above", "below"} == set(FAILS)


@pytest.mark.parametrize("form", FAILS)
@pytest.mark.parametrize("kind", sorted(set(MAKERS) - {"drift", "data_quality"}))
def test_a_rule_fails_from_its_threshold_on_and_not_one_row_before(
    project: Project, bench_of: BenchOf, kind: str, form: str
) -> None:
    bench = bench_of(kind)
    rule = rule_of(kind, bench, **condition_of(form, bench.values))
    verdicts = judged(project, bench, rule)
    by_value = sorted(verdicts, key=lambda verdict: verdict.value or 0.0)
    assert [True] * 5 == [verdict.passed is not None for verdict in verdicts], [one.message for one in verdicts]
    assert FAILS[form] == [not verdict.passed for verdict in by_value], [one.message for one in by_value]
    assert list(bench.values) == [verdict.value for verdict in by_value]
    assert all(bench.unit in verdict.message and verdict.threshold is not None for verdict in verdicts)
    assert [] == list(alert_issues([rule], bench.spec.task, ["own"]))


@pytest.mark.parametrize("form", FAILS)
def test_a_rule_on_drift_fails_for_many_drifted_columns_only(project: Project, bench_of: BenchOf, form: str) -> None:
    bench = bench_of("drift")
    rule = rule_of("drift", bench, **condition_of(form, bench.values))
    if form not in DRIFT_FAILS:
        assert [issue.path.rpartition(".")[2] for issue in alert_issues([rule], bench.spec.task)] in (
            ["operator"],
            ["outside"],
            ["below"],
        )
        return
    assert DRIFT_FAILS[form] == [not verdict.passed for verdict in judged(project, bench, rule)]


def test_a_rule_on_drift_without_a_threshold_has_that_of_its_method(project: Project, bench_of: BenchOf) -> None:
    bench = bench_of("drift")
    assert [True] * 5 == [one.passed for one in judged(project, bench, rule_of("drift", bench))]
    calibrated = replace(bench, spec=replace(bench.spec, drift=replace(bench.spec.drift, method="calibrated")))
    assert [False] * 5 == [one.passed for one in judged(project, calibrated, rule_of("drift", bench))]


@pytest.mark.parametrize("form", FAILS)
def test_a_rule_on_data_quality_takes_no_threshold(project: Project, bench_of: BenchOf, form: str) -> None:
    bench = bench_of("data_quality")
    refused = alert_issues([rule_of("data_quality", bench, **condition_of(form, [1.0, 2.0, 3.0, 4.0]))], "regression")
    assert {"a rule of kind data_quality has a fixed threshold"} == {issue.problem for issue in refused}
    fails = [not verdict.passed for verdict in judged(project, bench, rule_of("data_quality", bench))]
    assert [False, False, False, True, True] == fails


@pytest.mark.parametrize("kind", MAKERS)
def test_a_window_without_a_row_is_not_judged(project: Project, bench_of: BenchOf, kind: str) -> None:
    bench = bench_of(kind)
    fixed = kind in {"drift", "data_quality"}
    rule = rule_of(kind, bench, **({} if fixed else {"operator": "ge", "threshold": bench.values[2]}))
    [verdict] = judged(project, bench, rule, [LONG_AGO])
    assert (None, None, 0) == (verdict.passed, verdict.value, verdict.n)
    assert verdict.message.startswith("not judged: ")


@pytest.mark.parametrize("kind", sorted(MINIMUM))
def test_a_window_with_one_row_less_than_the_minimum_is_not_judged(
    project: Project, bench_of: BenchOf, kind: str
) -> None:
    bench = bench_of(kind)
    rows = 40
    condition = {"operator": "ge", "threshold": bench.values[0]}
    enough = judged(project, bench, rule_of(kind, bench, **condition, minimum=rows))
    too_few = judged(project, bench, rule_of(kind, bench, **condition, minimum=rows + 1))
    assert [False] * 5 == [one.passed for one in enough]
    assert [(None, None)] * 5 == [(one.passed, one.value) for one in too_few]
    assert all("40 " in one.message and "a verdict needs 41" in one.message for one in too_few)


def test_one_slow_request_more_moves_a_percentile(project: Project, tmp_path: Path) -> None:
    from tests.fakes.judged_steps import captured, request

    spec = replace(project.spec, name="slow")
    for hour, slow in zip(HOURS, (1, 2, 3, 4, 5), strict=True):
        captured(project, spec, [request(spec, hour, ms=500.0 if n < slow else 5.0) for n in range(40)])
    bench = Bench(spec, {}, [], "requests")
    by_percentile = {
        share: [one.passed for one in judged(project, bench, AlertRule("latency", percentile=share, above=100))]
        for share in (99.0, 95.0, 92.5, 50.0)
    }
    assert {
        99.0: [False, False, False, False, False],
        95.0: [True, True, False, False, False],
        92.5: [True, True, True, False, False],
        50.0: [True, True, True, True, True],
    } == by_percentile
