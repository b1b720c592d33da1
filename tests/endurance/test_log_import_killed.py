"""An import of a log that is killed at random moments and started again has each row and label once, and no leftovers."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.operations.maintenance import vacuum
from modelops_pipelines.operations.maintenance.all_tasks import TASKS
from modelops_pipelines.operations.maintenance.run import require_success, run_tasks
from tests.fakes.foreign_logs import MAPPING, YAML, rows_of_days, write_csv
from tests.support.paths import ROOT
from tests.support.project import Project, copied_project, make_project

SEED = int(os.environ.get("MODELOPS_KILL_SEED", "20260301"))
DAYS, A_DAY = 60, 2000
REFUSED = 7
IMPORTING = """\
from modelops_pipelines.operations.capture.elsewhere import csv_file, import_log
import_log.ROWS_A_COMMIT, csv_file.BLOCK = 5_000, 500_000  # commits of few rows: a kill meets many of them
from modelops_pipelines.cli.main import main
main()
"""
STREAMS = ("predictions", "labels")


@pytest.mark.slow
def test_an_import_that_is_killed_at_random_moments_has_each_row_and_label_once(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    rows = rows_of_days(DAYS, A_DAY)
    bad = [{**rows[number * 10_000], "asked_at": "never"} for number in range(REFUSED)]
    source = write_csv(tmp_path / "log.csv", [*rows[:50_000], *bad, *rows[50_000:]])
    blank = make_project(tmp_path / "blank", YAML)
    blank.stores.database.secret()
    whole, project = copied_project(blank, tmp_path / "whole"), copied_project(blank, tmp_path / "killed")
    first, took, commits, done = imported_whole(whole, source, tmp_path)
    assert (len(rows) + REFUSED, len(rows), REFUSED) == (done["read"], done["predictions"], done["refused"])
    draw = random.Random(SEED)
    moments = sorted(draw.randrange(commits) for _ in range(pytestconfig.getoption("--import-kills")))
    pauses = [draw.random() * ((took - first) / commits if after else first) for after in moments]
    killed = [killed_after(*one, project, source, tmp_path) for one in zip(moments, pauses, strict=True)]
    assert sum(killed) > len(killed) / 2
    *_, done = imported_whole(project, source, tmp_path)
    assert len(rows) == done["predictions"] + done["repeated"]
    print(
        f"{sum(killed)} kills after {moments} of {commits} commits, the last import found {done['repeated']} of {len(rows)} rows"
    )
    for stream in STREAMS:
        assert table(whole, stream).equals(table(project, stream)), stream
    log, labels = (table(project, stream).column("prediction_id").unique() for stream in STREAMS)
    labelled = sum(row["truth"] is not None for row in rows)
    assert (len(rows), labelled) == (len(log), len(labels)) == tuple(len(table(project, stream)) for stream in STREAMS)
    assert_nothing_is_left_over(project)


def command(folder: Path, source: Path) -> list[str]:
    mapping = folder / "mapping.yaml"
    kept = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(MAPPING).items() if value}
    mapping.write_text("".join(f"{name}: {value}\n" for name, value in kept.items()))
    given = ["log", "import", "fraud", str(source), "--mapping", str(mapping), "--json"]
    return [sys.executable, "-c", IMPORTING, *given]


@contextlib.contextmanager
def importing(project: Project, source: Path, folder: Path):
    """Run the command in a process group of its own, which is ended with the block."""
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with (folder / "out.json").open("wb") as out:
        process = subprocess.Popen(
            command(folder, source),
            cwd=project.folder,
            env=environment,
            stdout=out,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stderr.close()


def imported_whole(project: Project, source: Path, folder: Path) -> tuple[float, float, int, dict[str, int]]:
    """Import to the end; return the seconds until the first commit and until the end, the commits, and what was told."""
    began = time.monotonic()
    with importing(project, source, folder) as process:
        told = [process.stderr.readline()]
        first = time.monotonic() - began
        told += process.stderr.readlines()
        assert process.wait() == 0, told
    commits = sum(b" row(s) read, " in line for line in told)
    return first, time.monotonic() - began, commits, json.loads((folder / "out.json").read_text())


def killed_after(commits: int, seconds: float, project: Project, source: Path, folder: Path) -> bool:
    """Import, and kill that some seconds after so many commits; return whether it was still running."""
    with importing(project, source, folder) as process:
        for _ in range(commits):
            process.stderr.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
        return process.poll() is None


def table(project: Project, stream: str) -> pa.Table:
    """Return the rows of a stream's table in order, without when and in which commit they came."""
    declared = stream_table(project.stores, project.spec, stream)
    with project.stores.lake.query(project.spec.name, [declared]) as connected:
        rows = connected.table(declared.name).to_arrow_table()
    return rows.drop_columns(["received_at", "segment"]).sort_by(declared.key[0]).combine_chunks()


def assert_nothing_is_left_over(project: Project) -> None:
    """Check that no window waits for an end, and that a maintenance removes what the killed processes wrote."""
    stores = project.stores
    assert [] == [one for name in STREAMS for one in stores.touched_windows.pending("fraud", f"{name}.direct").windows]
    for draft in (stores.settings.home / "imports").glob(".*"):
        os.utime(draft, (0, 0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vacuum, "AGE", timedelta(0))
        patched.setattr(vacuum, "FEWEST", 1)
        require_success(run_tasks(stores, TASKS, stores.now()))
    assert ["fraud.refused.jsonl"] == [path.name for path in (stores.settings.home / "imports").iterdir()]
    for name in STREAMS:
        declared = stream_table(stores, project.spec, name).name
        written = {str(path) for path in stores.lake.path("fraud", declared).glob("date=*/*")}
        assert written == set(stores.lake.files("fraud", declared))
