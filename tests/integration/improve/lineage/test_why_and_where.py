"""What a version was made of, and where a piece of feedback went, out of what the steps of a retraining record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.capture.spool_records import Feedback
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.core.improve.lineage.answers import Counted, Placed
from modelops_pipelines.operations.improve.lineage.where import where
from modelops_pipelines.operations.improve.lineage.why import why
from tests.fakes.lineage_world import (
    DAY,
    NOW,
    insert,
    origin,
    request,
    serve,
    write_feedback,
    write_gate,
    write_set,
    write_version,
)
from tests.fakes.raised_alerts import raised
from tests.fakes.said import ingest_all, said, write_log, write_said
from tests.support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    yield made
    made.stores.database.close()


@pytest.fixture
def feedback(project: Project) -> list[str]:
    """Return the ids of four pieces of feedback; two count in set A, which version 2 was trained on."""
    stores, spec = project.stores, project.spec
    requests = [request(stores, spec, number) for number in range(4)]
    ids = write_feedback(stores, spec, requests)
    rows = [one.prediction_id(0) for one in requests]
    said: dict[str, Any] = {"key_id": "key 1", "known_at": NOW}
    write_set(
        stores,
        spec,
        "a" * 64,
        [
            origin("base-0", 0, "provided", event_time=None),
            origin(rows[0], 1, "feedback", source_id=ids[0], author="user 0", **said),
            origin(rows[1], 2, "feedback", source_id=ids[1], author="user 1", **said),
            origin(rows[2], 3, "review", source_id="label 1", source="review", author="rita"),
            origin("other-0", 4, "label", source_id="label 2", source="warehouse", key_id="key 2"),
            origin("other-1", 5, "label", source_id="label 3", key_id="key 2"),
            origin(rows[3], None, "feedback", source_id=ids[3], reason="evaluation day"),
        ],
        base="b" * 64,
    )
    write_version(stores, spec, "1", None)
    write_version(stores, spec, "2", "a" * 64, trained_here=True)
    return ids


def live(project: Project) -> None:
    serve(project.stores, project.spec, "1", "ann")
    write_gate(project.stores, project.spec, "2", "1")
    serve(project.stores, project.spec, "2", "bob")


def test_why_says_what_a_version_was_made_of(project: Project, feedback: list[str]) -> None:
    stores, spec = project.stores, project.spec
    for number, one in enumerate(feedback[:2]):
        accepted = {"prediction_id": f"p{number}", "event_time": NOW, "label": "1", "at": NOW, "actor": "cleo"}
        insert(stores, "accepted_feedback", endpoint="cancer", feedback_id=one, **accepted)
    check = {"message": "one key sent 40 % of the labels", "numbers": {"share": 0.4}, "at": NOW}
    of = {"endpoint": "cancer", "content_hash": "a" * 64, "guard": "share"}
    insert(stores, "set_checks", **of, passed=True, blocking=True, **check)
    live(project)

    found = why(stores, spec, "2")

    assert found.training_set is not None
    assert found.sources is not None
    assert found.feedback is not None
    assert ("a" * 64, "b" * 64, 6) == (
        found.training_set.content_hash,
        found.training_set.base_hash,
        found.training_set.rows,
    )
    assert {"inference_log": 7, "labels": 3, "feedback": 2} == found.training_set.tables
    assert {"feedback": 2, "label": 2, "provided": 1, "review": 1} == counts(found.sources.by_origin)
    assert {"feedback": 2, "review": 1, "warehouse": 1, "the gateway's route": 1} == counts(found.sources.label_sources)
    assert {"rita": 1, "user 0": 1, "user 1": 1} == counts(found.sources.authors)
    assert ({"key 1": 2, "key 2": 2}, 2) == (counts(found.sources.keys), found.sources.key_count)
    assert [Counted("evaluation day", 1)] == found.sources.left_out
    assert (sorted(feedback[:2]), 2, None) == (found.feedback.ids, found.feedback.total, found.feedback.next_cursor)
    assert [("share", True, {"share": 0.4})] == [(one.guard, one.passed, one.numbers) for one in found.checks]
    assert [("pass", "1", 0.05)] == [(one.verdict, one.champion, one.numbers["lower"]) for one in found.gate]
    assert [("bob", "deploy", "1", "2")] == [
        (one.actor, one.action, one.from_version, one.to_version) for one in found.changes
    ]
    people = {(one.name, one.did, one.times, one.rows) for one in found.people}
    acts = {("bob", "deploy of it", 1, None), ("cleo", "accepted feedback", 2, None)}
    assert {*acts, ("rita", "reviewed predictions", None, 1)} == people
    assert [Placed("cancer", "2", "champion", 100, "active")] == found.live
    assert {"attempts", "started_by"} == set(found.unknown)


def test_the_feedback_of_a_version_comes_page_by_page_and_whole(project: Project, feedback: list[str]) -> None:
    first = why(project.stores, project.spec, "2", limit=1).feedback
    assert first is not None
    assert (sorted(feedback[:2])[:1], 2, min(feedback[:2])) == (first.ids, first.total, first.next_cursor)
    second = why(project.stores, project.spec, "2", limit=1, cursor=first.next_cursor).feedback
    assert second is not None
    assert (sorted(feedback[:2])[1:], None) == (second.ids, second.next_cursor)
    whole = why(project.stores, project.spec, "2", limit=None).feedback
    assert whole is not None
    assert sorted(feedback[:2]) == whole.ids
    with pytest.raises(InputError, match="cursor"):
        why(project.stores, project.spec, "2", cursor="")


def test_why_names_the_signals_and_the_alerts_that_started_the_retraining(
    project: Project, feedback: list[str]
) -> None:
    stores, spec = project.stores, project.spec
    number = raised(stores, rule="quality").id
    insert(
        stores,
        "retrainings",
        endpoint="cancer",
        at=NOW,
        reason="quality; 120 new labels",
        version="2",
        training_set="a" * 64,
        evidence={"signals": [{"kind": "quality", "value": -0.1, "alert": number}]},
    )
    run = {"content_hash": "a" * 64, "candidate": "trainer", "retraining": 1, "started_at": NOW, "endpoint": "cancer"}
    insert(stores, "training_runs", **run, attempt=1, status="failed", failure="timed out")
    insert(stores, "training_runs", **run, attempt=2, status="trained", version="2", seconds=4.0, peak_mib=210.0)

    found = why(stores, spec, "2")

    assert found.started_by is not None
    assert (1, "quality; 120 new labels") == (found.started_by.retraining, found.started_by.reason)
    assert [(number, "quality")] == [(one.alert, one.rule) for one in found.started_by.alerts]
    attempts = [(one.attempt, one.status, one.failure, one.seconds, one.peak_mib) for one in found.attempts]
    assert [(1, "failed", "timed out", None, None), (2, "trained", None, 4.0, 210.0)] == attempts
    assert {} == {name: why for name, why in found.unknown.items() if name in ("attempts", "started_by")}


def test_why_of_a_version_registered_elsewhere_says_what_is_unknown(project: Project, feedback: list[str]) -> None:
    found = why(project.stores, project.spec, "1")
    assert (None, None, None, [], []) == (
        found.training_set,
        found.sources,
        found.feedback,
        list(found.checks),
        list(found.attempts),
    )
    assert {"training_set", "sources", "feedback", "checks", "attempts", "started_by"} == set(found.unknown)
    assert "registered elsewhere" in found.unknown["training_set"]


def test_why_of_a_version_that_modelops_train_made_says_that_no_guard_judges_a_first_frame(
    project: Project, feedback: list[str]
) -> None:
    unknown = why(project.stores, project.spec, "2").unknown
    assert "no guard judged the set: 'modelops train' trained on it" in unknown["checks"]
    assert "no retraining led to it: 'modelops train' trained it, by hand" == unknown["started_by"]
    elsewhere = why(project.stores, project.spec, "1").unknown
    assert "modelops train" not in elsewhere["checks"] + elsewhere["started_by"]


def test_why_of_a_set_that_recorded_no_origins_says_so(project: Project) -> None:
    write_set(project.stores, project.spec, "c" * 64, None)
    write_version(project.stores, project.spec, "3", "c" * 64)
    found = why(project.stores, project.spec, "3")
    assert found.training_set is not None
    assert None is found.sources
    assert "before release 0.4" in found.unknown["sources"]


def test_why_of_an_unknown_version_is_refused(project: Project, feedback: list[str]) -> None:
    with pytest.raises(UnknownError, match="No version '9' of model 'tumours' is recorded here"):
        why(project.stores, project.spec, "9")


def test_where_follows_feedback_to_the_version_that_is_live(project: Project, feedback: list[str]) -> None:
    stores, spec = project.stores, project.spec
    accepted = {"prediction_id": "p", "event_time": NOW, "label": "1", "at": NOW + DAY, "actor": "cleo"}
    insert(stores, "accepted_feedback", endpoint="cancer", feedback_id=feedback[0], **accepted)
    step = {"at": NOW + DAY, "actor": "cleo", "action": "accepted", "detail": {}}
    insert(stores, "feedback_events", endpoint="cancer", feedback_id=feedback[0], **step)
    live(project)

    found = where(stores, spec, feedback[0])

    assert (request(stores, spec, 0).prediction_id(0), NOW, False) == (
        found.prediction_id,
        found.event_time,
        found.is_deleted,
    )
    assert found.accepted is not None
    assert ("1", "cleo") == (found.accepted.label, found.accepted.actor)
    assert [("cleo", "accepted")] == [(one.actor, one.action) for one in found.steps]
    assert [("a" * 64, 1, True)] == [(one.content_hash, one.position, one.counts) for one in found.sets]
    [version] = found.versions
    assert ("2", "pass") == (version.version, version.verdict)
    assert [("deploy", "bob")] == [(one.action, one.actor) for one in version.changes]
    assert [Placed("cancer", "2", "champion", 100, "active")] == found.live


def test_where_says_which_label_counts_instead_and_why_a_row_was_left_out(
    project: Project, feedback: list[str]
) -> None:
    [beaten] = where(project.stores, project.spec, feedback[2]).sets
    assert (False, "review", "label 1", 3) == (beaten.counts, beaten.origin, beaten.source_id, beaten.position)
    left = where(project.stores, project.spec, feedback[3])
    assert [(False, "evaluation day", None)] == [(one.counts, one.left_out, one.position) for one in left.sets]
    assert ([], []) == (list(left.versions), list(left.live))


def test_where_of_deleted_feedback_says_so_and_still_names_the_versions(project: Project, feedback: list[str]) -> None:
    stores, spec = project.stores, project.spec
    write_feedback(stores, spec, [request(stores, spec, number) for number in range(2)], deleted=feedback[:1])
    found = where(stores, spec, feedback[0])
    assert (True, ["2"]) == (found.is_deleted, [one.version for one in found.versions])


def test_where_of_feedback_whose_row_is_gone_is_found_by_its_history(project: Project, feedback: list[str]) -> None:
    stores, spec = project.stores, project.spec
    write_set(stores, spec, "d" * 64, [origin("gone-0", 0, "feedback", source_id="gone")])
    mark = {"flagged": False, "deleted_at": NOW + DAY, "last_event": 1}
    insert(stores, "feedback_marks", endpoint="cancer", feedback_id="gone", **mark)
    found = where(stores, spec, "gone")
    assert (True, NOW + DAY, "gone-0") == (found.is_deleted, found.deleted_at, found.prediction_id)
    assert [("d" * 64, True)] == [(one.content_hash, one.counts) for one in found.sets]
    assert "is deleted" in found.unknown["received_at"]


def test_where_names_sets_that_recorded_nothing(project: Project, feedback: list[str]) -> None:
    write_set(project.stores, project.spec, "e" * 64, None)
    found = where(project.stores, project.spec, feedback[0])
    assert "1 set(s) have no record of their rows" in found.unknown["sets"]


def test_where_of_unknown_feedback_is_refused(project: Project, feedback: list[str]) -> None:
    with pytest.raises(UnknownError, match="Endpoint 'cancer' has no feedback 'nothing'"):
        where(project.stores, project.spec, "nothing")


def counts(found: Any) -> dict[str, int]:
    return {one.name: one.rows for one in found}


def test_where_finds_feedback_in_the_spool_with_its_version_as_it_does_in_the_lake(project: Project) -> None:
    stores, spec = project.stores, project.spec
    records = write_log(stores)
    row = said(records[1], 0, NOW, Feedback(rating=1))
    write_said(stores, [row])
    spooled = where(stores, spec, row["feedback_id"])
    assert (row["prediction_id"], NOW, "2", False, {}) == (
        spooled.prediction_id,
        spooled.received_at,
        spooled.answered_by,
        spooled.is_deleted,
        spooled.unknown,
    )
    ingest_all(project)
    assert spooled == where(stores, spec, row["feedback_id"])
    with pytest.raises(UnknownError, match="has no feedback 'another'"):
        where(stores, spec, "another")
