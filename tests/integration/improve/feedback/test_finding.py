"""Feedback in the spool and in the lake, listed, filtered, paged and counted as one."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.capture.spool_records import Feedback
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.core.improve.feedback.search import FeedbackSearch
from modelops_pipelines.operations.improve.feedback.act_on_feedback import accept, assign, delete, flag
from modelops_pipelines.operations.improve.feedback.find_feedback import feedback_of, find_feedback, recent_feedback
from modelops_pipelines.operations.improve.feedback.statistics import feedback_statistics
from tests.fakes.said import ingest_all, said, write_log, write_said
from tests.support.project import Project, copied_project, make_project

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
TEXTS = ["Good", "too late for me", None, "100% wrong; DROP TABLE feedback", "Größe falsch"]
CATEGORIES = [(), ("speed",), ("speed", "accuracy"), ('ünlaut "quoted"',), ()]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def pieces(records: list[dict[str, Any]], count: int, start: int = 0) -> list[dict[str, Any]]:
    """Return rows of different feedback, a minute after another, on predictions of both versions."""
    rows = []
    for n in range(start, start + count):
        rating = None if n % 4 == 3 else 1 + n % 5
        thumbs = (None, "up", "down")[n % 3]
        corrected = "0" if n % 7 == 0 else None
        given = Feedback(rating, thumbs, TEXTS[n % 5], corrected, f"user {n}", None, CATEGORIES[n % 5])
        rows.append(said(records[n % len(records)], n % 2, NOON + timedelta(minutes=n), given))
    return rows


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["feedback_id"] for row in rows]


def test_feedback_is_found_from_the_moment_it_is_in_the_spool_and_once_when_it_is_in_the_lake(
    project: Project,
) -> None:
    records = write_log(project.stores)
    rows = pieces(records, 5)
    write_said(project.stores, rows)
    newest_first = ids(rows)[::-1]
    spooled = recent_feedback(project.stores, project.spec)
    assert (newest_first, None, True) == (ids(spooled.rows), spooled.next, spooled.complete)
    ingest_all(project)
    assert spooled.rows == recent_feedback(project.stores, project.spec).rows
    write_said(project.stores, rows[:2])
    assert spooled.rows == recent_feedback(project.stores, project.spec).rows
    shown = feedback_of(project.stores, project.spec, rows[1]["feedback_id"])
    assert ("2", "1", ["speed"], 2, "up") == tuple(
        shown[name] for name in ("model_version", "prediction", "categories", "rating", "thumbs")
    )
    assert (NOON + timedelta(minutes=1), False, None) == (shown["received_at"], shown["flagged"], shown["assignee"])


@pytest.mark.parametrize("first", [0, 1])
def test_what_two_workers_received_keeps_its_place_when_it_is_ingested(project: Project, first: int) -> None:
    records = write_log(project.stores)
    times = [NOON + timedelta(hours=4), NOON]
    other = said(records[1], 0, NOON + timedelta(hours=2), Feedback(rating=5))
    for at in (times[first], times[1 - first]):
        write_said(project.stores, [said(records[0], 0, at, Feedback(rating=1))])
    write_said(project.stores, [other])
    spooled = find_feedback(project.stores, project.spec).rows
    assert [NOON + timedelta(hours=2), NOON] == [row["received_at"] for row in spooled]
    ingest_all(project)
    assert spooled == find_feedback(project.stores, project.spec).rows


def test_unknown_feedback_is_named_with_what_to_do(project: Project) -> None:
    with pytest.raises(UnknownError, match=r"'cancer' has no feedback 'nothing'.*modelops feedback list cancer"):
        feedback_of(project.stores, project.spec, "nothing")


SEARCHES: dict[str, tuple[FeedbackSearch, Any]] = {
    "rating": (FeedbackSearch(rating_from=2, rating_to=3), lambda row: row["rating"] in (2, 3)),
    "thumbs": (FeedbackSearch(thumbs="down"), lambda row: row["thumbs"] == "down"),
    "version": (FeedbackSearch(version="2"), lambda row: row["model_version"] == "2"),
    "text": (FeedbackSearch(text="LATE"), lambda row: "late" in (row["comment"] or "")),
    "a text with wildcards": (FeedbackSearch(text="0% W"), lambda row: "100%" in (row["comment"] or "")),
    "category": (FeedbackSearch(category="speed"), lambda row: "speed" in row["categories"]),
    "a category in quotes": (FeedbackSearch(category='ünlaut "quoted"'), lambda row: "ünlaut" in str(row)),
    "flagged": (FeedbackSearch(flagged=True), lambda row: row["flagged"]),
    "not flagged": (FeedbackSearch(flagged=False), lambda row: not row["flagged"]),
    "assignee": (FeedbackSearch(assignee="bob"), lambda row: row["assignee"] == "bob"),
    "accepted": (FeedbackSearch(accepted=True), lambda row: row["accepted_label"] is not None),
    "corrected": (FeedbackSearch(corrected=True), lambda row: row["corrected_label"] is not None),
    "time": (
        FeedbackSearch(since=NOON + timedelta(minutes=3), until=NOON + timedelta(minutes=9)),
        lambda row: NOON + timedelta(minutes=3) <= row["received_at"] < NOON + timedelta(minutes=9),
    ),
    "several": (
        FeedbackSearch(thumbs="up", version="1"),
        lambda row: row["thumbs"] == "up" and row["model_version"] == "1",
    ),
}


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Thirty pieces of feedback, half in the lake and half in the spool, some flagged, assigned, accepted, deleted."""
    project = make_project(tmp_path_factory.mktemp("marked") / "project")
    stores, spec = project.stores, project.spec
    rows = pieces(write_log(stores), 34)
    write_said(stores, rows[:15])
    ingest_all(project)
    write_said(stores, rows[15:])
    for row in (rows[2], rows[20]):
        flag(stores, spec, row["feedback_id"], "ann")
        assign(stores, spec, row["feedback_id"], "ann", "bob")
    for row in (rows[0], rows[7], rows[28]):
        accept(stores, spec, row["feedback_id"], "ann")
    for row in (rows[5], rows[14], rows[25], rows[33]):
        delete(stores, spec, row["feedback_id"], "ann")
    return project


@pytest.mark.parametrize(("search", "wanted"), SEARCHES.values(), ids=SEARCHES)
def test_a_filter_finds_what_a_look_at_every_piece_finds(marked: Project, search: FeedbackSearch, wanted: Any) -> None:
    everything = find_feedback(marked.stores, marked.spec, limit=1000).rows
    expected = [row for row in everything if wanted(row)]
    assert (30, True) == (len(everything), 0 < len(expected) < 30)
    assert expected == find_feedback(marked.stores, marked.spec, search, limit=1000).rows


@pytest.mark.parametrize(("search", "wanted"), [(FeedbackSearch(), lambda _: True), *SEARCHES.values()])
def test_statistics_equal_a_recount_of_the_rows(marked: Project, search: FeedbackSearch, wanted: Any) -> None:
    rows = [row for row in find_feedback(marked.stores, marked.spec, limit=1000).rows if wanted(row)]
    assert recount(rows) == feedback_statistics(marked.stores, marked.spec, search)


def recount(rows: list[dict[str, Any]]) -> dict[str, Any]:
    versions = sorted({row["model_version"] for row in rows}, key=lambda one: (one is None, one))
    days = sorted({f"{row['received_at']:%Y-%m-%d}" for row in rows})
    categories = sorted({name for row in rows for name in row["categories"]}, key=lambda one: one.encode())
    ratings = Counter(row["rating"] for row in rows)
    return {
        **counts(rows),
        "ratings": {str(rating): ratings[rating] for rating in range(1, 6)},
        "by_version": [
            {"version": one, **counts([row for row in rows if row["model_version"] == one])} for one in versions
        ],
        "by_category": [
            {"category": one, **counts([row for row in rows if one in row["categories"]])} for one in categories
        ],
        "by_day": [
            {"day": one, **counts([row for row in rows if f"{row['received_at']:%Y-%m-%d}" == one])} for one in days
        ],
        "complete": True,
    }


def counts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    rated = [row["rating"] for row in rows if row["rating"] is not None]
    return {
        "feedback": len(rows),
        "rated": len(rated),
        "thumbs_up": sum(row["thumbs"] == "up" for row in rows),
        "thumbs_down": sum(row["thumbs"] == "down" for row in rows),
        "comments": sum(row["comment"] is not None for row in rows),
        "corrections": sum(row["corrected_label"] is not None for row in rows),
        "flagged": sum(row["flagged"] for row in rows),
        "accepted": sum(row["accepted_label"] is not None for row in rows),
        "average_rating": sum(rated) / len(rated) if rated else None,
    }


FEEDBACK = st.builds(
    Feedback,
    rating=st.none() | st.integers(1, 5),
    thumbs=st.sampled_from([None, "up", "down"]),
    comment=st.none() | st.text(max_size=8).filter(lambda text: text.isprintable()),
    corrected_label=st.sampled_from([None, "0", "1"]),
    categories=st.lists(st.sampled_from(["a", "b", "'; --"]), max_size=2).map(tuple),
)
GIVEN = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 3000), FEEDBACK), max_size=25)


@settings(max_examples=8)
@given(spoken=GIVEN, cut=st.integers(0, 25), deleted=st.sets(st.integers(0, 24), max_size=4))
def test_statistics_of_any_feedback_equal_a_recount(
    logged: Project, tmp_path_factory: pytest.TempPathFactory, spoken: Any, cut: int, deleted: set[int]
) -> None:
    project = copied_project(logged, tmp_path_factory.mktemp("any") / "project")
    records = write_log(project.stores)
    rows = [said(records[n], row, NOON + timedelta(minutes=at), one) for n, row, at, one in spoken]
    write_said(project.stores, rows[:cut])
    ingest_all(project)
    write_said(project.stores, rows[cut:])
    gone = {rows[n]["feedback_id"] for n in deleted if n < len(rows)}
    for feedback_id in gone:
        delete(project.stores, project.spec, feedback_id, "ann")
    found = find_feedback(project.stores, project.spec, limit=1000).rows
    assert {row["feedback_id"] for row in rows} - gone == {row["feedback_id"] for row in found}
    assert recount(found) == feedback_statistics(project.stores, project.spec)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("logged") / "project")
    write_log(project.stores)
    ingest_all(project)
    return project


def test_pages_hide_and_repeat_nothing_while_feedback_comes_and_goes_and_is_ingested(project: Project) -> None:
    stores, spec = project.stores, project.spec
    records = write_log(stores)
    rows = pieces(records, 40)
    write_said(stores, rows[:20])
    ingest_all(project)
    write_said(stores, rows[20:])
    kept = ids(rows)[::-1]
    page = find_feedback(stores, spec, limit=7)
    seen, number = ids(page.rows), 0
    while page.next is not None:
        number += 1
        write_said(stores, pieces(records, 3, 100 + 10 * number))
        delete(stores, spec, seen[-1], "ann")
        if number % 2:
            ingest_all(project)
        page = find_feedback(stores, spec, limit=7, cursor=page.next)
        seen += ids(page.rows)
    assert kept == seen


def test_feedback_of_the_same_microsecond_is_paged_in_the_order_of_its_ids(project: Project) -> None:
    records = write_log(project.stores)
    rows = [said(records[n % 6], 0, NOON, Feedback(1 + n % 5, None, f"text {n}")) for n in range(20)]
    write_said(project.stores, rows)
    ingest_all(project)
    seen, cursor = [], None
    while True:
        page = find_feedback(project.stores, project.spec, limit=3, cursor=cursor)
        seen += ids(page.rows)
        if (cursor := page.next) is None:
            break
    assert sorted(ids(rows), reverse=True) == seen
    assert all(one > two for one, two in pairwise(seen))


FAULTS = {
    "rating_from is 0": FeedbackSearch(rating_from=0),
    "thumbs is 'sideways'": FeedbackSearch(thumbs="sideways"),
    "text has 201 characters": FeedbackSearch(text="x" * 201),
    "category has 0 characters": FeedbackSearch(category=""),
    "The time 'since' has no time zone": FeedbackSearch(since=datetime(2026, 1, 1)),  # noqa: DTZ001 - the fault
}


@pytest.mark.parametrize(("said_of_it", "search"), FAULTS.items(), ids=FAULTS)
def test_a_search_that_cannot_be_is_refused_by_name(project: Project, said_of_it: str, search: FeedbackSearch) -> None:
    for ask in (find_feedback, feedback_statistics):
        with pytest.raises(InputError, match=said_of_it):
            ask(project.stores, project.spec, search)


@pytest.mark.parametrize("cursor", ["x", "", "ä", "MTIz", "OTk5OTk5OTk5OTk5OTk5OTk5LmE", "A" * 200])
def test_a_text_that_is_no_cursor_is_refused(project: Project, cursor: str) -> None:
    with pytest.raises(InputError, match="is not a cursor"):
        find_feedback(project.stores, project.spec, cursor=cursor)


def test_feedback_on_an_erased_prediction_is_not_shown_from_the_spool(project: Project) -> None:
    from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests

    records = write_log(project.stores)
    rows = pieces(records, 6)
    write_said(project.stores, rows)
    ErasedRequests(project.stores.database).add("cancer", [records[0]["id"]])
    left = [row["feedback_id"] for row in rows if row["request_id"] != records[0]["id"]]
    assert sorted(left) == sorted(ids(find_feedback(project.stores, project.spec).rows))


def test_a_record_that_fits_no_row_hides_no_other(project: Project) -> None:
    records = write_log(project.stores)
    rows = pieces(records, 2)
    write_said(project.stores, [rows[0], rows[0] | {"rating": "five"}, rows[1]])
    assert sorted(ids(rows)) == sorted(ids(find_feedback(project.stores, project.spec).rows))


def test_a_search_is_a_value() -> None:
    assert replace(FeedbackSearch(), flagged=True).by_marks
    assert not FeedbackSearch(rating_from=1).by_marks
