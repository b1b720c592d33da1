"""What confirms a flagged window: the last one that shares no row with it, in whatever order the two are known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.drift.schedule import is_due
from modelops_pipelines.core.endpoints.spec import DriftPolicy
from modelops_pipelines.core.tables.lake import DRIFT
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.operations.alerting.judges.thresholds import rows_of_busiest_version
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.drift.references import make_reference
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import VERSION
from tests.support.project import Project, copied_project
from tests.worlds.two_weeks import HOUR, MONDAY, ROWS, derive, killed_while_writing, of_column, send, stored

AT = MONDAY + timedelta(days=14)
NEXT = AT + HOUR


@pytest.fixture
def project(two_weeks: Project, tmp_path: Path) -> Iterator[Project]:
    made = copied_project(two_weeks, tmp_path / "project")
    yield made
    made.stores.database.close()


def at_time(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(Stores, "now", lambda _: moment)


def test_a_window_is_judged_when_it_has_ended_and_not_before(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    send(project, AT, shift=0.5)
    at_time(monkeypatch, NEXT)
    assert (AT,) == derive(project)
    send(project, NEXT, shift=0.5)
    at_time(monkeypatch, NEXT + HOUR - timedelta(seconds=1))
    assert () == derive(project)
    assert () == detect_drift(project.stores, project.spec, Range(NEXT, NEXT + HOUR)).windows
    assert (NEXT,) == project.stores.touched_windows.pending("cancer", "drift").windows
    send(project, AT, rows=10, shift=0.5)
    assert (AT,) == derive(project)
    assert (NEXT,) == project.stores.touched_windows.pending("cancer", "drift").windows
    at_time(monkeypatch, NEXT + HOUR)
    assert (NEXT,) == derive(project)
    assert of_column(project, "x", NEXT)["drifted"] is True
    assert () == project.stores.touched_windows.pending("cancer", "drift").windows


@pytest.mark.parametrize("method", ["fixed", "evidently"])
def test_a_method_that_waits_for_no_second_window_judges_at_once(project: Project, method: str) -> None:
    spec = replace(project.spec, drift=replace(project.spec.drift, method=method))
    assert is_due(spec, DRIFT.name, AT, AT)
    assert not is_due(project.spec, DRIFT.name, AT, AT)
    assert is_due(project.spec, "profiles", AT, AT)


def test_a_small_window_is_not_confirmed_by_the_rows_that_it_was_widened_by(project: Project) -> None:
    send(project, AT, shift=0.5)
    send(project, NEXT, rows=10)
    derive(project)
    odd, row = of_column(project, "x", AT), of_column(project, "x", NEXT)
    assert (True, False) == (odd["flagged"], odd["drifted"])
    assert (ROWS + 10, 10, True, False) == tuple(row[name] for name in ("n", "n_window", "flagged", "drifted"))
    passed = [verdict.passed for verdict in judge_rules(project.stores, project.spec, ["drift"], [AT, NEXT])]
    assert [True, True] == passed


def test_as_few_rows_as_are_asked_for_make_a_verdict(project: Project) -> None:
    project.spec = replace(project.spec, drift=DriftPolicy(minimum=50))
    send(project, AT, rows=80)
    derive(project)
    row = of_column(project, "x", AT)
    assert (80, False) == (row["n"], row["drifted"])
    assert row["value"] is not None


def test_where_data_come_once_a_day_yesterdays_window_confirms(project: Project) -> None:
    tomorrow = AT + timedelta(days=1)
    for at in (AT, tomorrow):
        send(project, at, shift=0.5)
        derive(project)
    assert of_column(project, "x", AT)["drifted"] is False
    assert of_column(project, "x", tomorrow)["drifted"] is True


def test_windows_that_come_in_another_order_are_judged_as_if_they_had_come_in_theirs(project: Project) -> None:
    send(project, NEXT, shift=0.5)
    assert (NEXT,) == derive(project)
    assert of_column(project, "x", NEXT)["drifted"] is False
    send(project, AT, shift=0.5)
    assert (AT, NEXT) == derive(project)
    assert of_column(project, "x", NEXT)["drifted"] is True
    before = stored(project, DRIFT)
    detect_drift(project.stores, project.spec, Range(AT, NEXT + HOUR))
    assert before == stored(project, DRIFT)
    assert () == project.stores.touched_windows.pending("cancer", "drift").windows


def test_a_late_row_that_changes_no_flag_has_its_own_window_judged_and_no_other(project: Project) -> None:
    for at in (AT, NEXT):
        send(project, at)
    derive(project)
    send(project, AT + timedelta(seconds=1), rows=3)
    assert (AT,) == derive(project)


def test_a_run_killed_before_its_verdicts_are_written_leaves_what_they_confirm_marked(project: Project) -> None:
    send(project, NEXT, shift=0.5)
    derive(project)
    send(project, AT, shift=0.5)
    profile_windows(project.stores, project.spec)
    killed_while_writing(project, detect_drift)
    assert (AT, NEXT) == project.stores.touched_windows.pending("cancer", "drift").windows
    detect_drift(project.stores, project.spec)
    assert of_column(project, "x", NEXT)["drifted"] is True


def test_a_canary_whose_windows_are_widened_does_not_speak_for_the_endpoint() -> None:
    champion = {"model_version": "1", "n": 505, "n_window": 505}
    canary = {"model_version": "2", "n": 512, "n_window": 32}
    assert [champion] == rows_of_busiest_version([canary, champion])
    of_before = [{"model_version": "2", "n": 512, "n_window": None}, {"model_version": "1", "n": 505}]
    assert of_before[:1] == rows_of_busiest_version(of_before)


@pytest.mark.parametrize(("method", "n"), [("fixed", 2000), ("evidently", 800), ("evidently", 2000)])
def test_how_bad_a_drift_is_hangs_on_how_far_it_moved_whatever_the_method(
    project: Project, method: str, n: int
) -> None:
    draw = np.random.default_rng(7)
    frame = pa.table({"x": draw.normal(AT.hour / 50, 1, n), "c": draw.choice(["a", "b"], n, p=[0.7, 0.3])})
    made = make_reference("training set", frame, ["x", "c"])
    project.stores.deployments.record_version(replace(VERSION, model_name="severe"))
    project.stores.references.write("severe", "1", Reference("training set", made.profiles, {}, None))
    project.spec = replace(project.spec, model_name="severe", drift=DriftPolicy(method=method, minimum=500))
    for at, shift in ((AT, 0.3), (NEXT, 3.0)):
        send(project, at, shift=shift)
    derive(project)
    assert ["medium", "high"] == [of_column(project, "x", at)["severity"] for at in (AT, NEXT)]
    assert [pytest.approx(shift / 0.05, rel=0.6) for shift in (0.3, 3.0)] == [
        of_column(project, "x", at)["effect"] for at in (AT, NEXT)
    ]
