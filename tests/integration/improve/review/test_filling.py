"""What the review queue is filled with, and that filling it again changes nothing."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.improvement import ReviewPolicy
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.review.fill_queue import fill_queue
from modelops_pipelines.store.state.improve.feedback_events import FLAGGED, UNFLAGGED, Act
from tests.fakes.records import feedback_row, request_record
from tests.support.project import Project
from tests.worlds.reviewed import POLICY, ROWS, START, day_record, make_reviewed, send

World = tuple[Project, list[dict[str, Any]]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_reviewed(tmp_path / "project")


def flag(project: Project, feedback: dict[str, Any], action: str = FLAGGED) -> None:
    act = Act("cancer", feedback["feedback_id"], action, "ann", project.stores.now())
    project.stores.feedback_marks.change(act)


def test_each_ended_day_gives_its_random_sample_and_the_strongest_of_the_other_reasons(world: World) -> None:
    project, records = world
    filled = fill_queue(project.stores, project.spec)
    assert {"disagreeing": 2, "costly": 2, "uncertain": 8, "random": 10} == filled.added
    items = project.stores.review_items.of("cancer")
    by_reason: dict[str, set[str]] = {}
    for item in items:
        by_reason.setdefault(item.reason, set()).add(item.prediction_id)
    ended = [record["id"] for record in records[:2]]
    assert {f"{one}-0" for one in ended} == by_reason["disagreeing"]
    assert {f"{one}-1" for one in ended} == by_reason["costly"]
    assert {f"{one}-2" for one in ended} <= by_reason["uncertain"]
    assert {5 / ROWS} == {item.probability for item in items if item.reason == "random"}


def test_filling_again_adds_nothing_and_draws_the_same(world: World) -> None:
    project, _ = world
    fill_queue(project.stores, project.spec)
    before = project.stores.review_items.of("cancer")
    assert {} == fill_queue(project.stores, project.spec).added
    assert before == project.stores.review_items.of("cancer")


def test_late_predictions_are_drawn_as_if_they_had_been_there_and_correct_the_probability(world: World) -> None:
    project, _ = world
    fill_queue(project.stores, project.spec)
    late = request_record("cancer", 77, START + timedelta(hours=2), 3 * ROWS)
    send(project, "predictions", [late])
    fill_queue(project.stores, project.spec)
    drawn = project.stores.review_items.of("cancer", START, START + timedelta(hours=3), "random")
    assert len(drawn) > 5
    assert {len(drawn) / (4 * ROWS)} == {item.probability for item in drawn}


def test_labels_that_come_late_may_add_costly_predictions_within_the_days_limit(tmp_path: Path) -> None:
    policy = ReviewPolicy(("costly",), per_day=2)
    project, records = make_reviewed(tmp_path / "project", policy)
    assert {"costly": 2} == fill_queue(project.stores, project.spec).added
    from tests.fakes.records import label_row

    wrong = [label_row(records[0], row, "0", START + timedelta(days=2)) for row in (5, 6, 7)]
    send(project, "labels", [{"rows": wrong}])
    assert {"costly": 1} == fill_queue(project.stores, project.spec).added
    assert {} == fill_queue(project.stores, project.spec).added


def test_flagged_feedback_puts_its_prediction_in_and_unflagging_takes_it_out_unless_it_was_judged(
    world: World,
) -> None:
    project, records = world
    given = [feedback_row(records[2], row, 1, None) for row in (3, 4)]
    send(project, "feedback", [{"rows": given}])
    for one in given:
        flag(project, one)
    assert 2 == fill_queue(project.stores, project.spec).added["flagged"]
    flag(project, given[0], UNFLAGGED)
    filled = fill_queue(project.stores, project.spec)
    statuses = {item.prediction_id: item.status for item in project.stores.review_items.of("cancer", reason="flagged")}
    assert (1, {}) == (filled.dropped, filled.added)
    assert {f"{records[2]['id']}-3": "dropped", f"{records[2]['id']}-4": "open"} == statuses


def test_a_fixed_share_of_the_predictions_wants_the_verdicts_of_several_reviewers(tmp_path: Path) -> None:
    project, _ = make_reviewed(tmp_path / "project", replace(POLICY, random=ROWS, shared=0.3), days=5)
    fill_queue(project.stores, project.spec)
    items = project.stores.review_items.of("cancer")
    wanted = Counter(item.wanted for item in items if item.reason == "random")
    assert {1, 2} == set(wanted)
    assert 0.15 < wanted[2] / (4 * ROWS) < 0.45
    assert all(1 == len({one.wanted for one in items if one.prediction_id == item.prediction_id}) for item in items)


def test_an_endpoint_without_reasons_says_what_to_write(world: World) -> None:
    project, _ = world
    bare = replace(project.spec, review=ReviewPolicy())
    with pytest.raises(ConflictError, match="has no reasons to review predictions") as refused:
        fill_queue(project.stores, bare)
    assert "review: {reasons:" in refused.value.remedy


def test_a_reason_without_any_prediction_says_why_and_one_with_some_is_not_missing(tmp_path: Path) -> None:
    project, _ = make_reviewed(tmp_path / "project", ReviewPolicy(("uncertain", "costly")), days=0)
    send(project, "predictions", [request_record("cancer", 99, START, 2, s=None)])
    send(project, "predictions", [day_record(1)])
    nothing = "the model gives no scores"
    first = fill_queue(project.stores, project.spec)
    assert ({}, nothing) == (first.added, first.missing["uncertain"])
    send(project, "predictions", [day_record(2)])
    second = fill_queue(project.stores, project.spec)
    assert second.added["uncertain"]
    assert "uncertain" not in second.missing
    assert not set(second.added) & set(second.missing)


def test_the_predictions_of_an_erased_user_leave_the_queue_and_do_not_come_back(tmp_path: Path) -> None:
    project, records = make_reviewed(tmp_path / "project", replace(POLICY, random=ROWS))
    theirs = request_record("cancer", 50, START + timedelta(hours=3), 4, user="bob", s=[0.5] * 4)
    send(project, "predictions", [theirs])
    fill_queue(project.stores, project.spec)
    mine = {f"{theirs['id']}-{row}" for row in range(4)}
    assert mine <= {item.prediction_id for item in project.stores.review_items.of("cancer")}
    erase_user(project.stores, "bob", [project.spec], "ann")
    assert not mine & {item.prediction_id for item in project.stores.review_items.of("cancer")}
    fill_queue(project.stores, project.spec)
    assert not mine & {item.prediction_id for item in project.stores.review_items.of("cancer")}
    assert records
