"""Whatever is ingested, computed, erased or deployed between two steps of a backup: what is restored fits together."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.backup import cut, take
from modelops_pipelines.operations.backup.restore import restore
from modelops_pipelines.operations.backup.take import take_backup
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.governance.history_check import check_history, check_state
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.lake.maintenance.vacuum import LakeVacuum, Removable
from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows
from tests.fakes.records import START, VERSION, feedback_row, label_row, request_record, write_segment
from tests.support.homes import home_elsewhere
from tests.support.project import Project, make_project
from tests.support.tables import table_rows

STEPS: dict[str, tuple[Any, str]] = {
    "copying the spool": (take, "_save_spool"),
    "noting tables": (take, "cut_endpoint"),
    "reading marks": (TouchedWindows, "all_of"),
    "noting a version": (cut, "newest_version"),
    "copying the state": (take, "copy_state"),
    "looking for erasures": (take, "erased_since"),
    "copying tables": (take, "_save_tables"),
    "listing a table's files": (take, "files_of"),
    "copying the registry": (take, "_save_registry"),
    "copying the rest": (take, "_save_rest"),
}
pytestmark = pytest.mark.usefixtures("untried_versions")


@pytest.fixture
def origin(tmp_path: Path) -> Project:
    """Return a project that serves version 1, and has captured nothing yet."""
    project = make_project(tmp_path / "origin")
    for version in ("1", "2"):
        project.stores.deployments.record_version(replace(VERSION, version=version))
    deploy(project.stores, project.spec, "1", actor="test", reason="test")
    return project


def capture(project: Project, number: int, user: str | None = None, hour: int | None = None) -> str:
    """Write a request of its own hour, with label and feedback, to the spool, as acknowledged; return its id."""
    at = START + timedelta(hours=number if hour is None else hour)
    record = request_record("cancer", number, at, 1, user=user)
    write_segment(project.stores, "cancer", "predictions", "w1", [record], number=number)
    write_segment(project.stores, "cancer", "labels", "w1", [{"rows": [label_row(record, 0, "1", at)]}], number=number)
    rows = [feedback_row(record, 0, None, "up")]
    write_segment(project.stores, "cancer", "feedback", "w1", [{"rows": rows}], number=number)
    return str(record["id"])


def monitor(project: Project) -> None:
    """Ingest and measure, as a run of Dagster does."""
    for stream in ("predictions", "labels", "feedback"):
        ingest(project.stores, project.spec, stream)
    measure_service(project.stores, project.spec)


def interrupt(patched: pytest.MonkeyPatch, step: str, moment: str, work: Callable[[], object]) -> None:
    """Let other processes do some work, once, before or after a step of the backup."""
    owner, name = STEPS[step]
    original, done = getattr(owner, name), []

    def interrupted(*given: Any, **named: Any) -> Any:
        if moment == "before" and not done:
            done.append(work())
        result = original(*given, **named)
        if moment == "after" and not done:
            done.append(work())
        return result

    patched.setattr(owner, name, interrupted)


def saved_and_restored(project: Project, folder: Path) -> Project:
    take_backup(project.stores, folder / "target")
    restore(folder / "target", folder / "restored")
    return home_elsewhere(project, folder / "restored")


def assert_fits(project: Project, acknowledged: set[str]) -> None:
    """Assert that the log has what was acknowledged, once, and that the metrics count what the log has."""
    monitor(project)
    log = table_rows(project, "inference_log")
    assert len(log) == len({row["prediction_id"] for row in log})
    assert acknowledged <= {row["request_id"] for row in log}
    answered = {row["prediction_id"] for row in log}
    assert {f"{name}-0" for name in acknowledged} <= {row["prediction_id"] for row in table_rows(project, "labels")}
    assert {row["prediction_id"] for row in table_rows(project, "feedback")} <= answered
    with project.stores.lake.query("cancer", []) as connected:
        path = project.stores.lake.files("cancer", "service_metrics")
        [(requests,)] = connected.execute("SELECT sum(requests) FROM read_parquet(?)", [path]).fetchall()
    assert len({row["request_id"] for row in log}) == requests
    assert check_history(project.stores)
    assert check_state(project.stores)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_rows_that_come_and_go_between_two_steps_are_there_once_and_counted(
    origin: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    acknowledged = {capture(origin, 1)}
    monitor(origin)
    acknowledged.add(capture(origin, 2))  # in the log, its hour is to be measured
    ingest(origin.stores, origin.spec, "predictions")
    acknowledged.add(capture(origin, 3))  # waits in the spool

    def work() -> None:
        capture(origin, 4)
        if step not in ("reading marks", "noting a version"):  # there an ingest would wait for the backup
            monitor(origin)
        measure_service(origin.stores, origin.spec)
        deploy(origin.stores, origin.spec, "2", actor="test", reason="test", force=True)

    with monkeypatch.context() as patched:
        interrupt(patched, step, moment, work)
        project = saved_and_restored(origin, tmp_path)
    assert_fits(project, acknowledged)


@pytest.mark.parametrize("step", ["copying the spool", "noting tables", "copying the state", "listing a table's files"])
def test_who_was_erased_by_the_saved_state_is_not_in_the_saved_tables(
    origin: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    acknowledged = {capture(origin, 1)}
    mine = capture(origin, 2, user="me")
    monitor(origin)
    with monkeypatch.context() as patched:
        interrupt(patched, step, "after", lambda: erase_user(origin.stores, "me", [origin.spec], "test"))
        project = saved_and_restored(origin, tmp_path)
    assert_fits(project, acknowledged)
    there = {row["request_id"] for row in table_rows(project, "inference_log")}
    state = project.stores.database
    with state.read() as connected:
        erased = connected.exec_driver_sql("SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL").scalar()
    assert not (mine in there and erased)


@pytest.mark.parametrize("step", ["noting tables", "copying the state", "listing a table's files"])
def test_maintenance_between_two_steps_removes_nothing_that_is_being_saved(
    origin: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    acknowledged = set()
    for number in range(1, 5):
        acknowledged.add(capture(origin, number, hour=0))  # each measuring supersedes the one before
        monitor(origin)

    def work() -> None:
        capture(origin, 5, hour=0)
        monitor(origin)
        removed.extend(len(vacuumed(origin, table).files) for table in ("inference_log", "labels", "service_metrics"))

    removed: list[int] = []
    with monkeypatch.context() as patched:
        interrupt(patched, step, "after", work)
        noted = calls_of(patched, "cut_endpoint")
        project = saved_and_restored(origin, tmp_path)
    assert_fits(project, acknowledged)
    assert 1 == len(noted)  # nothing that was noted has gone
    assert any(removed) or any(vacuumed(origin, "service_metrics").files)
    assert [] == list((origin.folder / "home" / "pins").glob("*"))


def vacuumed(project: Project, table: str) -> Removable:
    """Remove what no version in use needs, however young, as maintenance does."""
    pins, now = project.stores.pins, project.stores.now()
    return LakeVacuum(project.stores.settings.lake).vacuum(
        "cancer",
        table,
        now,
        lambda _: nullcontext(),
        age=timedelta(0),
        pinned=lambda: pins.versions_of("cancer", table, now),
    )


def calls_of(patched: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Return a list that gets what each call of a step of the backup returns."""
    original, returned = getattr(take, name), []

    def counted(*given: Any) -> Any:
        returned.append(original(*given))
        return returned[-1]

    patched.setattr(take, name, counted)
    return returned
