"""What people do with feedback: accepted once, deleted for good, wherever a process is killed; and what an erasure takes."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.capture.spool_records import Feedback
from modelops_pipelines.core.errors import CaptureError, ConflictError, InputError, UnknownError
from modelops_pipelines.core.tables.lake import FEEDBACK, QUALITY_METRICS
from modelops_pipelines.operations.capture import pending_responses
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.feedback import act_on_feedback as acts
from modelops_pipelines.operations.improve.feedback.find_feedback import feedback_of, find_feedback
from modelops_pipelines.operations.improve.feedback.statistics import feedback_statistics
from modelops_pipelines.operations.maintenance import deleted_feedback
from modelops_pipelines.operations.maintenance.run import run_tasks
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.store.spool.segments import SegmentWriter
from tests.fakes.said import ingest_all, said, write_log, write_said
from tests.support.project import CANCER_YAML, Project, make_project

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
REGRESSION = CANCER_YAML.replace("binary_classification", "regression")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def spoken(project: Project, *feedback: Feedback, **changes: Any) -> list[str]:
    """Write feedback on different predictions; return its ids."""
    records = write_log(project.stores, len(feedback), **changes)
    rows = [
        said(record, 0, NOON + timedelta(minutes=n), one)
        for n, (record, one) in enumerate(zip(records, feedback, strict=True))
    ]
    write_said(project.stores, rows)
    return [row["feedback_id"] for row in rows]


def stored(project: Project) -> list[dict[str, Any]]:
    with project.stores.lake.query("cancer", [FEEDBACK]) as connected:
        found: list[dict[str, Any]] = connected.table(FEEDBACK.name).to_arrow_table().to_pylist()
    return found


def complaints(project: Project) -> int:
    with project.stores.lake.query("cancer", [QUALITY_METRICS]) as connected:
        counted = connected.execute("SELECT sum(complaints) FROM quality_metrics WHERE segment = 'all'").fetchone()
    return int(counted[0] or 0) if counted else 0


# Acceptance


def test_a_praised_prediction_is_its_own_label_also_while_it_is_in_the_spool(project: Project) -> None:
    [number] = spoken(project, Feedback(thumbs="up"))
    accepted, fresh = acts.accept(project.stores, project.spec, number, "ann")
    assert ("1", True, "ann") == (accepted.label, fresh, accepted.actor)
    ingest_all(project)
    assert (accepted, False) == acts.accept(project.stores, project.spec, number, "bob")
    assert "1" == feedback_of(project.stores, project.spec, number)["accepted_label"]


@pytest.mark.parametrize("feedback", [Feedback(rating=1), Feedback(thumbs="down"), Feedback(comment="bad")])
def test_feedback_that_names_no_truth_needs_a_label(project: Project, feedback: Feedback) -> None:
    [number] = spoken(project, feedback)
    with pytest.raises(ConflictError, match="names no true label"):
        acts.accept(project.stores, project.spec, number, "ann")
    with pytest.raises(InputError, match="'2' is not a class of the model"):
        acts.accept(project.stores, project.spec, number, "ann", "2")
    assert project.stores.accepted_feedback.of("cancer") == []
    assert "0" == acts.accept(project.stores, project.spec, number, "ann", False)[0].label


def test_another_label_for_accepted_feedback_is_refused_with_who_accepted_it(project: Project) -> None:
    [number] = spoken(project, Feedback(corrected_label="0"))
    acts.accept(project.stores, project.spec, number, "ann")
    with pytest.raises(ConflictError, match="accepted with the label '0' by ann"):
        acts.accept(project.stores, project.spec, number, "bob", "1")
    assert not acts.accept(project.stores, project.spec, number, "bob", "0")[1]


@pytest.mark.parametrize(("label", "expected"), [(None, "7.25"), (3, "3.0"), ("1e3", "1000.0")])
def test_a_number_is_kept_with_all_its_digits(tmp_path: Path, label: Any, expected: str) -> None:
    project = make_project(tmp_path / "project", REGRESSION)
    [number] = spoken(project, Feedback(corrected_label=7.25), p=[1.5, 2.5])
    assert expected == acts.accept(project.stores, project.spec, number, "ann", label)[0].label
    assert 7.25 == feedback_of(project.stores, project.spec, number)["corrected_label"]


@pytest.mark.parametrize("label", ["many", True, float("nan"), "inf"])
def test_what_is_no_number_is_no_label_of_a_regression(tmp_path: Path, label: Any) -> None:
    project = make_project(tmp_path / "project", REGRESSION)
    [number] = spoken(project, Feedback(rating=1), p=[1.5, 2.5])
    with pytest.raises(InputError, match="is not a number"):
        acts.accept(project.stores, project.spec, number, "ann", label)


def test_a_note_or_an_assignee_that_is_too_long_is_refused(project: Project) -> None:
    [number] = spoken(project, Feedback(rating=1))
    with pytest.raises(InputError, match="The note has 2001 characters"):
        acts.flag(project.stores, project.spec, number, "ann", "x" * 2001)
    for name in ("", "  ", "x" * 201):
        with pytest.raises(InputError, match="The assignee has"):
            acts.assign(project.stores, project.spec, number, "ann", name)


# Deletion


@pytest.fixture(params=["in the spool", "in the lake"])
def complained(request: pytest.FixtureRequest, project: Project) -> tuple[Project, list[str]]:
    numbers = spoken(project, Feedback(rating=1, corrected_label="0"), Feedback(thumbs="down"), Feedback(rating=5))
    if request.param == "in the lake":
        ingest_all(project)
    return project, numbers


def test_deleted_feedback_is_in_no_list_no_count_and_no_metric(complained: tuple[Project, list[str]]) -> None:
    project, numbers = complained
    acts.accept(project.stores, project.spec, numbers[0], "ann")
    ingest_all(project) if stored(project) else None
    measure_quality(project.stores, project.spec)
    assert [True, False] == [acts.delete(project.stores, project.spec, numbers[0], "ann") for _ in range(2)]
    for _ in range(2):
        assert numbers[:0:-1] == [row["feedback_id"] for row in find_feedback(project.stores, project.spec).rows]
        assert 2 == feedback_statistics(project.stores, project.spec)["feedback"]
        with pytest.raises(UnknownError, match="was deleted at"):
            feedback_of(project.stores, project.spec, numbers[0])
        assert project.stores.accepted_feedback.of("cancer") == []
        ingest_all(project)
    measure_quality(project.stores, project.spec)
    assert 1 == complaints(project)


def test_what_was_deleted_and_comes_again_stays_deleted(project: Project) -> None:
    records = write_log(project.stores, 1)
    row = said(records[0], 0, NOON, Feedback(rating=1))
    for _ in range(2):
        write_said(project.stores, [row])
        with suppress(UnknownError):
            acts.delete(project.stores, project.spec, row["feedback_id"], "ann")
        ingest_all(project)
        run_tasks(project.stores, [deleted_feedback.TASK], project.stores.now())
    write_said(project.stores, [row])
    assert find_feedback(project.stores, project.spec).rows == []
    ingest_all(project)
    assert find_feedback(project.stores, project.spec).rows == []


def test_a_deletion_that_was_killed_before_the_spool_had_it_is_finished_by_the_next(
    complained: tuple[Project, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, numbers = complained
    with monkeypatch.context() as patched:
        patched.setattr(SegmentWriter, "append", _disk_full)
        with pytest.raises(CaptureError, match="No space left"):
            acts.delete(project.stores, project.spec, numbers[0], "ann")
    with pytest.raises(UnknownError, match="was deleted"):
        feedback_of(project.stores, project.spec, numbers[0])
    assert not acts.delete(project.stores, project.spec, numbers[0], "ann")
    ingest_all(project)
    assert [numbers[0]] == [row["deletes"] for row in stored(project) if row["deletes"]]
    assert 1 == [one["action"] for one in acts.history(project.stores, project.spec, numbers[0])].count("deleted")


def _disk_full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("spooled", [True, False])
def test_maintenance_removes_the_content_audited_and_finishes_what_was_killed(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    spooled: bool,  # noqa: FBT001 - a case
) -> None:
    numbers = spoken(project, Feedback(rating=1, comment="my secret"), Feedback(rating=2))
    ingest_all(project)
    if not spooled:
        monkeypatch.setattr(acts, "write_responses", lambda *_: None)  # the process was killed before
    acts.delete(project.stores, project.spec, numbers[0], "ann")
    ingest_all(project)
    would = run_tasks(project.stores, [deleted_feedback.TASK], project.stores.now(), dry_run=True)[0]
    assert [(1, "cancer", "feedback")] == [(one.items, one.endpoint, one.item) for one in would.effects]
    assert any(row["comment"] == "my secret" for row in stored(project))
    assert None is run_tasks(project.stores, [deleted_feedback.TASK], project.stores.now())[0].error
    assert all(row["comment"] != "my secret" for row in stored(project))
    [audited] = project.stores.deletions.newest(10, kind=deleted_feedback.KIND)
    assert (1, True) == (audited.items, audited.finished_at is not None)
    ingest_all(project)
    assert [numbers[0]] == [row["deletes"] for row in stored(project) if row["deletes"]]
    assert [numbers[1]] == [row["feedback_id"] for row in find_feedback(project.stores, project.spec).rows]
    assert () == run_tasks(project.stores, [deleted_feedback.TASK], project.stores.now())[0].effects


def test_unknown_feedback_cannot_be_deleted_and_leaves_no_trace(project: Project) -> None:
    with pytest.raises(UnknownError, match="has no feedback 'nothing'"):
        acts.delete(project.stores, project.spec, "nothing", "ann")
    assert (None, []) == (
        project.stores.feedback_marks.find("cancer", "nothing"),
        project.stores.feedback_events.of("cancer", "nothing"),
    )


def test_rows_written_by_one_process_after_another_are_all_ingested(project: Project) -> None:
    records = write_log(project.stores, 5)
    for n, record in enumerate(records):
        row = said(record, 0, NOON + timedelta(minutes=n), Feedback(rating=1))
        pending_responses.write_responses(project.stores, "cancer", "feedback", [row])
        if n % 2:
            ingest_all(project)
    ingest_all(project)
    assert 5 == len(stored(project))


# Erasure


def test_an_erasure_takes_what_people_did_with_the_user_s_feedback_and_nobody_else_s(project: Project) -> None:
    given = [
        Feedback(rating=1, corrected_label="0", user_id="zorro"),
        Feedback(rating=2, corrected_label="0", user_id="anna"),
        Feedback(rating=3, corrected_label="0", user_id="zorro"),
    ]
    numbers = spoken(project, *given)
    stores, spec = project.stores, project.spec
    for number in numbers:
        acts.flag(stores, spec, number, "ann", "what a user")
        acts.accept(stores, spec, number, "ann")
    acts.delete(stores, spec, numbers[2], "ann")
    ingest_all(project)
    for _ in range(2):
        erase_user(stores, "zorro", [spec], "test", patience=5)
        assert [numbers[1]] == [one.feedback_id for one in stores.accepted_feedback.of("cancer")]
        assert [numbers[1]] == [one.feedback_id for one in stores.feedback_marks.of("cancer")]
        assert [0, 2, 0] == [len(stores.feedback_events.of("cancer", number)) for number in numbers]
    assert [numbers[1]] == [row["feedback_id"] for row in find_feedback(stores, spec).rows]


def test_an_erasure_takes_others_feedback_on_the_user_s_predictions(project: Project) -> None:
    [number] = spoken(project, Feedback(rating=1, corrected_label="0", user_id="anna"), user="zorro")
    acts.accept(project.stores, project.spec, number, "ann")
    erase_user(project.stores, "zorro", [project.spec], "test", patience=5)
    assert [] == project.stores.accepted_feedback.of("cancer")
    assert [] == project.stores.feedback_events.of("cancer", number)
