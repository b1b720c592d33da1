"""Any split, order, repetition and death of imports gives the rows and metrics of one import; so do 20 real kills."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.capture.spool_records import Origin, label_row
from modelops_pipelines.core.ids import parse_prediction_id
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.capture.elsewhere import import_log as importing
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.store.lake.writer import LakeWriter
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.state.capture.ingest_progress import IngestProgress
from modelops_pipelines.store.state.capture.touched_windows import TouchedWindows
from tests.fakes.foreign_logs import MAPPING, YAML, imported, rows_of_days, stored, write_csv
from tests.support.crashing import crash_at
from tests.support.paths import ROOT
from tests.support.project import Project, copied_project, make_project

ROWS = rows_of_days(8, 3)
STEPS: list[tuple[Any, str]] = [
    (LakeWriter, "_commit"),
    (LakeWriter, "_sync"),
    (TouchedWindows, "mark"),
    (TouchedWindows, "clear"),
    (IngestProgress, "record"),
    (importing, "learn"),
]


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("repeats") / "blank", YAML)
    made.stores.database.secret()
    return made


@pytest.fixture(scope="module")
def once(blank: Project, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("once")
    project = copied_project(blank, folder / "project")
    imported(project, write_csv(folder / "log.csv", ROWS))
    return outcome(project)


def outcome(project: Project) -> Any:
    """Return the rows of the log and of labels, and what is computed of them."""
    measure_service(project.stores, project.spec)
    measure_quality(project.stores, project.spec)
    metrics = []
    for table in (SERVICE_METRICS, QUALITY_METRICS):
        with project.stores.lake.query("fraud", [table]) as connected:
            metrics.append(sorted(str([shown(one) for one in row]) for row in connected.table(table.name).fetchall()))
    marks = project.stores.touched_windows.pending("fraud", "predictions.direct").windows
    return stored(project), stored(project, "labels"), metrics, marks


def shown(value: Any) -> Any:
    """Return a value without a sum's last digits, which follow the order of its parts."""
    return f"{value:.10g}" if isinstance(value, float) else value


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_split_order_repetition_and_death_gives_the_same_rows_and_metrics(
    blank: Project, once: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("split")
    project = copied_project(blank, folder / "project")
    owner = data.draw(st.lists(st.integers(0, 2), min_size=len(ROWS), max_size=len(ROWS)), label="part of each row")
    shared = data.draw(st.lists(st.integers(0, len(ROWS) - 1), max_size=6), label="rows in every part")
    parts = []
    for part in range(3):
        chosen = [row for number, row in enumerate(ROWS) if owner[number] == part or number in shared]
        parts.append(write_csv(folder / f"{part}.csv", data.draw(st.permutations(chosen), label="order of rows")))
    for turn in data.draw(st.lists(st.integers(0, 2), max_size=3), label="turns that die"):
        (owner_of_step, step) = data.draw(st.sampled_from(STEPS))
        moment, nth = data.draw(st.sampled_from(["before", "after"])), data.draw(st.integers(1, 3))
        with crash_at(owner_of_step, step, nth, moment):
            imported(project, parts[turn])
    for part in data.draw(st.permutations(parts), label="order of parts"):
        imported(project, part)
    assert once == outcome(project)
    assert [0, 0] == [(done := imported(project, *parts)).predictions, done.labels]


def test_rows_of_one_request_id_and_time_are_one_row_and_another_time_is_another(
    blank: Project, tmp_path: Path
) -> None:
    project = copied_project(blank, tmp_path / "project")
    done = imported(project, write_csv(tmp_path / "log.csv", [ROWS[0], ROWS[0], ROWS[0] | {"asked_at": "2024-05-01"}]))
    assert (3, 2, 1) == (done.read, done.predictions, done.repeated)


def test_an_erased_prediction_does_not_come_back_with_its_log(blank: Project, tmp_path: Path) -> None:
    project = copied_project(blank, tmp_path / "project")
    source = write_csv(tmp_path / "log.csv", ROWS)
    imported(project, write_csv(tmp_path / "first.csv", ROWS[1:2]))
    (row,) = stored(project)
    fresh = copied_project(blank, tmp_path / "fresh")
    ErasedRequests(fresh.stores.database).add("fraud", [row["request_id"]])
    imported(fresh, source)
    assert row["prediction_id"] not in {one["prediction_id"] for one in stored(fresh)}
    assert len(ROWS) - 1 == len(stored(fresh))
    assert row["prediction_id"] not in {one["prediction_id"] for one in stored(fresh, "labels")}


def test_an_imported_label_is_the_row_that_the_spools_code_makes(blank: Project, tmp_path: Path) -> None:
    project = copied_project(blank, tmp_path / "project")
    imported(project, write_csv(tmp_path / "log.csv", ROWS))
    secret = project.stores.database.secret()
    for label in stored(project, "labels"):
        request, row = parse_prediction_id(label["prediction_id"], "fraud", secret)
        made = label_row(request, row, label["label"], label["labelled_at"], label["labelled_at"], Origin("import"))
        assert made["label_id"] == label["label_id"]


def test_rows_past_their_retention_are_imported_and_told(blank: Project, tmp_path: Path) -> None:
    from dataclasses import replace

    project = copied_project(blank, tmp_path / "project")
    kept = replace(project.spec.retention, predictions=timedelta(days=30))
    project = replace(project, spec=replace(project.spec, retention=kept))
    done = imported(project, write_csv(tmp_path / "log.csv", ROWS))
    assert len(ROWS) == done.predictions == done.past_retention


def test_twenty_kills_of_the_command_leave_each_row_once(blank: Project, tmp_path: Path) -> None:
    rows = rows_of_days(10, 40)
    source = write_csv(tmp_path / "log.csv", rows)
    reference, project = copied_project(blank, tmp_path / "reference"), copied_project(blank, tmp_path / "killed")
    imported(reference, source)
    draw = random.Random(20)
    kills = [killed_after(draw.randrange(6), draw.random() / 5, project, source, tmp_path) for _ in range(20)]
    assert kills.count(True) >= 15
    imported(project, source)
    assert stored(reference) == stored(project)
    assert stored(reference, "labels") == stored(project, "labels")
    assert len(rows) == len({row["prediction_id"] for row in stored(project)}) == len(stored(project))
    assert not project.stores.touched_windows.pending("fraud", "predictions.direct").windows


def killed_after(commits: int, seconds: float, project: Project, source: Path, folder: Path) -> bool:
    """Run the command, and kill it some time after so many commits; return whether it was still running."""
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command(source, folder), cwd=project.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    for _ in range(commits):
        process.stderr.readline()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds if commits else seconds * 10)
    alive = process.poll() is None
    if alive:
        process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    return alive


def command(source: Path, folder: Path) -> list[str]:
    """Return the command that imports a file, in commits of few rows, so that a kill meets many of them."""
    mapping = folder / "mapping.yaml"
    kept = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(MAPPING).items() if value}
    mapping.write_text("\n".join(f"{name}: {value}" for name, value in kept.items()) + "\n")
    body = (
        "from modelops_pipelines.operations.capture.elsewhere import import_log, sources; "
        "import_log.ROWS_A_COMMIT = 50; from modelops_pipelines.operations.capture.elsewhere import csv_file; "
        "csv_file.BLOCK = 6_000; from modelops_pipelines.cli.main import main; main()"
    )
    return [sys.executable, "-c", body, "log", "import", "fraud", str(source), "--mapping", str(mapping)]
