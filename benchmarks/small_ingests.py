"""Many small ingests of one endpoint, with and without maintenance: files, bytes, and CPU of an ingest.

``python -m benchmarks.small_ingests [--ingests 300] [--every 60]``. Each ingest has four rows and their labels, and all
derived tables are computed after it, in this process. With maintenance, compaction and vacuum run after every ``every``
ingests, which is an hour at one a minute. Superseded files stay for an hour: here they go at once, because such an hour
takes a minute or two. Everything is in the folder for temporary files (TMPDIR).
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.governance.key_usage import measure_usage
from modelops_pipelines.operations.maintenance import compaction, vacuum
from modelops_pipelines.operations.maintenance.run import require_success, run_tasks
from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from tests.fakes.records import VERSION, label_row, request_record, write_segment
from tests.support.project import Project, make_project

DERIVE = (
    *(measure_service, profile_windows, detect_drift, check_data_quality),
    *(measure_quality, estimate_quality, measure_usage),
)
ROWS, EDGE = 4, 10
"""Rows of an ingest, and how many of the first and last ingests are told."""
TASKS = (compaction.TASK, vacuum.TASK)


@dataclass(frozen=True)
class Result:
    """What the ingests left, and CPU seconds: of the first and last ones, and of all maintenance."""

    files: int
    mebibytes: float
    first: float
    last: float
    maintenance: float


def main() -> None:
    """Measure both, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ingests", type=int, default=300)
    parser.add_argument("--every", type=int, default=60, help="ingests between two runs of maintenance")
    parser.add_argument("--only", choices=["without", "with"], help="measure one of the two")
    given = parser.parse_args()
    vacuum.AGE = timedelta(0)
    print("| | files | MiB | CPU s of an ingest, first | last | CPU s of all maintenance |\n|---|---|---|---|---|---|")
    for name, every in (("without", 0), ("with", given.every)):
        if given.only not in (None, name):
            continue
        with _project() as project:
            found = _measure(project, given.ingests, every)
        numbers = (found.files, f"{found.mebibytes:.1f}", f"{found.first:.2f}", f"{found.last:.2f}")
        print(f"| {name} maintenance | {' | '.join(map(str, numbers))} | {found.maintenance:.1f} |", flush=True)


@contextmanager
def _project() -> Iterator[Project]:
    with tempfile.TemporaryDirectory(prefix="small-ingests-") as folder:
        project = make_project(Path(folder) / "project")
        project.stores.deployments.record_version(VERSION)
        yield project


def _measure(project: Project, ingests: int, every: int) -> Result:
    costs, maintenance = [], 0.0
    for number in range(1, ingests + 1):
        record = request_record("cancer", number, datetime.now(UTC), ROWS)
        labels = [{"rows": [label_row(record, row, "1", datetime.now(UTC)) for row in range(ROWS)]}]
        write_segment(project.stores, "cancer", "predictions", "w", [record], number)
        write_segment(project.stores, "cancer", "labels", "w", labels, number)
        costs.append(_cpu_of_ingest(project))
        if every and number % every == 0:
            before = time.process_time()
            require_success(run_tasks(project.stores, TASKS, project.stores.now()))
            maintenance += time.process_time() - before
    paths = [path for path in project.stores.settings.lake.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths) / 2**20
    return Result(len(paths), size, median(costs[1 : EDGE + 1]), median(costs[-EDGE:]), maintenance)


def _cpu_of_ingest(project: Project) -> float:
    before = time.process_time()
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)
    for derive in DERIVE:
        derive(project.stores, project.spec)
    return time.process_time() - before


if __name__ == "__main__":
    main()
