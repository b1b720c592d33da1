"""An endpoint with three days of logged answers, labels and feedback, for tests of the review queue."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.improvement import ReviewPolicy
from modelops_pipelines.operations.capture.ingest import ingest
from tests.fakes.records import VERSION, feedback_row, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, make_project

_WORKERS = count()
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = 50
POLICY = ReviewPolicy(("flagged", "disagreeing", "uncertain", "costly", "random"), per_day=6, random=5, shared=0.4)


def make_reviewed(folder: Path, policy: ReviewPolicy = POLICY, days: int = 3) -> tuple[Project, list[dict[str, Any]]]:
    """Make the project; the last day has not ended. Return it with the records of its requests, one a day.

    Of each day's rows the first has feedback of a thumb down, the second a label that the confident answer missed, and
    the third a score of 0.5; all others are labelled right.
    """
    made = make_project(folder, CANCER_YAML + _yaml(policy))
    assert policy == made.spec.review
    made.stores.deployments.record_version(VERSION)
    records = [day_record(day) for day in range(days)]
    send(made, "predictions", records)
    for day, record in enumerate(records):
        at = START + timedelta(days=day, hours=1)
        labels = [label_row(record, row, "0" if row == 1 else "1", at) for row in range(1, ROWS)]
        send(made, "labels", [{"rows": labels}])
        send(made, "feedback", [{"rows": [feedback_row(record, 0, None, "down")]}])
    return made, records


def _yaml(policy: ReviewPolicy) -> str:
    values = {**vars(policy), "reasons": list(policy.reasons)}
    return f"  review: {json.dumps(values)}\n" if policy.reasons else ""


def day_record(day: int, rows: int = ROWS) -> dict[str, Any]:
    """Return the record of a day's request: confident answers of class 1, but one."""
    scores = [0.5 if row == 2 else 0.9 + row / 1000 for row in range(rows)]
    return request_record("cancer", day, START + timedelta(days=day), rows, s=scores)


def send(project: Project, stream: str, records: list[dict[str, Any]]) -> None:
    """Let the lake hold the records, each time from a worker of its own: a worker's segments are ingested once."""
    write_segment(project.stores, "cancer", stream, f"w{next(_WORKERS)}", records)
    ingest(project.stores, project.spec, stream)
