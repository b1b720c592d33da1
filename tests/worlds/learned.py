"""An endpoint that has learned: a prediction with accepted feedback, and a version that was retrained on it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core.capture.spool_records import Feedback, feedback_row
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.lineage_world import insert
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.project import Project, cancer_frame, make_project

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS, ROWS = 20, 6


@dataclass(frozen=True)
class Learned:
    """The project, the feedback that was accepted and that was not, and what the retraining's steps returned."""

    project: Project
    accepted: str
    ignored: str
    frozen: Any
    trained: Any
    judged: Any


def make_learned(folder: Path, **environment: str) -> Learned:
    """Train and deploy version 1, let people speak of its answers, and retrain."""
    project = make_project(folder, **environment)
    stores, spec = project.stores, project.spec
    frame = cancer_frame()
    times = [FIRST + timedelta(days=row % DAYS) for row in range(len(frame))]
    deploy(stores, spec, train_first(stores, spec, frame.assign(event_time=times)).version, actor="ann", reason="first")
    accepted, ignored = capture(project, FIRST + timedelta(days=DAYS))
    return Learned(project, accepted, ignored, *retrain(stores, spec, "asked by ann"))


def capture(project: Project, at: datetime) -> list[str]:
    """Let the log hold a request whose first rows have feedback, of which one is accepted, and whose others are labelled."""
    stores, spec, frame = project.stores, project.spec, cancer_frame().head(ROWS)
    features = {name: frame[name].tolist() for name in frame.columns if name != "benign"}
    record = request_record("cancer", 1, at, ROWS, f=features)
    request = RequestId(record["id"], at, ROWS)
    said = Feedback(thumbs="down", corrected_label="1", user_id="bob")
    feedback = [feedback_row(request, row, said, at, "key 1") for row in range(2)]
    labels = [label_row(record, row, str(frame["benign"][row]), at) for row in range(2, ROWS)]
    streams = {"predictions": record, "labels": {"rows": labels}, "feedback": {"rows": feedback}}
    for stream, line in streams.items():
        write_segment(stores, "cancer", stream, "w", [line])
        ingest(stores, spec, stream)
    ids = [str(one["feedback_id"]) for one in feedback]
    row = {"prediction_id": request.prediction_id(0), "event_time": at, "label": "1", "at": at, "actor": "cleo"}
    insert(stores, "accepted_feedback", endpoint="cancer", feedback_id=ids[0], **row)
    return ids
