"""Feedback as many people give it, on predictions of a small log, written to the spool of a project."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from modelops_pipelines.core.capture import spool_records
from modelops_pipelines.core.capture.spool_records import Feedback
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.core.timestamps import from_micros
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project

_WORKERS = count()


def write_log(stores: Stores, requests: int = 6, rows: int = 2, **changes: Any) -> list[dict[str, Any]]:
    """Write requests of three days, of the versions 1 and 2 by turns, to the spool; return their records."""
    stores.deployments.record_version(VERSION)
    records = [
        request_record("cancer", n, START + timedelta(days=n % 3, minutes=n), rows, version=str(1 + n % 2), **changes)
        for n in range(requests)
    ]
    write_segment(stores, "cancer", "predictions", "w", records)
    return records


def said(record: dict[str, Any], row: int, received_at: datetime, feedback: Feedback) -> dict[str, Any]:
    """Return the row of feedback on a prediction, received at a time."""
    request = RequestId(record["id"], from_micros(record["t"]), record["n"])
    return spool_records.feedback_row(request, row, feedback, received_at)


def write_said(stores: Stores, rows: Sequence[dict[str, Any]]) -> None:
    """Write feedback to the spool, a record each, as the sealed segment of a worker that nobody else is."""
    worker = f"worker-{next(_WORKERS)}"
    write_segment(stores, "cancer", "feedback", worker, [spool_records.response_record([row]) for row in rows])


def ingest_all(project: Project) -> None:
    """Ingest all streams."""
    for stream in ("predictions", "labels", "feedback"):
        ingest(project.stores, project.spec, stream)
