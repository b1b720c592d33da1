"""The steps of a retraining, each alone and all of them in turn."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_candidate
from modelops_pipelines.operations.improve.retraining.retrain import retrain, train_candidate
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.project import Project, cancer_frame, make_project

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 20


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    yield made
    made.stores.database.close()


def test_an_evaluation_without_a_retraining_says_what_to_do(project: Project) -> None:
    with pytest.raises(ConflictError, match="has no candidate to evaluate: it was never retrained") as refused:
        evaluate_candidate(project.stores, project.spec)
    expected = "Materialise cancer/training_set and cancer/candidate first, or run the whole retraining: "
    other = "; for a version that is registered already: modelops evaluate cancer VERSION"
    assert f"{expected}modelops retrain cancer{other}" == refused.value.remedy


def test_an_evaluation_of_a_retraining_that_trained_nothing_says_so(project: Project) -> None:
    project.stores.retrainings.start("cancer", None, "drift", FIRST)
    with pytest.raises(ConflictError, match="has no candidate to evaluate: its latest retraining trained no version"):
        evaluate_candidate(project.stores, project.spec)


def test_a_candidate_without_a_training_set_says_what_to_do(project: Project) -> None:
    with pytest.raises(ConflictError, match=r"has no training set to train on\. Materialise cancer/training_set first"):
        train_candidate(project.stores, project.spec)


def test_a_retraining_goes_from_the_training_set_to_the_verdict_and_each_step_shows_its_record(
    project: Project,
) -> None:
    stores, spec = project.stores, project.spec
    frame = cancer_frame()
    times = [FIRST + timedelta(days=row % DAYS) for row in range(len(frame))]
    deploy(stores, spec, train_first(stores, spec, frame.assign(event_time=times)).version, actor="ann", reason="first")
    label(project, FIRST + timedelta(days=DAYS), rows=6)

    frozen, trained, judged = retrain(stores, spec, "drift")

    assert ["training_set", "candidate", "evaluation"] == [frozen.asset, trained.asset, judged.asset]
    assert stores.training_sets.of("cancer")[-1] == frozen.record
    assert (frozen.record.rows, frozen.record.content_hash) == (
        frozen.numbers["row_count"],
        frozen.numbers["content_hash"],
    )
    assert stores.deployments.version("tumours", "2") == trained.record
    assert ("2", frozen.record.content_hash) == (trained.numbers["version"], trained.numbers["training_set"])
    assert trained.numbers["model"].endswith("/#/models/tumours/versions/2")
    assert stores.gates.of("cancer") == [judged.record]
    assert ("2", "1") == (judged.numbers["version"], judged.numbers["champion"])
    assert "all rows" == judged.numbers["judged"][0]["name"]
    (past,) = stores.retrainings.of("cancer")
    assert ("drift", frozen.record.content_hash, "2") == (past.reason, past.training_set, past.version)
    assert "1" == stores.deployments.desired("cancer").champion


def label(project: Project, at: datetime, rows: int) -> None:
    """Let the log hold a labelled request of the champion."""
    frame = cancer_frame().head(rows)
    features = {name: frame[name].tolist() for name in frame.columns if name != "benign"}
    record = request_record("cancer", at.day, at, rows, f=features)
    labels = [{"rows": [label_row(record, row, str(frame["benign"][row]), at) for row in range(rows)]}]
    for stream, lines in (("predictions", [record]), ("labels", labels)):
        write_segment(project.stores, "cancer", stream, "w", lines)
        ingest(project.stores, project.spec, stream)
