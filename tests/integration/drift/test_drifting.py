"""Calibrated drift through the real stores: the season before, persistence, severity; and chunks of a hundred requests."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.endpoints.spec import DriftPolicy
from modelops_pipelines.core.tables.lake import DAILY_PROFILES, DATA_QUALITY, DRIFT, PROFILES
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.operations.drift import detect as drifting
from modelops_pipelines.operations.drift import reference_hours as history
from modelops_pipelines.operations.drift import sparse
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.detect import detect_drift, judged_windows
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.drift.reference_hours import histories, reference_before
from modelops_pipelines.operations.drift.references import make_reference, reference_hours
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.store.lake.rows.profiles import joined_rows
from modelops_pipelines.store.registry.references.drift_references import Reference
from tests.fakes.records import VERSION
from tests.support.project import Project, copied_project
from tests.worlds.two_weeks import DAYS, HOUR, MONDAY, ROWS, derive, of_column, send, stored


@pytest.fixture
def project(two_weeks: Project, tmp_path: Path) -> Iterator[Project]:
    made = copied_project(two_weeks, tmp_path / "project")
    yield made
    made.stores.database.close()


def test_ordinary_hours_of_the_same_season_have_not_drifted_however_the_hours_differ(project: Project) -> None:
    at = MONDAY + timedelta(days=14)
    send(project, at)
    assert derive(project) == (at,)
    rows = [row for row in stored(project, DRIFT) if row["window_start"] == at]
    assert {"x": False, "c": False, "prediction": False, "score": False} == {r["column"]: r["drifted"] for r in rows}
    assert {"the same season of the 28 days before"} == {row["reference"] for row in rows}
    assert {"none"} == {row["severity"] for row in rows}
    [verdict] = judge_rules(project.stores, project.spec, ["drift"], [at])
    assert (True, ROWS) == (verdict.passed, verdict.n)


def test_a_shift_is_flagged_at_once_and_has_drifted_when_it_lasts(project: Project) -> None:
    first, second = MONDAY + timedelta(days=14), MONDAY + timedelta(days=14) + HOUR
    for at in (first, second):
        send(project, at, shift=0.5)
        derive(project)
    assert (True, False) == tuple(of_column(project, "x", first)[name] for name in ("flagged", "drifted"))
    row = of_column(project, "x", second)
    assert (True, True) == (row["flagged"], row["drifted"])
    assert row["value"] > row["threshold"] > 0.05
    assert row["effect"] == pytest.approx(row["value"] / 0.05)
    assert row["p_value"] < 0.02
    assert of_column(project, "c", second)["drifted"] is False
    passed, failed = judge_rules(project.stores, project.spec, ["drift"], [first, second])
    assert (True, False) == (passed.passed, failed.passed)
    assert "x wasserstein" in failed.message
    assert "the same season of the 28 days before" in failed.message


def test_computing_again_and_another_order_of_windows_change_nothing(project: Project) -> None:
    first = MONDAY + timedelta(days=14)
    for at in (first, first + HOUR):
        send(project, at, shift=0.5)
    derive(project)
    before = stored(project, DRIFT)
    detect_drift(project.stores, project.spec, Range(first, first + 2 * HOUR))
    assert before == stored(project, DRIFT)
    detect_drift(project.stores, project.spec, Range(first + HOUR, first + 2 * HOUR))
    assert before == stored(project, DRIFT)


def test_a_version_of_few_days_is_not_judged_and_says_so(project: Project) -> None:
    early = MONDAY + timedelta(days=2)
    row = of_column(project, "x", early)
    assert (None, None) == (row["drifted"], row["value"])
    assert row["reason"] == "2 reference days of the same kind (working day or weekend), but 4 are required"
    [verdict] = judge_rules(project.stores, project.spec, ["drift"], [early])
    assert verdict.passed is None


def test_a_training_set_with_times_is_a_season_from_the_first_day_on(project: Project) -> None:
    draw = np.random.default_rng(5)
    times = [MONDAY + timedelta(days=day, seconds=s) for day in DAYS for s in range(0, 7200, 12)]
    frame = pa.table(
        {
            "x": [draw.normal(at.hour / 50, 1) for at in times],
            "c": draw.choice(["a", "b"], len(times), p=[0.7, 0.3]).tolist(),
        }
    )
    made = make_reference("training set", frame, ["x", "c"])
    hours = reference_hours(frame, made, pa.chunked_array([pa.array(times, pa.timestamp("us", "UTC"))]))
    reference = Reference("training set", made.profiles, {"x": 0.9, "c": 0.1}, hours)
    project.stores.deployments.record_version(replace(VERSION, model_name="fresh"))
    project.stores.references.write("fresh", "1", reference)
    fresh = replace(project, spec=replace(project.spec, name="cancer", model_name="fresh"))
    for method, days in ((DriftPolicy(minimum=500), 15), (DriftPolicy(minimum=500, reference="training"), 60)):
        fresh.spec = replace(fresh.spec, drift=method)
        monday = MONDAY + timedelta(days=days - days % 7)
        for at in (monday, monday + HOUR):
            send(fresh, at, shift=0.6)
            derive(fresh)
        row = of_column(fresh, "x", monday + HOUR)
        assert (True, 0.9) == (row["drifted"], row["importance"]), method
        assert row["severity"] == "high"
        assert of_column(fresh, "c", monday + HOUR)["drifted"] is False


def test_a_small_window_is_widened_into_the_past(project: Project) -> None:
    at = MONDAY + timedelta(days=14)
    send(project, at, rows=300)
    send(project, at + HOUR, rows=300)
    derive(project)
    assert (300, 600) == (of_column(project, "x", at)["n"], of_column(project, "x", at + HOUR)["n"])


def test_a_window_long_after_the_others_is_judged_by_its_own_days(project: Project) -> None:
    late = MONDAY + timedelta(days=200)
    send(project, MONDAY + timedelta(days=14))
    send(project, late)
    derive(project)
    assert of_column(project, "x", MONDAY + timedelta(days=14))["drifted"] is False
    assert of_column(project, "x", late)["reason"].startswith("0 reference days of the same kind")


def test_a_unit_that_changes_is_told_within_two_hundred_requests(project: Project) -> None:
    at = MONDAY + timedelta(days=14)
    send(project, at, rows=250)
    send(project, at + timedelta(minutes=10), rows=200, shift=12.0)
    derive(project)
    rows = [row for row in stored(project, DATA_QUALITY) if row["window_start"] == at]
    assert [True] * 5 + [False] == [row["passed"] for row in rows]
    assert ("x", "range", 120) == (rows[-1]["column"], rows[-1]["channel"], rows[-1]["n"])
    [verdict] = judge_rules(project.stores, project.spec, ["data_quality"], [at])
    assert verdict.passed is False
    assert "x: 100% of the values are outside" in verdict.message


def test_a_renamed_category_is_told_and_an_ordinary_hour_is_not(project: Project) -> None:
    at = MONDAY + timedelta(days=14)
    send(project, at, rows=400)
    send(project, at + HOUR, rows=400, word="A")
    derive(project)
    first, second = judge_rules(project.stores, project.spec, ["data_quality"], [at, at + HOUR])
    assert (True, False) == (first.passed, second.passed)
    assert "c: 71% of the values have unknown categories" in second.message


def test_chunks_go_on_over_windows_and_are_the_same_when_computed_again(project: Project) -> None:
    at = MONDAY + timedelta(days=14)
    send(project, at, rows=100, shift=12.0)
    derive(project)
    send(project, at + HOUR, rows=100, shift=12.0)
    derive(project)
    rows = stored(project, DATA_QUALITY)
    assert [True, False] == [row["passed"] for row in rows if row["window_start"] >= at]
    check_data_quality(project.stores, project.spec, Range(at + HOUR, at + 2 * HOUR))
    assert rows == stored(project, DATA_QUALITY)


def test_there_is_no_verdict_on_chunks_before_there_are_days_to_compare_with(project: Project) -> None:
    first = [row for row in stored(project, DATA_QUALITY) if row["window_start"] == MONDAY]
    assert {None} == {row["passed"] for row in first}
    assert first[0]["reason"] == "0 days to compare with; 4 are needed"


def test_a_column_of_few_days_is_odd_to_nobody_while_the_others_are_judged(project: Project) -> None:
    draw = np.random.default_rng(5)
    times = [MONDAY + timedelta(days=day, seconds=s) for day in DAYS for s in range(0, 7200, 12)]
    frame = pa.table({"x": [draw.normal(0, 1) for _ in times], "c": ["a", "b"] * (len(times) // 2)})
    made = make_reference("training set", pa.concat_tables([frame]), ["x", "c"])
    answers = make_reference(
        "", pa.table({"score": draw.random(1000), "prediction": ["0", "1"] * 500}), ["score", "prediction"]
    )
    hours = reference_hours(frame, made, pa.chunked_array([pa.array(times, pa.timestamp("us", "UTC"))]))
    project.stores.deployments.record_version(replace(VERSION, model_name="fresh"))
    project.stores.references.write("fresh", "1", Reference("set", {**made.profiles, **answers.profiles}, {}, hours))
    project.spec = replace(project.spec, model_name="fresh")
    monday = MONDAY + timedelta(days=14)
    send(project, monday, rows=1)
    derive(project)
    send(project, monday + timedelta(days=1), rows=300, shift=20.0)
    derive(project)
    rows = [row for row in stored(project, DATA_QUALITY) if row["window_start"] == monday + timedelta(days=1)]
    assert {"x\trange"} == {row["flags"] for row in rows}
    assert [True, False, False, False] == [row["passed"] for row in rows]


def reference_of_days(*, trained: bool) -> Reference:
    """Return a training set; its hours, where it has times, reach into the first days that are served."""
    draw = np.random.default_rng(5)
    times = [MONDAY + timedelta(days=day, seconds=s + 1800) for day in range(-12, 3) for s in range(0, 7200, 6)]
    columns = {
        "x": draw.normal(0, 1, len(times)),
        "c": draw.choice(["a", "b"], len(times)),
        "score": draw.random(len(times)),
    }
    frame = pa.table(
        {name: of.tolist() for name, of in columns.items()} | {"prediction": ["0", "1"] * (len(times) // 2)}
    )
    made = make_reference("training set", frame, ["x", "c", "score", "prediction"])
    hours = reference_hours(frame, made, pa.chunked_array([pa.array(times, pa.timestamp("us", "UTC"))]))
    return Reference("training set", made.profiles, {}, hours if trained else None)


@pytest.mark.parametrize("trained", [False, True])
def test_days_are_judged_from_their_sums_exactly_as_from_their_hours(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    trained: bool,  # noqa: FBT001 - a parameter
) -> None:
    start = MONDAY.replace(hour=0)
    windows = [start + timedelta(days=day) for day in (*DAYS, 14, 15)]
    project.stores.deployments.record_version(replace(VERSION, model_name="days"))
    project.stores.references.write("days", "1", reference_of_days(trained=trained))
    for day, rows in ((14, 300), (15, 700)):
        send(project, MONDAY + timedelta(days=day), rows=rows, shift=0.3)
    of_days = replace(project.spec, window="day", model_name="days")
    policies = [DriftPolicy(reference=of, minimum=least) for of in ("rolling", "training") for least in (500, 1100)]

    def judged() -> list[Any]:
        specs = [replace(of_days, drift=policy) for policy in policies]
        shown = [reference_before(project.stores, spec, "1", windows[-1]) for spec in specs]
        return [[judged_windows(project.stores, spec, windows) for spec in specs], shown]

    profile_windows(project.stores, of_days, Range(start, start + timedelta(days=16)))
    with monkeypatch.context() as patched:
        for module in (drifting, history, sparse):
            patched.setattr(module, "windowed_histories", histories)
        expected = judged()
    assert [True, True, trained, trained] == [any(row["value"] is not None for row in rows) for rows in expected[0]]
    assert expected == judged()
    project.stores.writer.replace_windows("cancer", DAILY_PROFILES, joined_rows([]), windows[3:6])
    assert expected == judged()
    shutil.rmtree(project.stores.lake.path("cancer", DAILY_PROFILES.name))
    assert expected == judged()


def test_days_with_enough_rows_are_judged_without_reading_an_hour(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.spec = replace(project.spec, window="day")
    start = MONDAY.replace(hour=0)
    profile_windows(project.stores, project.spec, Range(start, start + timedelta(days=14)))
    windows = [start + timedelta(days=day) for day in DAYS]
    expected = judged_windows(project.stores, project.spec, windows)
    shutil.rmtree(project.stores.lake.path("cancer", PROFILES.name))
    assert expected == judged_windows(project.stores, project.spec, windows)
