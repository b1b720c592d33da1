"""What a worker had under way is read from its marks after it has ended."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from modelops_pipelines.core.release.crash_guard import UNTESTED
from modelops_pipelines.core.timestamps import from_micros
from modelops_pipelines.gateway.worker.ended_workers import cause_of, crashes_left, describe_left, note_end
from modelops_pipelines.gateway.worker.request_marks import (
    SLOT_BYTES,
    SLOTS,
    Mark,
    RequestMarks,
    UnderWay,
    digest_of,
    left_behind,
)

REQUEST = UnderWay("cancer", "3", "champion", "d1", 7, "ann", None, None, "key", is_test=False, own_process=False)


@pytest.fixture
def marks(tmp_path: Path) -> RequestMarks:
    return RequestMarks(tmp_path / "marks")


def test_a_mark_is_there_until_it_is_removed_and_says_whether_a_model_has_the_request(
    marks: RequestMarks, tmp_path: Path
) -> None:
    _waiting, entered, left, removed = (_marked(marks, name) for name in "abcd")
    entered.enter()
    left.enter()
    left.leave()
    removed.remove()
    found = left_behind(tmp_path / "marks")
    assert found is not None
    assert os.getpid() == found.pid
    assert {"a": False, "b": True, "c": False} == {request.digest: inside for request, inside in found.requests}
    assert REQUEST == replace(found.requests[0][0], digest="d1")


def test_a_mark_that_was_removed_leaves_nothing_of_its_caller_on_the_disk(marks: RequestMarks, tmp_path: Path) -> None:
    kept, gone = (_marked(marks, digest) for digest in ("kept", "gone"))
    assert (tmp_path / "marks").read_bytes().count(b'"ann"') == 2
    gone.remove()
    assert (tmp_path / "marks").read_bytes().count(b'"ann"') == 1
    kept.remove()
    assert b"ann" not in (tmp_path / "marks").read_bytes()


def test_a_mark_that_was_removed_does_not_come_back_when_the_model_answers_late(
    marks: RequestMarks, tmp_path: Path
) -> None:
    mark = marks.add(REQUEST)
    assert mark is not None
    mark.enter()
    mark.remove()
    mark.leave()
    found = left_behind(tmp_path / "marks")
    assert found is not None
    assert [] == found.requests


def test_without_room_there_is_no_mark_and_a_slot_is_used_again(marks: RequestMarks) -> None:
    assert marks.add(replace(REQUEST, user="x" * SLOT_BYTES)) is None
    taken = [marks.add(REQUEST) for _ in range(SLOTS)]
    assert None not in taken
    assert marks.add(REQUEST) is None
    assert taken[0] is not None
    taken[0].remove()
    assert marks.add(REQUEST) is not None


@pytest.mark.parametrize("content", [None, b"", b"short", b"\xff" * 5000])
def test_a_file_that_is_missing_damaged_or_of_another_start_of_the_machine_tells_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "marks").write_bytes(content)
    assert left_behind(tmp_path / "marks") is None


def test_only_a_signal_that_a_worker_brings_upon_itself_is_a_crash_of_what_a_model_had_in_hand(
    marks: RequestMarks, tmp_path: Path
) -> None:
    for request in (REQUEST, replace(REQUEST, digest="d2"), replace(REQUEST, endpoint="b", own_process=True)):
        mark = marks.add(request)
        assert mark is not None
        mark.enter()
    assert marks.add(replace(REQUEST, version="9")) is not None
    found = left_behind(tmp_path / "marks")
    assert found is not None
    [(key, crash)] = crashes_left(found, "SIGSEGV", from_micros(0)).items()
    assert (("cancer", "3"), {"d1", "d2"}, UNTESTED) == (key, crash.rows, crash.compared)
    said = "1 request(s) to version 3 of b, 2 request(s) to version 3 of cancer, 1 request(s) to version 9 of cancer"
    assert said == describe_left(found)
    ends = tmp_path / "ends.json"
    assert cause_of(ends, 5) is None
    for pid, code in ((5, -11), (6, -9), (7, 0), (8, -6)):
        note_end(ends, pid, code)
    assert ["SIGSEGV", None, None, "SIGABRT"] == [cause_of(ends, pid) for pid in (5, 6, 7, 8)]


def _marked(marks: RequestMarks, digest: str) -> Mark:
    mark = marks.add(replace(REQUEST, digest=digest))
    assert mark is not None
    return mark


def test_bodies_are_told_apart() -> None:
    assert digest_of(b"a") != digest_of(b"b")
