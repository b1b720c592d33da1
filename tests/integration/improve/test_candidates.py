"""Several candidates compete in one retraining: the same set, the same rows, one winner, and why the others lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import TrainingError
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_version
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 20
CANDIDATES = """\
  retraining:
    candidates:
      - {name: flat, trainer: "tests.fakes.trainers:tuned", settings: {c: 0.0001}}
      - {name: broken, trainer: "tests.fakes.misbehaving_trainers:raising"}
      - {name: good, trainer: "tests.fakes.trainers:tuned", settings: {c: 1.0}}
"""
BROKEN = """\
  retraining:
    candidates:
      - {name: one, trainer: "tests.fakes.misbehaving_trainers:raising"}
      - {name: two, trainer: "tests.fakes.misbehaving_trainers:empty"}
"""


def live_project(folder: Path, more: str) -> Project:
    """Make a project with a champion, and a log that has new labelled rows."""
    project = make_project(folder, CANCER_YAML + more)
    frame = cancer_frame()
    times = [FIRST + timedelta(days=row % DAYS) for row in range(len(frame))]
    first = train_first(project.stores, project.spec, frame.assign(event_time=times))
    deploy(project.stores, project.spec, first.version, actor="ann", reason="first")
    at, some = FIRST + timedelta(days=DAYS), frame.head(6)
    features = {name: some[name].tolist() for name in some.columns if name != "benign"}
    record = request_record("cancer", 1, at, len(some), f=features)
    labels = [{"rows": [label_row(record, row, str(some["benign"][row]), at) for row in range(len(some))]}]
    for stream, lines in (("predictions", [record]), ("labels", labels)):
        write_segment(project.stores, "cancer", stream, "w", lines)
        ingest(project.stores, project.spec, stream)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = live_project(tmp_path / "project", CANDIDATES)
    yield made
    made.stores.database.close()


def test_the_best_of_several_candidates_is_the_retrainings_version_and_each_loss_has_its_reason(
    project: Project,
) -> None:
    stores = project.stores
    _, trained, judged = retrain(stores, project.spec, "drift")

    assert {"flat": "2", "good": "3"} == trained.numbers["candidates"]
    assert "3" == judged.record.version
    past = stores.retrainings.latest("cancer")
    assert past is not None
    assert ("3", None) == (past.version, past.failure)
    assert past.ended_at is not None
    assert past.evidence is not None
    table = {row["candidate"]: row for row in past.evidence["candidates"]}
    assert {"flat", "good"} == set(table)
    assert table["good"]["lost"] is None
    assert table["flat"]["loss"] > table["good"]["loss"]
    assert (
        f"loss {table['flat']['loss']:.5f} per row, and version 3 has {table['good']['loss']:.5f}"
        == (table["flat"]["lost"])
    )
    runs = {run.candidate: run for run in stores.training_runs.of_retraining(past.id)}
    assert ("failed", "raised", 1) == (runs["broken"].status, runs["broken"].failure, runs["broken"].attempt)
    assert 1 == len({run.content_hash for run in runs.values()})

    gates = {gate.version: gate for gate in stores.gates.of("cancer")}
    assert gates["2"].data_hash == gates["3"].data_hash
    assert "3" == stores.gates.of("cancer")[-1].version
    assert (3, pytest.approx(1 - 0.05 / 3)) == (gates["3"].numbers["rivals"], gates["3"].numbers["confidence"])
    again = evaluate_version(stores, project.spec, "2").record
    assert 3 == again.numbers["rivals"], "judged by hand later, it still is one of three"


def test_where_no_candidate_can_be_trained_the_first_failure_ends_the_retraining(tmp_path: Path) -> None:
    project = live_project(tmp_path / "project", BROKEN)
    with pytest.raises(TrainingError, match="raised ValueError"):
        list(retrain(project.stores, project.spec, "drift"))
    past = project.stores.retrainings.latest("cancer")
    assert past is not None
    assert (None, "raised") == (past.version, past.failure)
    assert past.ended_at is not None
