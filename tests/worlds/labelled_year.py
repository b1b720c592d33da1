"""A year of a small endpoint: predictions every day, labels a day later, corrections, withdrawals, feedback, deletions."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.core.capture import spool_records
from modelops_pipelines.core.capture.spool_records import Feedback, Origin
from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.core.timestamps import from_micros
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.store.state.improve.accepted_feedback import AcceptedFeedback
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import VERSION, request_record, write_segment
from tests.support.project import Project, make_project

FIRST = datetime(2025, 1, 1, 12, tzinfo=UTC)
USERS = ("ann", "bob", "cem", "dee", None)
ERASED = "bob"
STREAMS = ("predictions", "labels", "feedback")


@dataclass
class Captured:
    """The records of each stream, in the order of what happened, and the feedback that was accepted."""

    predictions: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    accepted: list[AcceptedFeedback] = field(default_factory=list)


def captured(days: int, rows: int = 4, seed: int = 3) -> Captured:
    """Return what was captured in some days, by chance: a request a day, and what people said about its rows."""
    chance, found = random.Random(seed), Captured()
    for day in range(days):
        at = FIRST + timedelta(days=day)
        features = {"x": [chance.gauss(0, 1) for _ in range(rows)], "c": [chance.choice("abc") for _ in range(rows)]}
        record = request_record("cancer", day, at, rows, user=USERS[day % len(USERS)], f=features)
        if chance.random() < 0.05:
            record = request_record("cancer", day, at, rows, source="test", f=features)
        found.predictions.append(record)
        for row in range(rows):
            _say(chance, found, record, row, at)
    return found


def _say(chance: random.Random, found: Captured, record: dict[str, Any], row: int, at: datetime) -> None:
    request, late = RequestId(record["id"], from_micros(record["t"]), record["n"]), at + timedelta(days=1)
    truth = chance.choice("01")
    if chance.random() < 0.8:
        said = spool_records.label_row(request, row, truth, late, late)
        found.labels.append(said)
        if chance.random() < 0.2:
            later = late + timedelta(days=9)
            found.labels.append(spool_records.label_row(request, row, chance.choice("01"), later, later))
        if chance.random() < 0.1:
            found.labels.append(spool_records.withdrawal_row(said, late))
    if chance.random() < 0.1:
        by = Origin("review", "rita")
        found.labels.append(spool_records.label_row(request, row, truth, late, late, by))
    if chance.random() < 0.3:
        said = spool_records.feedback_row(request, row, Feedback(corrected_label=truth, user_id="eve"), late, "key")
        found.feedback.append(said)
        if chance.random() < 0.5:
            parts = ("cancer", said["feedback_id"], request.prediction_id(row), at, truth, late, "rita")
            found.accepted.append(AcceptedFeedback(*parts))
        if chance.random() < 0.2:
            found.feedback.append(spool_records.deletion_row(request, row, said["feedback_id"], late))


def make_labelled(folder: Path, policy: TrainingPolicy | None = None) -> Project:
    """Make a project with a version of two features and nothing captured."""
    project = make_project(folder)
    project.stores.deployments.record_version(VERSION)
    project.spec = replace(project.spec, training=policy or TrainingPolicy())
    return project


def capture(project: Project, year: Captured, parts: int = 1, order: Sequence[str] = STREAMS, first: int = 1) -> None:
    """Write all of it in some parts, as segments from ``first`` on, and ingest each part stream by stream."""
    for part in range(parts):
        for stream in order:
            records = getattr(year, stream)[part::parts]
            lines = records if stream == "predictions" else [{"rows": [row]} for row in records]
            write_segment(project.stores, "cancer", stream, "w", lines, first + part)
            ingest(project.stores, project.spec, stream)
    accept(project.stores, year)


def accept(stores: Stores, year: Captured) -> None:
    """Accept the feedback that was accepted, each once."""
    for one in year.accepted:
        stores.accepted_feedback.accept(one)
