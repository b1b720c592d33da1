"""Maintenance that is killed at random moments beside ingests, queries and erasures loses, doubles and hides nothing."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from modelops_pipelines.core.capture.log_search import LogSearch
from modelops_pipelines.core.maintenance import compaction as plans
from modelops_pipelines.core.tables.derivations import lake_tables
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.recent_logs import recent_logs
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.maintenance import vacuum
from modelops_pipelines.operations.maintenance.all_tasks import TASKS
from modelops_pipelines.operations.maintenance.run import require_success, run_tasks
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import VERSION, label_row, request_record, write_segment
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, make_project
from tests.support.tables import table_rows

SEED = int(os.environ.get("MODELOPS_KILL_SEED", "20260301"))
DAY = timedelta(days=1)
AGES = (0 * DAY, 0 * DAY, 1 * DAY, 2 * DAY, 3 * DAY, 300 * DAY, 301 * DAY)
"""How old requests are: of the growing day, of closed days, and past the retention."""
YAML = f"{CANCER_YAML}  retention: {{predictions: 100d}}\n"
MAINTAINING = """\
import os
import sys
from datetime import timedelta
from modelops_pipelines.core.maintenance import compaction as plans
from modelops_pipelines.operations.maintenance import vacuum
from modelops_pipelines.operations.maintenance.all_tasks import TASKS
from modelops_pipelines.operations.maintenance.run import require_success, run_tasks
from modelops_pipelines.store.stores import Stores
plans.QUIET = plans.SETTLED = vacuum.AGE = timedelta(0)  # everything is due at once
plans.MOST_SMALL, plans.MOST_LATE, vacuum.FEWEST = 4, 2, 1
for _ in sys.stdin:  # a line asks for a process that maintains until it is killed; it is forked, so that none waits
    child = os.fork()
    if child == 0:
        stores = Stores()
        while True:
            require_success(run_tasks(stores, TASKS, stores.now()))
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass
class World:
    """What was delivered: the rows of each request by its id, its user, labels; and what is running."""

    project: Project
    chance: random.Random
    delivered: dict[str, int] = field(default_factory=dict)
    ages: dict[str, timedelta] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    users: dict[str, str] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    user: int = 0
    number: int = 0
    erasures: int = 0
    queries: int = 0
    failures: list[str] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    delivering: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self) -> None:
        """Deliver and ingest a request or two with a label, and compute a table from them at times."""
        with self.delivering:
            made = [self._request() for _ in range(self.chance.randint(1, 3))]
            stores = self.project.stores
            write_segment(stores, "cancer", "predictions", "w", made, self.number)
            asked = [{"rows": [label_row(one, 0, "1", datetime.now(UTC))]} for one in made]
            write_segment(stores, "cancer", "labels", "w", asked, self.number)
        for stream in ("predictions", "labels"):
            ingest(stores, self.project.spec, stream)
        if self.chance.random() < 0.2:
            measure_service(stores, self.project.spec)
        self.delivered |= {one["id"]: one["n"] for one in made}
        self.labels |= {f"{one['id']}-0" for one in made}

    def _request(self) -> dict[str, Any]:
        self.number += 1
        age = self.chance.choice(AGES)
        at = datetime.now(UTC) - age - timedelta(microseconds=self.number)
        user = f"user-{self.user}" if self.chance.random() < 0.2 else None
        made = request_record("cancer", self.number, at, self.chance.randint(1, 4), user=user)
        self.ages[made["id"]] = age
        if user is not None:
            self.users[made["id"]] = user
        return made

    def erase(self) -> None:
        """Erase the user whose requests came until now; later ones are another user's."""
        time.sleep(self.chance.uniform(0.5, 2.0))
        with self.delivering:
            user, self.user = f"user-{self.user}", self.user + 1
        self.erasures += 1  # odd while one runs
        erase_user(self.project.stores, user, [self.project.spec], "test")
        self.erased.add(user)
        self.erasures += 1

    def query(self) -> None:
        """Read the log twice on one snapshot, across whatever goes on, and the newest rows once."""
        known, began = {**self.delivered}, self.erasures
        stores = Stores(self.project.stores.settings)
        try:
            with stores.lake.query("cancer", [log_table(stores, self.project.spec)]) as connected:
                first = _counts(connected)
                time.sleep(self.chance.uniform(0, 0.5))
                assert first == _counts(connected), "one snapshot gave two results"
            recent_logs(stores, self.project.spec, LogSearch(100))
        except duckdb.IOException as error:
            if began % 2 == 0 and began == self.erasures:
                raise AssertionError(str(error)) from error
            return  # an erasure removes files under a running query
        self.queries += 1
        lasting = [one for one in known if self.ages[one] < 100 * DAY and one not in self.users]
        assert {one: known[one] for one in lasting} == {one: first[one] for one in lasting}, "rows are missing"

    def repeat(self, what: str) -> None:
        """Call a method until the end, or until it fails."""
        while not self.ending.is_set():
            try:
                getattr(self, what)()
            except Exception as error:  # noqa: BLE001 - a thread's error would be lost
                self.failures.append(f"{what}: {type(error).__name__}: {error}")
                self.ending.set()


@pytest.mark.slow
def test_maintenance_killed_at_random_moments_loses_doubles_and_hides_nothing(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    project = make_project(tmp_path / "project", YAML)
    project.stores.deployments.record_version(VERSION)
    world = World(project, random.Random(SEED))
    for _ in range(10):
        world.deliver()
    with running(world, "deliver", "query", "erase"):
        kills = kill_maintenances(world, pytestconfig.getoption("--maintenance-kills"), random.Random(SEED + 1))
    assert [] == world.failures
    print(f"{kills} kills, {len(world.delivered)} requests, {world.queries} queries, {len(world.erased)} erasures")
    maintain_once(project)
    assert_all_there_once(world)
    assert_all_readable(project)
    assert_all_told(project)


@contextmanager
def running(world: World, *what: str) -> Iterator[None]:
    threads = [threading.Thread(target=world.repeat, args=(one,), daemon=True) for one in what]
    for thread in threads:
        thread.start()
    yield
    world.ending.set()
    for thread in threads:
        thread.join()


def kill_maintenances(world: World, kills: int, chance: random.Random) -> int:
    """Start maintenances and kill each at a random moment."""
    environment = {**os.environ, **world.project.environment, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", MAINTAINING]
    done = 0
    with subprocess.Popen(command, cwd=world.project.folder, env=environment, text=True, **pipes) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        while done < kills and not world.ending.is_set():
            parent.stdin.write("go\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            time.sleep(chance.uniform(0, 2.0))
            if Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
                os.kill(child, signal.SIGKILL)
            assert f"{-signal.SIGKILL}\n" == parent.stdout.readline(), "the maintenance ended by itself"
            done += 1
        parent.stdin.close()
    return done


def maintain_once(project: Project) -> None:
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)
    measure_service(project.stores, project.spec)
    with pytest.MonkeyPatch.context() as patched:  # everything is due at once, as in the processes that were killed
        for name in ("QUIET", "SETTLED"):
            patched.setattr(plans, name, timedelta(0))
        for name, value in (("AGE", timedelta(0)), ("FEWEST", 1)):
            patched.setattr(vacuum, name, value)
        require_success(run_tasks(project.stores, TASKS, project.stores.now()))


def assert_all_there_once(world: World) -> None:
    log = Counter(row["request_id"] for row in table_rows(world.project, "inference_log"))
    assert len(set(world.users.values()) & world.erased) > 0
    gone = {one for one, user in world.users.items() if user in world.erased}
    expected = {one: rows for one, rows in world.delivered.items() if world.ages[one] < 100 * DAY and one not in gone}
    assert expected == dict(log)
    ids = Counter(row["prediction_id"] for row in table_rows(world.project, "inference_log"))
    assert {1} == set(ids.values())
    labels = Counter(row["prediction_id"] for row in table_rows(world.project, "labels"))
    assert {one: 1 for one in world.labels if one.rpartition("-")[0] in expected} == dict(labels)
    with world.project.stores.lake.query("cancer", [SERVICE_METRICS]) as connected:
        query = "SELECT count(*), count(DISTINCT (window_start, model_version, variant)) FROM service_metrics"
        assert [True] == [rows == distinct for rows, distinct in connected.execute(query).fetchall()]


def assert_all_readable(project: Project) -> None:
    for table in lake_tables():
        with project.stores.lake.query("cancer", [table]) as connected:
            connected.table(table.name).to_arrow_table()


def assert_all_told(project: Project) -> None:
    told = project.stores.deletions.newest(1_000_000)
    assert [] == [one for one in told if one.finished_at is None]
    rows = sum(one.items for one in told if one.kind == "lake rows" and one.item.startswith("inference_log "))
    assert project.stores.lake.rows_retired("cancer", "inference_log") == rows > 0
    assert sum(one.items for one in told if one.kind == "lake files") > 0


def _counts(connected: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = connected.execute(
        "SELECT request_id, count(DISTINCT prediction_id), count(*) FROM inference_log GROUP BY 1"
    )
    rows = found.fetchall()
    assert all(distinct == count for _, distinct, count in rows), "rows are doubled"
    return {request: count for request, _, count in rows}
