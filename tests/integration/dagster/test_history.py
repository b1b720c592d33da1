"""Dagster's history past its retention goes with all its files; what is shown, needed or under way stays."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

from modelops_pipelines.operations.maintenance.all_tasks import TASKS
from modelops_pipelines.operations.maintenance.home.dagster_history import history_costs, prune_history
from modelops_pipelines.operations.maintenance.run import require_success, run_tasks
from modelops_pipelines.store.stores import Stores
from tests.support.command_line import START
from tests.support.paths import ROOT
from tests.support.project import Project, make_project
from tests.support.waiting import wait_until

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=100)
KEY = dg.AssetKey(["cancer", "drift"])
CHECK = dg.AssetCheckKey(KEY, "drift")


@dg.asset(key=KEY, check_specs=[dg.AssetCheckSpec("drift", asset=KEY)])
def drift() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.op
def nothing() -> None: ...


@dg.job(executor_def=dg.in_process_executor)
def reconcile() -> None:
    nothing()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture
def instance(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return the instance as ``up`` makes it, held open as by its services."""
    home = project.stores.settings.dagster
    home.mkdir(parents=True)
    (home / "storage.made").touch()
    shutil.copy(ROOT / "modelops_pipelines" / "cli" / "templates" / "dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as made:
        yield made


def materialised(instance: dg.DagsterInstance, endpoint: str = "cancer") -> str:
    done = dg.materialize([drift], instance=instance, tags={"endpoint": endpoint})
    return done.run_id


def age(project: Project, *run_ids: str, days: int = 100) -> None:
    """Make runs as old as that."""
    made = (NOW - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S")
    with closing(sqlite3.connect(project.stores.settings.dagster / "history" / "runs.db")) as connected, connected:
        for run_id in run_ids:
            connected.execute("UPDATE runs SET create_timestamp = ? WHERE run_id = ?", (made, run_id))


def pruned(stores: Stores, *, dry_run: bool = False) -> dict[tuple[str, str], int]:
    return {(one.kind, one.item): one.items for one in prune_history(stores, NOW, dry_run=dry_run)}


def rows(path: Path, query: str) -> set[Any]:
    with closing(sqlite3.connect(path)) as connected:
        return {value for (value,) in connected.execute(query)}


def test_old_runs_go_with_their_events_tags_results_and_files(project: Project, instance: dg.DagsterInstance) -> None:
    old = [materialised(instance) for _ in range(2)]
    jobs = [reconcile.execute_in_process(instance=instance).run_id]
    under_way = instance.create_run_for_job(reconcile, status=dg.DagsterRunStatus.STARTED).run_id
    age(project, *old, *jobs, under_way)
    young = [reconcile.execute_in_process(instance=instance).run_id]
    job = "__ephemeral_asset_job__"
    expected = {("Dagster runs", job): 1, ("Dagster runs", "reconcile"): 1}
    assert expected == pruned(project.stores, dry_run=True)
    assert {*old, *jobs, under_way, *young} == set(instance.get_run_ids())
    assert expected == pruned(project.stores)
    kept = {old[-1], under_way, *young}
    assert kept == set(instance.get_run_ids())
    home = project.stores.settings.dagster
    assert kept >= {path.stem for path in (home / "history" / "runs").glob("*.db")} - {"index"}
    index = home / "history" / "runs" / "index.db"
    assert {old[-1]} == rows(index, "SELECT run_id FROM asset_check_executions")
    assert kept >= rows(index, "SELECT run_id FROM event_logs")
    assert kept >= rows(home / "history" / "runs.db", "SELECT run_id FROM run_tags")
    assert {old[-1]} == {event.run_id for event in instance.fetch_materializations(KEY, limit=9).records}
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])
    assert old[-1] == latest[CHECK].run_id
    assert {("Dagster runs", job, 1), ("Dagster runs", "reconcile", 1)} == {
        (one.kind, one.item, one.items) for one in project.stores.deletions.newest(9) if one.finished_at
    }
    assert {} == pruned(project.stores)
    assert len(instance.all_logs(old[-1])) > 5


def test_the_newest_run_of_each_endpoint_stays_whatever_its_age(project: Project, instance: dg.DagsterInstance) -> None:
    first, second, other = (materialised(instance, name) for name in ("cancer", "cancer", "flights"))
    third = materialised(instance, "tumours")  # the asset's last one
    age(project, first, second, other, third)
    pruned(project.stores)
    assert {second, other, third} == set(instance.get_run_ids())


def test_runs_of_the_routine_that_succeeded_go_sooner(project: Project, instance: dg.DagsterInstance) -> None:
    def run(**tags: str) -> str:
        return reconcile.execute_in_process(instance=instance, tags=tags).run_id

    routine = [run(**{"dagster/schedule_name": "reconcile"}) for _ in range(2)]
    decided, by_hand = run(**{"dagster/sensor_name": "retraining"}), run()
    young = run(**{"dagster/schedule_name": "reconcile"})
    age(project, *routine, decided, by_hand, days=4)
    age(project, young, days=2)
    assert {("Dagster runs", "reconcile"): 2} == pruned(project.stores)
    assert {decided, by_hand, young} == set(instance.get_run_ids())


def test_history_that_is_kept_for_ever_stays(project: Project, instance: dg.DagsterInstance) -> None:
    runs = [materialised(instance) for _ in range(2)]
    age(project, *runs, days=3000)
    from modelops_pipelines.store.settings import load_settings

    given = {
        **project.environment,
        "MODELOPS_RETAIN_RUNS": "never",
        "MODELOPS_RETAIN_MONITORING": "never",
        "MODELOPS_RETAIN_TICKS": "never",
    }
    assert {} == pruned(Stores(load_settings(project.folder, given)))
    assert set(runs) == set(instance.get_run_ids())


def test_files_of_unknown_runs_go_a_day_after_their_last_change(project: Project, instance: dg.DagsterInstance) -> None:
    folder = project.stores.settings.dagster / "history" / "runs"
    known = materialised(instance)
    for name in ("gone.db", "gone.db-wal", "new.db", f"{known}.db"):
        (folder / name).touch()
        if name != "new.db":
            os.utime(folder / name, (1, 1))
    assert {("Dagster runs", "files of unknown runs"): 1} == pruned(project.stores)
    assert {f"{known}.db", "index.db", "new.db"} == {path.name for path in folder.glob("*.db")}
    assert not (folder / "gone.db-wal").exists()


def test_old_ticks_go_those_of_sensors_that_are_gone_too(project: Project, instance: dg.DagsterInstance) -> None:
    for days in (0, 6, 8, 9):
        at = (NOW - timedelta(days=days)).timestamp()
        tick = TickData("origin", "gone", InstigatorType.SENSOR, TickStatus.STARTED, at, selector_id="selector")
        instance.create_tick(tick)
    assert {("Dagster ticks", "sensors and schedules"): 2} == pruned(project.stores, dry_run=True)
    pruned(project.stores)
    left = instance.get_ticks("origin", "selector")
    assert [0, 6] == sorted(round((NOW.timestamp() - tick.timestamp) / 86_400) for tick in left)


def test_the_costs_of_the_last_day_are_told(project: Project, instance: dg.DagsterInstance) -> None:
    old = materialised(instance)
    age(project, old, days=2)
    materialised(instance)
    cost = history_costs(project.stores.settings, datetime.now(UTC))
    assert cost is not None
    assert (1, 0, None) == (cost.runs, cost.failed, cost.tick_p95)
    assert cost.runs_p95 == pytest.approx(cost.run_seconds)
    assert 0 < cost.run_seconds < 60


def test_without_dagster_there_is_nothing_to_do(project: Project) -> None:
    assert {} == pruned(project.stores)
    assert history_costs(project.stores.settings, NOW) is None


def test_a_kill_in_between_leaves_nothing_that_the_next_run_does_not_delete(
    project: Project, instance: dg.DagsterInstance
) -> None:
    runs = [materialised(instance) for _ in range(5)]
    age(project, *runs)
    command = [sys.executable, "-c", START, "maintain", "--only", "dagster"]
    process = subprocess.Popen(
        command, cwd=project.folder, env={**os.environ, **project.environment}, start_new_session=True
    )
    wait_until(lambda: project.stores.deletions.newest(1, kind="Dagster runs"), 120)  # it has begun, or just ended
    time.sleep(Random().uniform(0.0, 0.3))
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    require_success(run_tasks(project.stores, [one for one in TASKS if one.name == "dagster"], NOW))
    assert [runs[-1]] == list(instance.get_run_ids())
    folder = project.stores.settings.dagster / "history" / "runs"
    assert {"index", runs[-1]} == {path.stem for path in folder.glob("*.db")}
    assert {runs[-1]} == rows(folder / "index.db", "SELECT run_id FROM asset_check_executions")
    assert [] == project.stores.deletions.unfinished("Dagster runs")
