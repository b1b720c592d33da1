"""Profiles are kept by the hour and add up: to days, over batches, whatever the order of arrival."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import profile
from modelops_pipelines.core.tables.lake import DAILY_PROFILES, PROFILES
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift import profiles as profiling
from modelops_pipelines.operations.drift.profiles import profile_windows, stored_hours, stored_profiles
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.store.lake.rows.profiles import from_rows, hour_of, joined_rows
from tests.fakes.hourly_profiles import HourlyProfile, to_rows
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)
DAY = START.replace(hour=0)
Frame = dict[str, list[Any]]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    yield made
    made.stores.database.close()


def drawn(seed: int, rows: int) -> Frame:
    """Return values with nulls, and categories that come and go."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=rows)
    words = draw.choice([None, "a", "b", f"new-{seed}"], rows, p=[0.1, 0.5, 0.3, 0.1])
    return {"x": [None if draw.random() < 0.1 else float(value) for value in x], "c": words.tolist()}


def send(project: Project, spec: Any, number: int, at: Any, frame: Frame) -> None:
    rows = len(frame["x"])
    record = request_record(spec.name, number, at, rows, f=frame, p=["1"] * rows, s=[0.5] * rows)
    write_segment(project.stores, spec.name, "predictions", f"w{number}", [record])
    ingest(project.stores, spec, "predictions")


def numbers(frame: Frame) -> list[float]:
    return [np.nan if value is None else value for value in frame["x"]]


@pytest.mark.parametrize("window", ["hour", "day"])
@pytest.mark.parametrize("batch", [7, 500_000])
def test_a_window_is_the_sum_of_its_hours_and_equals_a_profile_of_its_rows(
    project: Project, monkeypatch: pytest.MonkeyPatch, window: Any, batch: int
) -> None:
    monkeypatch.setattr(profiling, "BATCH_ROWS", batch)
    spec = replace(project.spec, window=window)
    frames = {hour: drawn(hour, 1200 if hour == 0 else 50) for hour in (0, 1, 5)}
    for hour, frame in frames.items():
        send(project, spec, hour, DAY + hour * HOUR, frame)
    profile_windows(project.stores, spec)
    bins = project.stores.references.read("tumours", "1")
    assert bins is not None
    windows = [DAY + hour * HOUR for hour in frames] if window == "hour" else [DAY]
    stored = stored_profiles(project.stores, spec, windows)
    together = {DAY + hour * HOUR: [frame] for hour, frame in frames.items()}
    for start in windows:
        mine = together[start] if window == "hour" else list(frames.values())
        expected_x = profile([v for frame in mine for v in numbers(frame)], bins.bins["x"])
        expected_c = profile([v for frame in mine for v in frame["c"]], bins.bins["c"])
        found = stored[start, "1"]
        assert (expected_c.counts, expected_c.new, expected_c.nulls) == (
            found["c"].counts,
            found["c"].new,
            found["c"].nulls,
        )
        assert (expected_x.counts, expected_x.nulls) == (found["x"].counts, found["x"].nulls)
        assert np.allclose(expected_x.sums, found["x"].sums, rtol=1e-12, atol=1e-9)
        assert (expected_x.minimum, expected_x.maximum) == (found["x"].minimum, found["x"].maximum)
    with project.stores.lake.query("cancer", [PROFILES]) as connected:
        hours = connected.execute("SELECT DISTINCT hour(window_start) FROM profiles ORDER BY 1").fetchall()
    assert [(0,), (1,), (5,)] == hours


def test_a_late_row_computes_its_window_again_and_no_other(project: Project) -> None:
    for hour in (0, 1):
        send(project, project.spec, hour, DAY + hour * HOUR, drawn(hour, 1100))
    profile_windows(project.stores, project.spec)
    before = stored_profiles(project.stores, project.spec, [DAY, DAY + HOUR])
    send(project, project.spec, 9, DAY + HOUR, drawn(9, 3))
    assert profile_windows(project.stores, project.spec).windows == (DAY + HOUR,)
    after = stored_profiles(project.stores, project.spec, [DAY, DAY + HOUR])
    assert before[DAY, "1"] == after[DAY, "1"]
    assert (1100, 1103) == (before[DAY + HOUR, "1"]["c"].n, after[DAY + HOUR, "1"]["c"].n)


def test_order_of_arrival_and_computing_again_change_nothing(project: Project) -> None:
    backwards = replace(project.spec, name="backwards", model_name="others")
    project.stores.deployments.record_version(replace(VERSION, model_name="others"))
    frames = {hour: drawn(hour, 1100 + hour) for hour in range(3)}
    for spec, order in ((project.spec, (0, 1, 2)), (backwards, (2, 1, 0))):
        for hour in order:
            send(project, spec, hour, DAY + hour * HOUR, frames[hour])
            if spec is project.spec:
                profile_windows(project.stores, spec)
        profile_windows(project.stores, spec)
    windows = [DAY + hour * HOUR for hour in frames]
    found = stored_profiles(project.stores, project.spec, windows)
    assert found == stored_profiles(project.stores, backwards, windows)
    profile_windows(project.stores, project.spec, Range(DAY, DAY + 3 * HOUR))
    assert found == stored_profiles(project.stores, project.spec, windows)


def test_rows_of_profiles_are_read_back_as_they_were(project: Project) -> None:
    send(project, project.spec, 1, DAY, drawn(1, 1500))
    profile_windows(project.stores, project.spec)
    [(_, hours)] = stored_hours(project.stores, project.spec, DAY, DAY + HOUR).values()
    written = [HourlyProfile(hour_of(DAY), "1", of.total(hour_of(DAY), hour_of(DAY) + 1)) for of in hours.values()]
    again = from_rows(to_rows(written), {name: of.bins for name, of in hours.items()})
    assert [one.profile for one in written] == [again[name].total(hour_of(DAY), hour_of(DAY) + 1) for name in again]


def test_rows_of_profiles_are_read_in_order_of_time_whatever_their_order(project: Project) -> None:
    for hour in range(3):
        send(project, project.spec, hour, DAY + hour * HOUR, drawn(hour, 1100))
    profile_windows(project.stores, project.spec)
    with project.stores.lake.query("cancer", [PROFILES]) as connected:
        rows = connected.table("profiles").to_arrow_table()
    reference = project.stores.references.read("tumours", "1")
    assert reference is not None
    expected = from_rows(rows, reference.bins)
    shuffled = rows.take(np.random.default_rng(3).permutation(len(rows)))
    found = from_rows(pa.concat_tables([shuffled.slice(0, 5), shuffled.slice(5)]), reference.bins)
    first = hour_of(DAY)
    assert {name: [first, first + 1, first + 2] for name in reference.bins} == {
        n: o.at.tolist() for n, o in found.items()
    }
    for name, hours in expected.items():
        both = [[of.total(first + n, first + n + 1) for n in range(3)] for of in (hours, found[name])]
        assert both[0] == both[1]


def test_rows_out_of_order_and_other_hours_of_the_day_change_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = {hour: drawn(hour, 1100) for hour in (2, 0, 1)}
    for hour, frame in frames.items():
        send(project, project.spec, hour, DAY + hour * HOUR, frame)
    profile_windows(project.stores, project.spec)
    before = stored_profiles(project.stores, project.spec, [DAY + HOUR])
    batch = pa.concat_batches(list(profiling._batches(project.stores, project.spec, [DAY])))
    upset = batch.take(np.random.default_rng(3).permutation(len(batch)))
    monkeypatch.setattr(profiling, "_batches", lambda *_: iter([upset]))
    assert profile_windows(project.stores, project.spec, Range(DAY + HOUR, DAY + 2 * HOUR)).rows == 4
    assert before == stored_profiles(project.stores, project.spec, [DAY + HOUR])


def test_rows_of_an_older_release_are_passed_over(project: Project) -> None:
    send(project, project.spec, 1, DAY, drawn(1, 1500))
    profile_windows(project.stores, project.spec)
    with project.stores.lake.query("cancer", [PROFILES]) as connected:
        rows = connected.table("profiles").to_arrow_table()
    place = rows.column_names.index("counts")
    older = rows.set_column(place, "counts", [[None] * len(rows)]).cast(rows.schema)
    reference = project.stores.references.read("tumours", "1")
    assert reference is not None
    assert from_rows(older, reference.bins) == {}


def test_memory_holds_a_batch_of_rows_and_not_the_log(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "BATCH_ROWS", 2048)
    for hour in range(4):
        send(project, project.spec, hour, DAY + hour * HOUR, drawn(hour, 3000))
    largest = max(
        len(one) for one in profiling._batches(project.stores, project.spec, [DAY + n * HOUR for n in range(4)])
    )
    assert 0 < largest <= 4096


def sent(project: Project, days: int = 3) -> EndpointSpec:
    """Profile days of three hours in windows of a day; return the endpoint."""
    spec = replace(project.spec, window="day")
    for day in range(days):
        for hour in (0, 5, 23):
            at = DAY + timedelta(days=day, hours=hour)
            send(project, spec, 10 * day + hour, at, drawn(100 * day + hour, 1200 if day + hour == 0 else 90))
    profile_windows(project.stores, spec)
    return spec


def rows_of_days(project: Project) -> list[dict[str, Any]]:
    with project.stores.lake.query("cancer", [DAILY_PROFILES]) as connected:
        rows: list[dict[str, Any]] = connected.table("daily_profiles").to_arrow_table().to_pylist()
    return sorted(rows, key=lambda row: [str(row[name]) for name in DAILY_PROFILES.key])


def days_from_hours(project: Project, spec: EndpointSpec, days: int) -> dict[tuple[Any, str], dict[str, Any]]:
    """Return each day's sum of the stored hours, as it was before days were stored."""
    found: dict[tuple[Any, str], dict[str, Any]] = {}
    for version, (_, columns) in stored_hours(project.stores, spec, DAY, DAY + timedelta(days=days)).items():
        for day in range(days):
            first = hour_of(DAY + timedelta(days=day))
            made = {name: hours.total(first, first + 24) for name, hours in columns.items()}
            if any(one.n for one in made.values()):
                found[DAY + timedelta(days=day), version] = made
    return found


def days_of(days: int) -> list[datetime]:
    return [DAY + timedelta(days=day) for day in range(days)]


def lose_days(project: Project) -> None:
    shutil.rmtree(project.stores.lake.path("cancer", DAILY_PROFILES.name))


def test_a_day_s_stored_sum_is_its_hours_to_the_last_bit_and_so_is_one_that_was_never_stored(project: Project) -> None:
    spec = sent(project)
    windows = days_of(3)
    expected = days_from_hours(project, spec, 3)
    assert (3, 3 * 4) == (len(expected), len(rows_of_days(project)))
    assert expected == stored_profiles(project.stores, spec, windows)
    project.stores.writer.replace_windows("cancer", DAILY_PROFILES, joined_rows([]), windows[1:2])
    assert expected == stored_profiles(project.stores, spec, windows)
    lose_days(project)
    assert expected == stored_profiles(project.stores, spec, windows)


def test_stored_sums_are_read_in_place_of_hours(project: Project) -> None:
    spec = sent(project)
    windows = days_of(3)
    expected = stored_profiles(project.stores, spec, windows)
    shutil.rmtree(project.stores.lake.path("cancer", PROFILES.name))
    assert expected == stored_profiles(project.stores, spec, windows)


def test_a_late_row_sums_its_own_day_again_and_no_other(project: Project) -> None:
    spec = sent(project)
    before, files = rows_of_days(project), set(project.stores.lake.files("cancer", DAILY_PROFILES.name))
    late = DAY + timedelta(days=1, hours=5)
    send(project, spec, 99, late, drawn(99, 3))
    assert (DAY + timedelta(days=1),) == profile_windows(project.stores, spec).windows
    after = rows_of_days(project)
    changed = {row["window_start"] for row, old in zip(after, before, strict=True) if row != old}
    assert {DAY + timedelta(days=1)} == changed
    assert 1 == len(files - set(project.stores.lake.files("cancer", DAILY_PROFILES.name)))
    assert days_from_hours(project, spec, 3) == stored_profiles(project.stores, spec, days_of(3))


@pytest.mark.parametrize("asked", [None, Range(DAY, DAY + timedelta(days=2))])
def test_a_run_killed_between_hours_and_days_gives_the_same_when_it_is_started_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, asked: Range | None
) -> None:
    spec = sent(project, 2)
    late = DAY + timedelta(days=1, hours=7)
    send(project, spec, 99, late, drawn(99, 30))
    with monkeypatch.context() as patched:
        patched.setattr(profiling, "_sum_by_day", killed)
        with pytest.raises(KeyboardInterrupt):
            profile_windows(project.stores, spec, asked)
    if asked:  # whoever asks may never ask again: what is read is right at once
        assert days_from_hours(project, spec, 2) == stored_profiles(project.stores, spec, days_of(2))
    assert (late.replace(hour=0),) == project.stores.touched_windows.pending("cancer", "profiles").windows
    profile_windows(project.stores, spec)
    assert () == project.stores.touched_windows.pending("cancer", "profiles").windows
    assert days_from_hours(project, spec, 2) == stored_profiles(project.stores, spec, days_of(2))
    resumed = stored_profiles(project.stores, spec, days_of(2))
    profile_windows(project.stores, spec, Range(DAY, DAY + timedelta(days=2)))
    assert 2 * 4 == len(rows_of_days(project))
    assert resumed == stored_profiles(project.stores, spec, days_of(2))


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


def test_hours_that_change_in_windows_of_hours_leave_no_stale_day_behind(project: Project) -> None:
    spec = sent(project)
    hourly = replace(spec, window="hour")
    send(project, hourly, 99, DAY + timedelta(days=1, hours=5), drawn(99, 30))
    profile_windows(project.stores, hourly)
    assert {DAY, DAY + timedelta(days=2)} == {row["window_start"] for row in rows_of_days(project)}
    assert days_from_hours(project, spec, 3) == stored_profiles(project.stores, spec, days_of(3))


def test_a_version_without_a_reference_takes_the_week_where_no_window_is_large_enough(project: Project) -> None:
    hours = [DAY + hour * HOUR for hour in range(3)]
    for number, at in enumerate(hours):
        send(project, project.spec, number, at, drawn(number, 400))
        profile_windows(project.stores, project.spec)
        assert (number == 2) is (project.stores.references.read("tumours", "1") is not None)
    assert {hours[2]} == {window for window, _ in stored_profiles(project.stores, project.spec, hours)}
    profile_windows(project.stores, project.spec)
    found = stored_profiles(project.stores, project.spec, hours)
    assert [400] * 3 == [found[at, "1"]["x"].n for at in hours]
    known = project.stores.references.read("tumours", "1")
    assert known is not None
    assert known.source.startswith("first 1200 rows: windows of ")
