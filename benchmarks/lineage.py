"""How long ``why`` and ``where`` take at a million feedback rows and twelve training sets.

Usage: python -m benchmarks.lineage [FEEDBACK [SETS]]. The lake has FEEDBACK pieces of feedback over a year; each set
holds all that was given before it, sorted by source as the build of a set writes them, and a version was trained on
each. Printed: seconds of each question, of three runs in one warm process the slowest, and of the whole command.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import content_id, new_request_id
from modelops_pipelines.core.tables.lake import FEEDBACK, typed_for
from modelops_pipelines.core.tables.training import TRAINING_ORIGINS
from modelops_pipelines.operations.improve.lineage.where import where
from modelops_pipelines.operations.improve.lineage.why import why
from modelops_pipelines.operations.improve.training import origins
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.writer import conform
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores
from tests.fakes.lineage_world import serve, write_version
from tests.support.project import Project, make_project

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 365


def feedback_rows(stores: Stores, spec: EndpointSpec, count: int) -> pa.Table:
    """Return feedback over a year, in order of its time."""
    secret = stores.database.secret()
    step = timedelta(days=DAYS) / count
    requests = [new_request_id(spec.name, START + n * step, 1, n.to_bytes(7, "big"), secret) for n in range(count)]
    times = pa.array([one.event_time for one in requests], pa.timestamp("us", "UTC"))
    columns: dict[str, Any] = {
        "feedback_id": [content_id(one.text) for one in requests],
        "prediction_id": [one.prediction_id(0) for one in requests],
        "request_id": [one.text for one in requests],
        "row_index": np.zeros(count, np.int64),
        "event_time": times,
        "thumbs": ["down"] * count,
        "corrected_label": ["1"] * count,
        "user_id": [f"user {n % 10_000}" for n in range(count)],
        "key_id": [f"key {n % 20}" for n in range(count)],
        "received_at": times,
        "date": times.cast(pa.date32()),
    }
    return pa.table(columns)


def write_world(project: Project, count: int, sets: int) -> list[str]:
    """Write feedback, sets with their origins, and versions; return the feedback's ids."""
    stores, spec = project.stores, project.spec
    rows = feedback_rows(stores, spec, count)
    stores.writer.append_once(spec.name, typed_for(FEEDBACK, spec.task), rows, "benchmark", 1)
    for number in range(1, sets + 1):
        part = rows.slice(0, count * number // sets)
        content = f"{number:064x}"
        write_origins(stores, spec, content, part)
        until = part.column("event_time")[-1].as_py()
        record = TrainingSet(spec.name, content, None, len(part), len(part), until, until, manifest={"tables": {}})
        stores.training_sets.record(record)
        write_version(stores, spec, str(number), content, trained_here=True)
        serve(stores, spec, str(number), "ann")
    return list(rows.column("feedback_id").to_pylist())


def write_origins(stores: Stores, spec: EndpointSpec, content: str, part: pa.Table) -> None:
    """Write the origins of a set that holds all of a part of the feedback."""
    size = len(part)
    table = pa.table(
        {
            "row_id": part.column("prediction_id"),
            "position": pa.array(range(size), pa.int64()),
            "event_time": part.column("event_time"),
            "origin": pa.repeat("feedback", size),
            "source_id": part.column("feedback_id"),
            "author": part.column("user_id"),
            "key_id": part.column("key_id"),
            "known_at": part.column("received_at"),
            "others": np.zeros(size, np.int64),
        }
    )
    origins.write_origins(stores, spec.name, content, conform(table, arrow_schema(TRAINING_ORIGINS)))


def slowest(question: Callable[[], object]) -> float:
    """Return the seconds that the slowest of three runs takes."""
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        question()
        taken.append(time.perf_counter() - begin)
    return max(taken)


def main(count: int = 1_000_000, sets: int = 12) -> None:
    """Print how long each question takes."""
    with TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project")
        ids = write_world(project, count, sets)
        stores, spec = project.stores, project.spec
        newest, first, last = str(sets), ids[0], ids[-1]
        print(f"{count:,} feedback rows, {sets} sets, the largest of {count:,} rows")
        print(f"why, a page of 100 ids:       {slowest(lambda: why(stores, spec, newest)):.3f} s")
        print(f"why, all {count:,} ids:     {slowest(lambda: why(stores, spec, newest, limit=None)):.3f} s")
        print(f"where, in all sets:           {slowest(lambda: where(stores, spec, first)):.3f} s")
        print(f"where, in the newest set:     {slowest(lambda: where(stores, spec, last)):.3f} s")
        print(f"modelops model why:           {slowest(partial(run, project, f'model why cancer {newest}')):.3f} s")
        print(f"modelops feedback where:      {slowest(partial(run, project, f'feedback where cancer {first}')):.3f} s")


def run(project: Project, command: str) -> None:
    """Run a command in a process of its own."""
    program = [sys.executable, "-m", "modelops_pipelines.cli.main", *command.split()]
    environment = {**os.environ, **project.environment}
    subprocess.run(program, cwd=project.folder, env=environment, capture_output=True, check=True)


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
