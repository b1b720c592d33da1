"""A small step through the real stores: told by the last days together, kept, and the same in whatever order it comes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import DriftPolicy
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.tables.lake import DRIFT, PROFILES
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_table
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.store.lake.rows.profiles import hour_of, joined_rows
from modelops_pipelines.store.registry.references.drift_references import Reference
from tests.fakes.hourly_profiles import HourlyProfile, to_rows
from tests.fakes.records import START, VERSION
from tests.support.project import Project, make_project
from tests.worlds.two_weeks import stored

FIRST = (START - timedelta(days=START.weekday())).replace(hour=0)
DAY = timedelta(days=1)
ROWS = 600
STEP = 42
LAST = STEP + 28
SPREAD = 0.08
"""What days vary by: a step of 0.25 is three of these."""
BINS = fit_bins("x", np.random.default_rng(1).normal(0, 1, 5_000), "numeric")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path)
    made.spec = replace(made.spec, window="day", drift=DriftPolicy(), alerts=(AlertRule("drift"),))
    made.stores.deployments.record_version(replace(VERSION, version="1"))
    reference = Reference("training set", {"x": profile(np.zeros(10), BINS)})
    made.stores.references.write(made.spec.model_name, "1", reference)
    yield made
    made.stores.database.close()


def day(number: int) -> Any:
    return FIRST + number * DAY


def of_day(number: int, shift: float = 0.0, rows: int = ROWS) -> HourlyProfile:
    draw = np.random.default_rng([11, number])
    x = draw.normal(draw.normal(0, SPREAD) + shift, 1, rows)
    return HourlyProfile(hour_of(day(number)) + 12, "1", profile(x, BINS))


def serve(project: Project, days: Sequence[int], shift: float = 0.0, rows: int = ROWS) -> None:
    found = [of_day(number, shift, rows) for number in days]
    noons = [day(number) + DAY / 2 for number in days]
    project.stores.writer.replace_windows(project.spec.name, PROFILES, to_rows(found), noons)


def judge(project: Project, days: Sequence[int], *, one_by_one: bool = False) -> None:
    for part in [[number] for number in days] if one_by_one else [days]:
        detect_drift(project.stores, project.spec, Range(day(part[0]), day(part[-1] + 1)))
        judge_table(project.stores, project.spec, DRIFT)


def rows_by_day(project: Project) -> dict[int, dict[str, Any]]:
    return {(row["window_start"] - FIRST).days: row for row in stored(project, DRIFT)}


def alerts(project: Project) -> list[str]:
    return [alert.status for alert in project.stores.alerts.find(project.spec.name)[::-1]]


def test_a_step_of_three_spreads_of_a_day_is_told_within_a_week_and_kept(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, LAST), 0.25)
    judge(project, range(28, LAST))
    found = rows_by_day(project)
    told = min(number for number, row in found.items() if row["drifted"])
    assert STEP <= told < STEP + 7
    assert "shift" in found[told]["channels"]
    assert {"shift"} == {found[number]["lasting_channel"] for number in range(told, LAST)}
    assert all(found[number]["drifted"] for number in range(told, LAST))
    assert abs((found[told]["since"] - day(STEP)).days) <= 2
    assert [OPEN] == alerts(project)
    judge(project, range(STEP - 3, LAST), one_by_one=True)
    assert found == rows_by_day(project)


def test_a_step_that_is_mended_resolves_its_alert(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 10), 0.4)
    serve(project, range(STEP + 10, STEP + 20))
    judge(project, range(28, STEP + 20))
    found = rows_by_day(project)
    assert found[STEP + 9]["drifted"]
    assert [RESOLVED] == alerts(project)
    assert not any(found[number]["drifted"] for number in range(STEP + 14, STEP + 20))


def test_days_that_come_late_change_the_days_after_them(project: Project) -> None:
    late = [STEP, STEP + 1, STEP + 2]
    serve(project, [number for number in range(LAST) if number < STEP])
    serve(project, range(STEP + 3, STEP + 6), 0.25)
    judge(project, range(STEP + 6))
    before = rows_by_day(project)
    serve(project, late, 0.25)
    detect_drift(project.stores, project.spec, Range(day(STEP), day(STEP + 3)))
    after = rows_by_day(project)
    detect_drift(project.stores, project.spec, Range(day(0), day(STEP + 6)))
    assert after == rows_by_day(project)
    assert after[STEP + 5] != before[STEP + 5]
    assert after[STEP + 5]["drifted"]


def test_a_training_set_alone_is_the_reference_where_the_policy_says_so(project: Project) -> None:
    project.spec = replace(project.spec, drift=DriftPolicy(reference="training"))
    hours = joined_rows([to_rows([replace(of_day(number), version="") for number in range(STEP)])])
    trained = Reference("training set", {"x": profile(np.zeros(10), BINS)})
    project.stores.references.write(project.spec.model_name, "1", replace(trained, hours=hours))
    serve(project, range(STEP, STEP + 7), 0.25)
    judge(project, range(STEP, STEP + 7))
    assert rows_by_day(project)[STEP + 6]["drifted"]


def test_hourly_windows_are_judged_by_themselves_alone(project: Project) -> None:
    project.spec = replace(project.spec, window="hour")
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 7), 0.25)
    detect_drift(project.stores, project.spec, Range(day(STEP - 3), day(STEP + 7)))
    assert {None} == {row["shift"] for row in stored(project, DRIFT)}
