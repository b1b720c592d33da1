"""A drift through the real stores: it lasts until its values are back, are accepted, or a version was trained on them."""

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
from modelops_pipelines.core.errors import ConflictError, InputError
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.tables.lake import DRIFT, PROFILES
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_table
from modelops_pipelines.operations.alerting.life.accept_drift import accept_drift
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.operations.release.endpoint_status import unmonitored
from modelops_pipelines.store.lake.rows.profiles import hour_of, joined_rows
from modelops_pipelines.store.registry.references.drift_references import Reference
from tests.fakes.hourly_profiles import HourlyProfile, to_rows
from tests.fakes.records import START, VERSION
from tests.support.project import Project, make_project
from tests.worlds.two_weeks import stored

FIRST = (START - timedelta(days=START.weekday())).replace(hour=0)
DAY = timedelta(days=1)
ROWS = 900
STEP = 30
"""The day on which the values change."""
BINS = fit_bins("x", np.random.default_rng(1).normal(0, 1, 5_000), "numeric")
SHARED = fit_bins("steady", np.random.default_rng(2).normal(0, 1, 5_000), "numeric")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path)
    made.spec = replace(made.spec, window="day", drift=DriftPolicy(), alerts=(AlertRule("drift"),))
    for version in ("1", "2"):
        made.stores.deployments.record_version(replace(VERSION, version=version))
        reference = {bins.name: profile(np.zeros(10), bins) for bins in (BINS, SHARED)}
        made.stores.references.write(made.spec.model_name, version, Reference("training set", reference))
    yield made
    made.stores.database.close()


def day(number: int) -> Any:
    return FIRST + number * DAY


def serve(project: Project, days: Sequence[int], shift: float = 0.0, rows: int = ROWS, version: str = "1") -> None:
    """Store profiles of requests at noon of these days, x shifted by some standard deviations."""
    found = []
    for number in days:
        draw = np.random.default_rng(number)
        x, steady = draw.normal(draw.normal(0, 0.02) + shift, 1, rows), draw.normal(0, 1, rows)
        hour = hour_of(day(number)) + 12
        found += [HourlyProfile(hour, version, profile(of, bins)) for of, bins in ((x, BINS), (steady, SHARED))]
    noons = [day(number) + DAY / 2 for number in days]
    project.stores.writer.replace_windows(project.spec.name, PROFILES, to_rows(found), noons)


def judge(project: Project, days: Sequence[int], *, one_by_one: bool = False) -> None:
    """Judge these days, and what follows for the alert."""
    for part in [[number] for number in days] if one_by_one else [days]:
        detect_drift(project.stores, project.spec, Range(day(part[0]), day(part[-1] + 1)))
        judge_table(project.stores, project.spec, DRIFT)


def alerts(project: Project) -> list[str]:
    return [alert.status for alert in project.stores.alerts.find(project.spec.name)[::-1]]


def drifted(project: Project, column: str = "x") -> dict[int, bool | None]:
    rows = [row for row in stored(project, DRIFT) if row["column"] == column]
    return {(row["window_start"] - FIRST).days: row["drifted"] for row in rows}


@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_a_step_that_lasts_keeps_its_alert_and_is_judged_the_same_day_by_day(project: Project, shift: float) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, 75), shift)
    judge(project, range(75))
    assert [OPEN] == alerts(project)
    found = drifted(project)
    assert {True} == {found[number] for number in range(STEP + 1, 75)}
    assert not any(drifted(project, "steady").values())
    since = {row["since"] for row in stored(project, DRIFT) if row["drifted"]}
    assert {day(STEP)} == since
    before = stored(project, DRIFT)
    judge(project, range(60, 75), one_by_one=True)
    assert before == stored(project, DRIFT)


def test_after_a_mended_week_a_small_shift_is_found_within_two_days(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 7), 1.0)
    serve(project, range(STEP + 7, STEP + 10))
    serve(project, range(STEP + 10, STEP + 14), 0.3)
    judge(project, range(STEP + 10))
    assert [RESOLVED] == alerts(project)
    judge(project, range(STEP + 10, STEP + 14), one_by_one=True)
    assert [RESOLVED, OPEN] == alerts(project)
    assert [False, True, True, True] == [drifted(project)[STEP + number] for number in range(10, 14)]


def test_a_window_without_a_verdict_on_what_drifted_resolves_nothing(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 4), 1.0)
    judge(project, range(STEP + 4))
    steady = [
        HourlyProfile(hour_of(day(number)) + 12, "1", profile(np.random.default_rng(number).normal(0, 1, ROWS), SHARED))
        for number in range(STEP + 4, STEP + 14)
    ]
    noons = [day(number) + DAY / 2 for number in range(STEP + 4, STEP + 14)]
    project.stores.writer.replace_windows(project.spec.name, PROFILES, to_rows(steady), noons)
    judge(project, range(STEP + 4, STEP + 14))
    assert [OPEN] == alerts(project)
    newest = project.stores.verdicts.newest(project.spec.name)["drift"]
    assert newest.passed is None
    assert "x has drifted since" in newest.message


def test_a_drift_is_kept_through_months_without_requests(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, [*range(STEP, STEP + 4), *range(STEP + 120, STEP + 124)], 1.0)
    judge(project, range(STEP + 124))
    assert [OPEN] == alerts(project)
    assert [True] * 4 == [drifted(project)[STEP + number] for number in range(120, 124)]


def test_accepted_values_are_the_new_normal_and_the_old_ones_a_drift(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 20), 1.0)
    serve(project, range(STEP + 20, STEP + 24))
    judge(project, range(STEP + 8))
    before = stored(project, DRIFT)
    [accepted] = accept_drift(project.stores, project.spec, actor="ann", reason="a new price list")
    assert ("x", day(STEP), day(STEP + 8)) == (accepted.column, accepted.since, accepted.until)
    assert [RESOLVED] == alerts(project)
    assert "accepted by ann: a new price list" in project.stores.alerts.find(project.spec.name)[0].message
    with pytest.raises(ConflictError, match="No column of endpoint 'cancer' has drifted"):
        accept_drift(project.stores, project.spec, actor="ann", reason="again")
    judge(project, range(STEP + 8, STEP + 20), one_by_one=True)
    assert [RESOLVED] == alerts(project)
    found = drifted(project)
    assert not any(found[number] for number in range(STEP + 8, STEP + 20))
    assert found[STEP + 12] is False
    judge(project, range(STEP + 20, STEP + 24))
    assert [RESOLVED, OPEN] == alerts(project)
    judge(project, range(STEP + 8))
    assert before == [row for row in stored(project, DRIFT) if row["window_start"] < day(STEP + 8)]


def test_what_cannot_be_accepted_is_refused_with_the_reason(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 4), 1.0)
    judge(project, range(STEP + 4))
    given: list[dict[str, Any]] = [
        {"reason": " "},
        {"reason": "ok", "columns": ["steady"]},
        {"reason": "ok", "since": day(STEP + 4)},
    ]
    for wrong, told in zip(given, ["requires a reason", "steady of endpoint", "is not before"], strict=True):
        with pytest.raises(InputError, match=told):
            accept_drift(project.stores, project.spec, actor="ann", **wrong)
    assert [] == project.stores.acceptances.of(project.spec.name)
    assert [OPEN] == alerts(project)


def test_a_version_that_was_trained_on_the_values_resolves_the_alert(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 10), 1.0)
    judge(project, range(STEP + 10))
    assert [OPEN] == alerts(project)
    profiles = []
    for number in range(STEP, STEP + 10):
        draw = np.random.default_rng(number)
        for bins, level in ((BINS, 1.0), (SHARED, 0.0)):
            profiles.append(HourlyProfile(hour_of(day(number)) + 12, "", profile(draw.normal(level, 1, ROWS), bins)))
    trained = Reference("training set", {bins.name: profile(np.zeros(10), bins) for bins in (BINS, SHARED)})
    hours = joined_rows([to_rows(profiles)])
    project.stores.references.write(project.spec.model_name, "2", replace(trained, hours=hours))
    serve(project, range(STEP + 10, STEP + 14), 1.0, version="2")
    judge(project, range(STEP + 10, STEP + 14))
    assert [RESOLVED] == alerts(project)


def test_late_requests_that_end_a_drift_change_the_days_after_it(project: Project) -> None:
    serve(project, range(STEP))
    serve(project, range(STEP, STEP + 20), 1.0)
    judge(project, range(STEP + 20))
    serve(project, range(STEP, STEP + 3))
    detect_drift(project.stores, project.spec, Range(day(STEP), day(STEP + 3)))
    late = stored(project, DRIFT)
    assert {day(STEP + 3)} == {row["since"] for row in late if row["drifted"]}
    detect_drift(project.stores, project.spec, Range(day(STEP), day(STEP + 20)))
    assert stored(project, DRIFT) == late


@pytest.mark.parametrize("rows", [4, 20, 100])
def test_a_step_of_five_sigma_is_told_of_few_rows_a_day_and_an_ordinary_day_is_not(project: Project, rows: int) -> None:
    days = 160 if rows < 10 else 60
    serve(project, range(days), rows=rows)
    serve(project, range(days, days + 25), 5.0, rows=rows)
    judge(project, range(days - 20, days + 25))
    found = drifted(project)
    assert not any(found[number] for number in range(days - 20, days))
    assert not any(drifted(project, "steady").values())
    assert found[days + 24] is True
    assert [OPEN] == alerts(project)


def test_an_endpoint_with_too_few_rows_says_what_monitoring_needs(project: Project) -> None:
    serve(project, range(60), rows=1)
    judge(project, range(50, 60))
    told = unmonitored(project.stores, project.spec)
    assert told is not None
    assert told.startswith("not monitored: ")
    assert "gross changes need 30 rows in 14 days, and 14 days before" in told
    serve(project, range(60, 120), rows=50)
    judge(project, range(110, 120))
    assert "gross changes only, and there is none" in str(unmonitored(project.stores, project.spec))
