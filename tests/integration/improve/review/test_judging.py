"""What reviewers' verdicts become: labels, each once, with the reviewer's name."""

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.improvement import ReviewPolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import BusyError, ConflictError, InputError, UnknownError
from modelops_pipelines.core.tables.lake import LABELS, typed_for
from modelops_pipelines.operations.improve.review import judge as judging
from modelops_pipelines.operations.improve.review.agreement import review_summary
from modelops_pipelines.operations.improve.review.fill_queue import fill_queue
from modelops_pipelines.operations.improve.review.judge import assign, judge, reopen, write_decided_labels
from modelops_pipelines.operations.improve.review.views import list_items, show_item
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.improve.review_items import ReviewItem
from modelops_pipelines.store.stores import Stores
from tests.support.project import Project
from tests.worlds.reviewed import ROWS, make_reviewed

ONE = ReviewPolicy(("random",), random=20, shared=0.0)
TWO = replace(ONE, shared=1.0)


def queue(tmp_path: Path, policy: ReviewPolicy) -> tuple[Project, list[ReviewItem]]:
    project, _ = make_reviewed(tmp_path / "project", policy)
    fill_queue(project.stores, project.spec)
    return project, project.stores.review_items.of("cancer")


def reviews(project: Project) -> list[dict[str, Any]]:
    """Return the labels that came from reviews, withdrawals included."""
    table = typed_for(LABELS, project.spec.task)
    with project.stores.lake.query("cancer", [table]) as lake:
        rows: list[dict[str, Any]] = (
            lake.sql("SELECT prediction_id, label, author, source, withdraws FROM labels WHERE source = 'review'")
            .to_arrow_table()
            .to_pylist()
        )
    return sorted(rows, key=lambda row: (row["prediction_id"], row["author"], row["withdraws"] or ""))


def label_of(project: Project, prediction: str) -> Any:
    with project.stores.lake.query("cancer", [typed_for(LABELS, project.spec.task)]) as lake:
        lake.execute(sql.named("label_now"))
        found = lake.execute("SELECT label FROM label_now WHERE prediction_id = $p", {"p": prediction}).fetchone()
    return None if found is None else found[0]


def test_a_verdict_confirms_corrects_or_rejects(tmp_path: Path) -> None:
    project, items = queue(tmp_path, ONE)
    stores, spec = project.stores, project.spec
    confirmed = judge(stores, spec, items[0].id, "confirm", "ann")
    corrected = judge(stores, spec, items[1].id, "correct", "ann", label=0, note="a scan shows it")
    rejected = judge(stores, spec, items[2].id, "reject", "bob")
    assert ["done"] * 3 == [confirmed.status, corrected.status, rejected.status]
    expected = {(items[0].prediction_id, "1", "ann"), (items[1].prediction_id, "0", "ann")}
    assert expected == {(row["prediction_id"], row["label"], row["author"]) for row in reviews(project)}
    assert "0" == label_of(project, items[1].prediction_id)


def test_two_reviewers_who_agree_decide_and_each_gives_a_label(tmp_path: Path) -> None:
    project, items = queue(tmp_path, TWO)
    assert "open" == judge(project.stores, project.spec, items[0].id, "confirm", "ann").status
    assert [] == reviews(project)
    assert "done" == judge(project.stores, project.spec, items[0].id, "correct", "bob", label="1").status
    assert ["ann", "bob"] == [row["author"] for row in reviews(project)]


def test_a_conflict_stays_open_until_a_third_reviewer_decides(tmp_path: Path) -> None:
    project, items = queue(tmp_path, TWO)
    stores, spec, number = project.stores, project.spec, items[0].id
    judge(stores, spec, number, "confirm", "ann")
    assert "open" == judge(stores, spec, number, "correct", "bob", label="0").status
    assert show_item(stores, spec, number, "ann")["conflict"]
    assert "done" == judge(stores, spec, number, "correct", "cid", label="0").status
    assert [("bob", "0"), ("cid", "0")] == [(row["author"], row["label"]) for row in reviews(project)]


def test_a_later_verdict_of_the_same_reviewer_replaces_the_earlier_one_which_stays_in_the_history(
    tmp_path: Path,
) -> None:
    project, items = queue(tmp_path, TWO)
    stores, spec, number = project.stores, project.spec, items[0].id
    judge(stores, spec, number, "confirm", "ann", note="looks right")
    judge(stores, spec, number, "correct", "ann", label="0", note="no, it does not")
    shown = show_item(stores, spec, number, "ann")
    assert [("ann", "0")] == [(one["reviewer"], one["label"]) for one in shown["given"]]
    assert [("ann", "1", "looks right")] == [(one["reviewer"], one["label"], one["note"]) for one in shown["replaced"]]
    assert "done" == judge(stores, spec, number, "correct", "bob", label="0").status
    assert ["0", "0"] == [row["label"] for row in reviews(project)]


def test_verdicts_on_an_open_item_are_hidden_from_who_has_not_judged_it(tmp_path: Path) -> None:
    project, items = queue(tmp_path, TWO)
    judge(project.stores, project.spec, items[0].id, "confirm", "ann")
    hidden = show_item(project.stores, project.spec, items[0].id, "bob")
    assert (1, []) == (hidden["verdicts"], hidden["given"])
    assert {"x", "c"} == set(hidden["features"])


def test_a_done_item_takes_no_verdict_and_is_reopened_with_a_reason_which_withdraws_its_label(tmp_path: Path) -> None:
    project, items = queue(tmp_path, ONE)
    stores, spec, item = project.stores, project.spec, items[0]
    before = label_of(project, item.prediction_id)
    judge(stores, spec, item.id, "correct", "ann", label="0")
    with pytest.raises(ConflictError, match="is done") as refused:
        judge(stores, spec, item.id, "confirm", "bob")
    assert f"modelops review reopen cancer {item.id}" in refused.value.remedy
    with pytest.raises(InputError, match="needs a reason"):
        reopen(stores, spec, item.id, "bob", " ")
    assert "open" == reopen(stores, spec, item.id, "bob", "the wrong patient").status
    assert before == label_of(project, item.prediction_id)
    judge(stores, spec, item.id, "correct", "ann", label="0")
    assert "0" == label_of(project, item.prediction_id)
    assert [None, None] == [row["withdraws"] for row in reviews(project) if row["withdraws"] is None]
    assert ["the wrong patient"] == [one["note"] for one in show_item(stores, spec, item.id)["reopened"]]


def test_what_cannot_be_a_verdict_is_refused_with_the_remedy(tmp_path: Path) -> None:
    project, items = queue(tmp_path, ONE)
    stores, spec, number = project.stores, project.spec, items[0].id
    with pytest.raises(UnknownError, match="has no item 999"):
        judge(stores, spec, 999, "confirm", "ann")
    with pytest.raises(InputError, match="needs the right label"):
        judge(stores, spec, number, "correct", "ann")
    with pytest.raises(InputError, match="takes no label"):
        judge(stores, spec, number, "confirm", "ann", label="1")
    with pytest.raises(InputError, match="'7' is not a class of the model"):
        judge(stores, spec, number, "correct", "ann", label=7)


def test_an_item_is_taken_by_one_person_and_free_again_after_a_first_verdict(tmp_path: Path) -> None:
    project, items = queue(tmp_path, TWO)
    stores, spec, number = project.stores, project.spec, items[0].id
    assert "ann" == assign(stores, spec, number, "ann").assignee
    with pytest.raises(ConflictError, match="is assigned to 'ann'"):
        assign(stores, spec, number, "bob")
    assert "bob" == assign(stores, spec, number, "bob", force=True).assignee
    assert judge(stores, spec, number, "confirm", "bob").assignee is None
    assert [number] == [one["id"] for one in list_items(stores, spec, limit=1).items]
    assert number not in [one["id"] for one in list_items(stores, spec, not_judged_by="bob").items]


def test_pages_have_every_item_once_while_items_are_judged_between_them(tmp_path: Path) -> None:
    project, items = queue(tmp_path, ONE)
    seen: list[int] = []
    cursor = None
    while True:
        page = list_items(project.stores, project.spec, cursor=cursor, limit=7)
        seen += [one["id"] for one in page.items]
        judge(project.stores, project.spec, page.items[0]["id"], "confirm", "ann")
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(one.id for one in items) == sorted(seen)
    with pytest.raises(InputError, match="The cursor is none"):
        list_items(project.stores, project.spec, cursor="WyJhIl0")


def test_a_reviewer_who_was_lost_between_the_verdict_and_its_label_leaves_no_label_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, items = queue(tmp_path, ONE)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(judging, "write_labels", killed)
        with pytest.raises(KeyboardInterrupt):
            judge(project.stores, project.spec, items[0].id, "correct", "ann", label="0")
    assert ("decided", []) == (project.stores.review_items.decided("cancer")[0].status, reviews(project))
    assert 1 == write_decided_labels(project.stores, project.spec)
    assert "done" == judge(project.stores, project.spec, items[0].id, "correct", "ann", label="0").status
    with pytest.raises(ConflictError, match="is done"):
        judge(project.stores, project.spec, items[0].id, "confirm", "ann")
    assert 0 == write_decided_labels(project.stores, project.spec)
    assert [("ann", "0")] == [(row["author"], row["label"]) for row in reviews(project)]


def test_a_verdict_sent_again_writes_the_label_that_was_not_written_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, items = queue(tmp_path, ONE)

    def busy(*_: object) -> None:
        raise BusyError("The labels are being ingested", "Try again")

    with monkeypatch.context() as patched:
        patched.setattr(judging, "write_labels", busy)
        with pytest.raises(BusyError):
            judge(project.stores, project.spec, items[0].id, "confirm", "ann")
    assert "done" == judge(project.stores, project.spec, items[0].id, "confirm", "ann").status
    assert [("ann", "1")] == [(row["author"], row["label"]) for row in reviews(project)]


def test_the_estimate_of_quality_counts_the_random_sample_alone(tmp_path: Path) -> None:
    policy = ReviewPolicy(("random", "costly", "disagreeing"), per_day=10, random=ROWS, shared=0.0)
    project, items = queue(tmp_path, policy)
    stores, spec = project.stores, project.spec
    for item in items:
        if stores.review_items.find("cancer", item.id).status == "open":  # type: ignore[union-attr]
            right = not item.prediction_id.endswith(("-0", "-1"))
            judge(
                stores,
                spec,
                item.id,
                *(("confirm", "ann") if right else ("correct", "ann")),
                label=None if right else "0",
            )
    found = review_summary(stores, spec)
    quality = found["quality"]
    assert ("accuracy", 1 - 2 / ROWS, 2 * ROWS) == (quality["metric"], quality["value"], quality["judged"])
    assert found["agreement"]["reason"] == "no prediction has verdicts of two reviewers"
    assert 0 == found["open"]


def review_all(folder: Path, environment: dict[str, str], spec: EndpointSpec, who: str, start: Any) -> None:
    """Judge every item of the queue, in an order of one's own."""
    stores = Stores(load_settings(folder, environment))
    start.wait(60)
    items = stores.review_items.of("cancer")
    for item in items if who == "ann" else items[::-1]:
        wrong = int(item.prediction_id.rpartition("-")[2]) % 5 == 0 and who == "bob"
        judge(stores, spec, item.id, "correct" if wrong else "confirm", who, label="0" if wrong else None)
    stores.database.close()


def test_two_reviewers_in_two_processes_lose_no_verdict_and_each_label_is_written_once(tmp_path: Path) -> None:
    project, items = queue(tmp_path, TWO)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    parts = (project.folder, project.environment, project.spec)
    people = [context.Process(target=review_all, args=(*parts, who, start)) for who in ("ann", "bob")]
    for one in people:
        one.start()
    for one in people:
        one.join(200)
    assert [0, 0] == [one.exitcode for one in people]
    verdicts = project.stores.review_verdicts.on([item.id for item in items])
    assert all(["ann", "bob"] == sorted(one.reviewer for one in given) for given in verdicts.values())
    agreed = [item for item in items if int(item.prediction_id.rpartition("-")[2]) % 5]
    expected = sorted((item.prediction_id, who) for item in agreed for who in ("ann", "bob"))
    assert expected == [(row["prediction_id"], row["author"]) for row in reviews(project)]
    statuses = {item.id: item.status for item in project.stores.review_items.of("cancer")}
    assert {item.id: "done" if item in agreed else "open" for item in items} == statuses
    agreement = review_summary(project.stores, project.spec)["agreement"]
    assert (len(items), len(agreed) / len(items)) == (agreement["shared"], agreement["agreed"])
