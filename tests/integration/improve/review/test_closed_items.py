"""Closed items of the review queue go after their retention; open ones, and what would come back, stay."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.improvement import ReviewPolicy
from modelops_pipelines.operations.improve.review.fill_queue import fill_queue
from modelops_pipelines.operations.improve.review.judge import judge
from modelops_pipelines.operations.maintenance.review_items import KIND, delete_closed_reviews
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.improve.feedback_events import FLAGGED, UNFLAGGED, Act
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import feedback_row
from tests.support.project import Project
from tests.worlds.reviewed import day_record, make_reviewed, send

DAY = timedelta(days=1)
POLICY = ReviewPolicy(("flagged", "random"), random=4, shared=0.0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose first day has 4 random items and a flagged one; the log then goes on for a month."""
    made, records = make_reviewed(tmp_path / "project", POLICY, days=2)
    given = feedback_row(records[0], 7, 1, None)
    send(made, "feedback", [{"rows": [given]}])
    flag(made, given["feedback_id"], FLAGGED)
    fill_queue(made.stores, made.spec)
    flagged, drawn = (made.stores.review_items.of("cancer", reason=reason) for reason in ("flagged", "random"))
    other = [item for item in drawn if item.prediction_id != flagged[0].prediction_id]
    for item in (flagged[0], *other[:2]):
        judge(made.stores, made.spec, item.id, "confirm", "ann")
    return made


def flag(project: Project, feedback_id: str, action: str) -> None:
    project.stores.feedback_marks.change(Act("cancer", feedback_id, action, "ann", project.stores.now()))


def statuses(project: Project) -> list[tuple[int, str]]:
    return [(one.id, one.status) for one in project.stores.review_items.of("cancer")]


def deleted(project: Project, days: float, *, dry_run: bool = False) -> int:
    at = project.stores.now() + days * DAY
    return sum(effect.items for effect in delete_closed_reviews(project.stores, at, dry_run=dry_run))


def test_only_what_is_closed_and_comes_not_back_is_deleted_after_its_retention(project: Project) -> None:
    whole = statuses(project)
    closed = {number for number, status in whole if status == "done"}
    assert (0, 0) == (deleted(project, 91), deleted(project, 89))  # the next filling looks at the day of the items
    send(project, "predictions", [day_record(40)])
    flagged = {one.id for one in project.stores.review_items.of("cancer", reason="flagged")}
    assert (0, len(closed - flagged)) == (deleted(project, 89), deleted(project, 91, dry_run=True))
    assert whole == statuses(project)

    assert len(closed - flagged) == deleted(project, 91)

    assert [one for one in whole if one[0] not in closed - flagged] == statuses(project)
    assert {} == {
        number: said for number, said in project.stores.review_verdicts.on(list(closed - flagged)).items() if said
    }
    (audited,) = project.stores.deletions.newest(5, kind=KIND)
    assert (len(closed - flagged), True) == (audited.items, audited.finished_at is not None)
    fill_queue(project.stores, project.spec)
    assert not {number for number, _ in statuses(project)} & (closed - flagged)

    (item,) = project.stores.review_items.of("cancer", reason="flagged")
    for feedback_id in item.detail["feedback_ids"]:
        flag(project, feedback_id, UNFLAGGED)
    assert 1 == deleted(project, 91)
    assert {"open"} == {status for _, status in statuses(project)}
    assert 0 == deleted(project, 4000)  # open ones never


def test_never_is_never(project: Project, tmp_path: Path) -> None:
    send(project, "predictions", [day_record(40)])
    settings: dict[str, Any] = {**project.environment, "MODELOPS_RETAIN_REVIEWS": "never"}
    stores = Stores(load_settings(project.folder, settings))
    assert [] == list(delete_closed_reviews(stores, stores.now() + 4000 * DAY, dry_run=True))
    stores.database.close()
