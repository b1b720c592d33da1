"""Labels from elsewhere in tests: predictions that they name, files with them, and what counts in the end."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.improvement import LabelSource
from modelops_pipelines.core.ids import ENTROPY_BYTES, new_request_id
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.endpoint_tables import stream_table
from modelops_pipelines.store.lake import sql
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)
UNTIL = NOW + timedelta(days=2)
BY_ID = LabelSource("lab", "files", path="in/*.csv", labelled_at="known", prediction_id="id")


def project_of_six(folder: Path) -> Project:
    """Make a project that has answered ``call 0`` to ``call 5``."""
    made = make_project(folder)
    made.stores.deployments.record_version(VERSION)
    for number in range(6):
        write_segment(made.stores, "cancer", "predictions", "w1", [prediction(made, number)])
    ingest(made.stores, made.spec, "predictions")
    return made


def label_now(project: Project) -> dict[str, str]:
    """Return the label that counts of each prediction that has one."""
    with project.stores.lake.query("cancer", [stream_table(project.stores, project.spec, "labels")]) as connected:
        connected.execute(sql.named("label_now"))
        return dict(connected.execute("SELECT prediction_id, label FROM label_now").fetchall())


def prediction(project: Project, number: int) -> dict[str, Any]:
    """Return the record of a request of one row that this project made: ``call <number>``, an hour after the last."""
    secret = project.stores.database.secret()
    at = START + number * HOUR
    request = new_request_id("cancer", at, 1, number.to_bytes(ENTROPY_BYTES, "big"), secret)
    features = {"x": [float(number)], "c": ["abc"[number % 3]]}
    return request_record("cancer", number, at, 1, id=request.text, client=f"call {number}", f=features)


def ids(project: Project) -> list[str]:
    """Return the ids of the first six predictions."""
    return [f"{prediction(project, number)['id']}-0" for number in range(6)]


def with_source(project: Project, source: LabelSource) -> Project:
    """Return the project with this label source."""
    return replace(project, spec=replace(project.spec, label_sources=(source,)))


def write_csv(path: Path, *lines: str, age: float = 60) -> Path:
    """Write a file that was written to ``age`` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    os.utime(path, (time.time() - age,) * 2)
    return path
