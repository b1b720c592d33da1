"""A run of maintenance: every task has its turn, failures are told in the end, and two runs never overlap."""

import os
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import BusyError, InputError, MaintenanceError
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.operations.maintenance.all_tasks import TASKS
from modelops_pipelines.operations.maintenance.run import NICE, chosen, require_success, run_tasks
from modelops_pipelines.operations.maintenance.tasks import Task, audited
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.paths import ROOT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def removing(path: Path, error: str | None = None) -> Task:
    """Return a task that deletes a file, and then fails when an error is given."""

    def work(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
        if path.exists():
            effect = Effect("files", path.name, 1, path.stat().st_size, "tried")
            if not dry_run:
                with audited(stores, effect, now):
                    path.unlink()
            yield effect
        if error is not None:
            raise OSError(error)

    return Task(path.name, "removes a file", work, ("files",))


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(load_settings(tmp_path, {}))


def files(folder: Path) -> list[Path]:
    made = [folder / name for name in ("a", "b")]
    for path in made:
        path.write_text("x")
    return made


def test_a_task_that_fails_stops_no_other_and_is_told_in_the_end(stores: Stores, tmp_path: Path) -> None:
    first, second = files(tmp_path)
    outcomes = run_tasks(stores, [removing(first, "the disk is full"), removing(second)], NOW)
    assert [("a", 1, "the disk is full"), ("b", 1, None)] == [(o.task, len(o.effects), o.error) for o in outcomes]
    assert not first.exists()
    assert not second.exists()
    with pytest.raises(MaintenanceError, match=r"1 of 2 maintenance tasks failed: a \(the disk is full\)"):
        require_success(outcomes)


def test_a_dry_run_has_the_effects_of_the_run_and_changes_nothing(stores: Stores, tmp_path: Path) -> None:
    paths = files(tmp_path)
    tasks = [removing(path) for path in paths]
    would = run_tasks(stores, tasks, NOW, dry_run=True)
    assert all(path.exists() for path in paths)
    assert [] == stores.deletions.newest(10)
    done = run_tasks(stores, tasks, NOW)
    assert [one.effects for one in would] == [one.effects for one in done]
    assert ["b", "a"] == [one.item for one in stores.deletions.newest(10) if one.finished_at is not None]


def test_what_a_killed_run_had_deleted_but_not_noted_is_noted_by_the_next(stores: Stores, tmp_path: Path) -> None:
    effect = Effect("files", "a", 1, 1, "tried")
    stores.deletions.start(effect, NOW)
    run_tasks(stores, [removing(tmp_path / "a")], NOW, dry_run=True)
    run_tasks(stores, [removing(tmp_path / "a", "the disk is full")], NOW)
    assert 1 == len(stores.deletions.unfinished("files"))
    run_tasks(stores, [removing(tmp_path / "a")], NOW)
    assert [] == stores.deletions.unfinished("files")


def test_each_kind_that_is_deleted_is_one_that_a_task_names() -> None:
    package = ROOT / "modelops_pipelines"
    sources = [*(package / "operations/maintenance").rglob("*.py"), package / "resources/history_process.py"]
    named = {kind for source in sources for kind in re.findall(r"ffect\(\s*\"([\w ]+)\"", source.read_text())}
    constants = {
        kind for source in sources for kind in re.findall(r"^KIND = \"([\w ]+)\"", source.read_text(), re.MULTILINE)
    }
    rewritten = {"database files"}
    assert len(named) > 6
    assert (named - rewritten) | constants == {kind for task in TASKS for kind in task.kinds}


def test_two_runs_never_overlap_and_a_dry_run_waits_for_nobody(stores: Stores, tmp_path: Path) -> None:
    found: list[str] = []

    def work(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
        assert [] == run_tasks(stores, [], now, dry_run=True)
        try:
            run_tasks(Stores(stores.settings), [], now, patience=0)
        except BusyError as error:
            found.append(error.message)
        yield from ()

    run_tasks(stores, [Task("outer", "tries a second run", work, ())], NOW)
    assert ["Another process has held the lock of maintenance for over 0 s"] == found


def test_a_name_that_no_task_has_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    tasks = [removing(path) for path in files(tmp_path)]
    assert tasks == chosen(tasks, [])
    assert ["b"] == [task.name for task in chosen(tasks, ["b"])]
    with pytest.raises(InputError, match=r"no maintenance task .c.\. Use one of: a, b"):
        chosen(tasks, ["c"])


def test_the_tasks_have_a_low_priority_and_their_caller_keeps_its_own(stores: Stores) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    found: list[int] = []

    def work(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        yield from ()

    assert None is run_tasks(stores, [Task("quiet", "tells its priority", work, ())], NOW)[0].error
    assert ([max(before, NICE)], before) == (found, os.getpriority(os.PRIO_PROCESS, 0))
