"""The state of feedback: events and marks of people who act at once, acceptance exactly once, deletion, erasure."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.improve.accepted_feedback import AcceptedFeedback, AcceptedFeedbacks
from modelops_pipelines.store.state.improve.feedback_events import Act, FeedbackEvents
from modelops_pipelines.store.state.improve.feedback_marks import FeedbackMark, FeedbackMarks

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCEPTED = AcceptedFeedback("cancer", "f", "r-0", NOW, "1", NOW, "ann")

ABOUT = {"prediction_id": "r-0"}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'state.db'}")


def act(action: str, actor: str = "ann", feedback_id: str = "f", note: str | None = None) -> Act:
    return Act("cancer", feedback_id, action, actor, NOW, note)


def test_two_reviewers_who_flag_and_unflag_at_once_both_stay_in_the_history(database: Database) -> None:
    marks = FeedbackMarks(database)
    people = [("flagged", f"ann {n}") if n % 2 else ("unflagged", f"bob {n}") for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: marks.change(act(*one)), people))
    history = FeedbackEvents(database).of("cancer", "f")
    assert sorted(people) == sorted((event.action, event.actor) for event in history)
    flagged = False
    for event in history:
        assert flagged == event.detail["before"]["flagged"]
        flagged = event.action == "flagged"
    assert marks.find("cancer", "f") == FeedbackMark("cancer", "f", flagged, None, None, history[-1].id)


def test_an_assignment_keeps_whose_it_was_before(database: Database) -> None:
    marks = FeedbackMarks(database)
    marks.change(act("assigned"), "bob")
    assert marks.change(act("assigned", note="away"), "eve").assignee == "eve"
    assert marks.change(act("assigned"), None).assignee is None
    assert ["bob", "eve", None] == [one.detail["assignee"] for one in FeedbackEvents(database).of("cancer", "f")]
    assert [None, "bob", "eve"] == [
        one.detail["before"]["assignee"] for one in FeedbackEvents(database).of("cancer", "f")
    ]


def test_a_hundred_acceptances_at_once_are_one(database: Database) -> None:
    store = AcceptedFeedbacks(database)
    with ThreadPoolExecutor(20) as threads:
        outcomes = list(threads.map(lambda _: store.accept(ACCEPTED), range(100)))
    assert (1, 1) == (outcomes.count(True), store.count("cancer"))
    assert [ACCEPTED] == store.of("cancer")
    assert ["accepted"] == [event.action for event in FeedbackEvents(database).of("cancer", "f")]


def test_deleted_feedback_is_accepted_no_longer_and_nothing_more_can_be_done_with_it(database: Database) -> None:
    marks, store = FeedbackMarks(database), AcceptedFeedbacks(database)
    marks.change(act("flagged", note="she wrote: my name is Ann"))
    store.accept(ACCEPTED)
    assert [True, False] == [marks.delete(act("deleted", "bob"), ABOUT) for _ in range(2)]
    assert ([], ["f"], []) == (store.of("cancer"), marks.deleted("cancer"), marks.flagged("cancer"))
    history = FeedbackEvents(database).of("cancer", "f")
    assert [("flagged", None), ("accepted", None), ("deleted", None)] == [(one.action, one.note) for one in history]
    assert ("r-0", True) == (history[-1].detail["prediction_id"], history[-1].detail["accepted"])
    with pytest.raises(UnknownError, match="was deleted at 2026-03-01T12:00:00"):
        store.accept(ACCEPTED)
    with pytest.raises(UnknownError, match="was deleted"):
        marks.change(act("flagged"))
    assert store.of("cancer") == []


def test_acceptances_and_a_deletion_at_once_leave_nothing_accepted(database: Database) -> None:
    marks, store = FeedbackMarks(database), AcceptedFeedbacks(database)

    def step(number: int) -> object:
        if number == 10:
            return marks.delete(act("deleted"), ABOUT)
        try:
            return store.accept(ACCEPTED)
        except UnknownError:
            return None

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(step, range(20)))
    assert ([], ["f"]) == (store.of("cancer"), marks.deleted("cancer"))


def test_an_erasure_removes_events_marks_and_acceptances_of_these_pieces_only(database: Database) -> None:
    marks, store = FeedbackMarks(database), AcceptedFeedbacks(database)
    store.accept(ACCEPTED)
    marks.change(act("flagged", feedback_id="other"))
    assert (3, 0) == tuple(marks.erase("cancer", ["f", "none"]) for _ in range(2))
    assert ([], ["other"]) == (store.of("cancer"), [one.feedback_id for one in marks.of("cancer")])
    assert FeedbackEvents(database).of("cancer", "f") == []
    assert len(FeedbackEvents(database).of("cancer", "other")) == 1


@pytest.fixture(scope="module")
def kept_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return Database(f"sqlite:///{tmp_path_factory.mktemp('feedback') / 'state.db'}")


@settings(max_examples=60)
@given(acts=st.lists(st.sampled_from(["flagged", "unflagged", "assigned", "accepted", "deleted"]), max_size=12))
def test_any_order_of_acts_adds_up_to_what_its_events_say(kept_database: Database, acts: list[str]) -> None:
    database, marks, store = kept_database, FeedbackMarks(kept_database), AcceptedFeedbacks(kept_database)
    marks.erase("cancer", ["f"])
    for number, action in enumerate(acts):
        one = Act("cancer", "f", action, "ann", NOW + timedelta(seconds=number))
        try:
            if action == "accepted":
                store.accept(ACCEPTED)
            elif action == "deleted":
                marks.delete(one, ABOUT)
            else:
                marks.change(one, "bob")
        except UnknownError:
            assert "deleted" in acts[:number]
    done = [event.action for event in FeedbackEvents(database).of("cancer", "f")]
    kept = acts[: acts.index("deleted") + 1] if "deleted" in acts else acts
    once = [one for place, one in enumerate(kept) if one != "accepted" or one not in kept[:place]]
    assert once == done
    mark = marks.find("cancer", "f")
    flags = [one for one in done if one in {"flagged", "unflagged"}]
    is_there = "deleted" not in done
    assert (bool(flags) and flags[-1] == "flagged" and is_there) == (mark is not None and mark.flagged)
    assert (is_there and "accepted" in done) == (store.count("cancer") == 1)
