"""From a prediction over accepted feedback to a version, through the steps themselves: why and where follow it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.capture.spool_records import Feedback, feedback_row
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.lineage.send_events import send_lineage
from modelops_pipelines.operations.improve.lineage.where import where
from modelops_pipelines.operations.improve.lineage.why import why
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.lineage_world import insert
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.lineage_files import written
from tests.support.project import Project, cancer_frame, make_project

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS, ROWS = 20, 6


def test_accepted_feedback_is_followed_through_a_retraining_both_ways(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", MODELOPS_OPENLINEAGE="lineage.jsonl")
    stores, spec = project.stores, project.spec
    frame = cancer_frame()
    times = [FIRST + timedelta(days=row % DAYS) for row in range(len(frame))]
    deploy(stores, spec, train_first(stores, spec, frame.assign(event_time=times)).version, actor="ann", reason="first")
    given = capture(project, FIRST + timedelta(days=DAYS))
    accepted, ignored = given[0], given[1]

    frozen, trained, judged = retrain(stores, spec, "asked by ann")

    found = why(stores, spec, trained.record.version)
    assert found.training_set is not None
    assert found.sources is not None
    assert found.feedback is not None
    assert frozen.record.content_hash == found.training_set.content_hash
    assert {"feedback", "inference_log", "labels"} <= set(found.training_set.tables)
    assert [accepted] == found.feedback.ids
    assert found.started_by is not None
    assert "asked by ann" == found.started_by.reason
    assert [judged.record.verdict] == [one.verdict for one in found.gate]
    assert ["trained"] == [one.status for one in found.attempts]
    assert {one.guard for one in found.checks} != set()
    assert {"rows": 1, "who": "cleo"} == {"rows": len(found.feedback.ids), "who": accepter(found)}
    assert (1, {"feedback": 1}) == (
        frozen.numbers["feedback"],
        {"feedback": frozen.numbers["label_sources"]["feedback"]},
    )

    held = where(stores, spec, accepted)
    assert [(frozen.record.content_hash, True)] == [(one.content_hash, one.counts) for one in held.sets]
    assert [trained.record.version] == [one.version for one in held.versions]
    assert "1" == held.answered_by
    assert [] == list(where(stores, spec, ignored).versions)

    send_lineage(stores)
    built = [one for one in written(project) if one["job"]["name"] == "cancer.training_set"][-1]
    read = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in built["inputs"]}
    assert str(found.training_set.tables["feedback"]) == read["cancer.feedback"]
    assert {"mean_radius", "benign"} <= set(built["outputs"][0]["facets"]["columnLineage"]["fields"])
    project.stores.database.close()


def accepter(found: object) -> str:
    [one] = [person.name for person in found.people if person.did == "accepted feedback"]  # type: ignore[attr-defined]
    return str(one)


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
