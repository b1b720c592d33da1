"""Pieces of the newest requests through the real stores, and large windows in memory."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.drift.episodes import Accepted
from modelops_pipelines.core.drift.seasonal_reference import EVERYTHING
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.profiles.profile_stack import Stack
from modelops_pipelines.core.tables.lake import DATA_QUALITY
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.operations.drift.data_quality import (
    BEFORE,
    MOST_CHUNKS,
    Past,
    check_data_quality,
    rows_of,
)
from modelops_pipelines.operations.drift.faults import Failures
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.store.lake.rows.profiles import Hours, hour_of
from tests.support.project import Project, copied_project
from tests.worlds.two_weeks import HOUR, MONDAY, derive, killed_while_writing, send, stored

AFTER = MONDAY + timedelta(days=14)
WINDOW = datetime(2026, 3, 2, tzinfo=UTC)
DAY = hour_of(WINDOW) // 24
RNG = np.random.default_rng(3)


@pytest.fixture
def project(two_weeks: Project, tmp_path: Path) -> Iterator[Project]:
    made = copied_project(two_weeks, tmp_path / "project")
    yield made
    made.stores.database.close()


def past(rows: int = 100, days: int = 10) -> Past:
    """Return ten days of a column around 60."""
    parts = [RNG.normal(60, 5, rows) for _ in range(24 * days)]
    bins = fit_bins("x", np.concatenate(parts), "numeric")
    at = np.arange(24 * (DAY - days), 24 * DAY)
    return Past.before(
        DAY, {"x": Hours(at, Stack.of(bins, [profile(part, bins) for part in parts]))}, 28, lambda _: EVERYTHING
    )


def log_of(values: Any) -> pa.Table:
    """Return rows of a log a tenth of a second apart, BEFORE of them before the window."""
    times = [WINDOW + timedelta(seconds=(n - BEFORE) / 10) for n in range(len(values))]
    event_time = pa.array(times, pa.timestamp("us", "UTC"))
    callers = [str(n) for n in range(len(values))]
    return pa.table({"event_time": event_time, "sampled": [True] * len(values), "caller_of_row": callers, "x": values})


def rows(values: Any, of: Past) -> list[dict[str, Any]]:
    return list(rows_of(WINDOW, "1", log_of(values), BEFORE, of))


def test_hours_since_then_widen_what_is_usual_and_a_fault_that_they_began_does_not() -> None:
    of = past()
    usual, settled = of.usual["x"], 24 * DAY - 2
    assert usual.high is not None
    assert settled == of.ends["x"]
    bins = fit_bins("x", RNG.normal(60, 5, 500), "numeric")
    warmer = [np.full(100, usual.high + usual.room * step) for step in (0.8, 1.6, 2.4)]
    for later, steps in ((warmer, [1.6, 2.4]), ([np.full(100, 15.0)] * 3, [0, 0])):
        recent = {"x": Hours(np.arange(settled, settled + 3), Stack.of(bins, [profile(part, bins) for part in later]))}
        for hours, step in zip((0, 1), steps, strict=True):
            seen = of.until(WINDOW + hours * HOUR, recent).usual["x"]
            assert (seen.low, seen.high) == (usual.low, pytest.approx(usual.high + usual.room * step))


@pytest.mark.parametrize("start", [-150, -66, -20, 0, 1, 65, 66, 5_000, 19_999])
def test_a_fault_is_found_within_two_hundred_requests_however_full_the_window_is(start: int) -> None:
    values = RNG.normal(60, 5, BEFORE + max(start, 0) + 200)
    values[max(0, BEFORE + start) :] = RNG.normal(15, 0.1, len(values) - max(0, BEFORE + start))
    found = rows(values, past())
    assert len(found) <= MOST_CHUNKS
    assert list(range(len(found))) == [row["chunk"] for row in found]
    assert max(start, 0) + 200 == sum(row["n"] for row in found)
    failed = [row for row in found if not row["passed"]]
    assert failed
    since = WINDOW + timedelta(seconds=max(start, -BEFORE) / 10)
    assert abs(failed[0]["first_event"] - since) <= timedelta(seconds=6.6)
    assert ("x", "range", "x\trange") == tuple(failed[0][name] for name in ("column", "channel", "flags"))


def test_an_odd_piece_alone_raises_nothing_and_is_shown() -> None:
    values = RNG.normal(60, 5, BEFORE + 6_600)
    values[BEFORE + 660 : BEFORE + 726] = RNG.normal(15, 0.1, 66)
    found = rows(values, past())
    assert all(row["passed"] for row in found)
    [odd] = [row for row in found if row["flags"]]
    assert (5, "x", 1.0) == (odd["chunk"], odd["column"], odd["value"])
    assert "100% of the values are outside" in odd["reason"]


def test_a_window_of_a_million_rows_is_looked_at_at_once() -> None:
    values = RNG.normal(60, 5, BEFORE + 1_000_000)
    event_time = pa.repeat(pa.scalar(WINDOW, pa.timestamp("us", "UTC")), len(values))
    callers = pa.array(np.arange(len(values)) // 2).cast(pa.string())
    sampled = pa.repeat(True, len(values))
    log = pa.table({"event_time": event_time, "sampled": sampled, "caller_of_row": callers, "x": values})
    found = list(rows_of(WINDOW, "1", log, BEFORE, past()))
    assert len(found) <= MOST_CHUNKS
    assert all(row["passed"] for row in found)


def test_the_last_rows_of_the_days_before_do_not_say_what_is_usual() -> None:
    parts = [RNG.normal(60, 5, 100) for _ in range(240)]
    parts[-1], parts[-2] = np.full(100, 15.0), np.append(parts[-2][:70], [15.0] * 30)
    bins = fit_bins("x", np.concatenate(parts[:200]), "numeric")
    hours = Hours(np.arange(24 * (DAY - 10), 24 * DAY), Stack.of(bins, [profile(part, bins) for part in parts]))
    seen = Past.before(DAY, {"x": hours}, 28, lambda _: EVERYTHING)
    assert not all(row["passed"] for row in rows(np.append(RNG.normal(60, 5, 2), np.full(200, 15.0)), seen))


def failures(days: Any, column: str = "x") -> Failures:
    """Return what is known when each of these days failed from ten to eleven o'clock, and all others passed."""
    found = Failures()
    for day in range(DAY - 28, DAY):
        start = datetime.fromtimestamp(86400 * day, UTC)
        row = {"window_start": start, "model_version": "1", "flags": f"{column}\trange", "first_event": start}
        wrong = row | {"passed": day - DAY not in days, "first_event": start + 10 * HOUR}
        found.add([row | {"passed": True}, wrong, row | {"passed": True, "first_event": start + 11 * HOUR}], "day")
    return found


def test_what_failed_is_no_reference_however_long_it_lasts() -> None:
    first = 24 * (DAY - 28)
    assert ((first + 9, first + 12),) == failures([-28]).eligible("1", 24 * DAY, "x").excluded
    assert failures([-28]).eligible("1", 24 * DAY, "y") == EVERYTHING
    assert failures([-28]).eligible("2", 24 * DAY, "x") == EVERYTHING
    assert failures([-28]).eligible("1", 24 * (DAY - 28), "x") == EVERYTHING
    lasting = failures(range(-20, 0)).eligible("1", 24 * DAY, "x")
    assert len(lasting.excluded) == 20
    assert DAY - 20 - 28 == lasting.first_day(DAY, 28)


def test_what_was_accepted_is_a_reference_again_a_day_later() -> None:
    found = replace(failures(range(-20, 0)), accepted=[Accepted("x", 24 * (DAY - 30), 24 * DAY)])
    assert found.eligible("1", 24 * DAY, "x") == EVERYTHING
    assert len(found.eligible("1", 24 * DAY - 24, "x").excluded) == 19
    assert {"x"} == found.accepted_lately(WINDOW)
    assert set() == found.accepted_lately(WINDOW + 24 * HOUR)


def verdict(project: Project, at: datetime) -> bool | None:
    [one] = judge_rules(project.stores, project.spec, ["data_quality"], [at])
    return one.passed


def test_the_same_fault_is_found_again_ten_days_later(project: Project) -> None:
    for day in (14, *range(15, 24, 2), 24):
        send(project, MONDAY + timedelta(days=day), rows=300, shift=12.0 if day in {14, 24} else 0.0)
        derive(project)
        assert verdict(project, MONDAY + timedelta(days=day)) is (day not in {14, 24})


def test_hours_of_few_requests_are_filled_up_and_need_two_whole_pieces(project: Project) -> None:
    for hour in range(8):
        send(project, AFTER + hour * HOUR, rows=30, shift=12.0)
        derive(project)
    found = [row for row in stored(project, DATA_QUALITY) if row["window_start"] >= AFTER]
    assert [66] * 8 == [row["n"] for row in found]
    assert [True] * 3 + [False] * 5 == [row["passed"] for row in found]


def test_rows_that_come_late_are_seen_by_the_window_after_them(project: Project) -> None:
    send(project, AFTER + HOUR, rows=100, shift=12.0)
    derive(project)
    assert verdict(project, AFTER + HOUR) is True
    send(project, AFTER, rows=100, shift=12.0)
    derive(project)
    found = stored(project, DATA_QUALITY)
    assert [True, False] == [row["passed"] for row in found if row["window_start"] >= AFTER]
    check_data_quality(project.stores, project.spec, Range(AFTER + HOUR, AFTER + 2 * HOUR))
    assert found == stored(project, DATA_QUALITY)
    check_data_quality(project.stores, project.spec, Range(AFTER, AFTER + 2 * HOUR))
    assert found == stored(project, DATA_QUALITY)


def test_a_window_is_judged_the_same_in_however_many_parts_it_came(project: Project) -> None:
    for part in range(4):
        send(project, AFTER + timedelta(minutes=10 * part), rows=90, shift=12.0 if part > 1 else 0.0)
        derive(project)
    found = stored(project, DATA_QUALITY)
    assert [False, True, True, True, True] == sorted(r["passed"] for r in found if r["window_start"] == AFTER)
    check_data_quality(project.stores, project.spec, Range(AFTER, AFTER + HOUR))
    assert found == stored(project, DATA_QUALITY)


def test_a_run_killed_before_its_rows_are_written_leaves_the_window_after_them_marked(project: Project) -> None:
    send(project, AFTER + HOUR, rows=100, shift=12.0)
    derive(project)
    send(project, AFTER, rows=100, shift=12.0)
    profile_windows(project.stores, project.spec)
    killed_while_writing(project, check_data_quality)
    assert (AFTER, AFTER + HOUR) == project.stores.touched_windows.pending("cancer", "data_quality").windows
    assert (AFTER, AFTER + HOUR) == check_data_quality(project.stores, project.spec).windows
    assert verdict(project, AFTER + HOUR) is False
    assert () == project.stores.touched_windows.pending("cancer", "data_quality").windows
