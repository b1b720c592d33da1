"""The newest records of the spool are read once each, in order, a bounded number of bytes at a time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.store.spool.newest import NewestRecords
from modelops_pipelines.store.spool.segments import SegmentWriter, encode, sealed_segments
from tests.fakes.records import START, request_record

PLENTY = 1 << 20


def record(number: int) -> dict[str, Any]:
    return request_record("cancer", number, START + timedelta(seconds=number), 1)


def write(writer: SegmentWriter, *numbers: int) -> None:
    for number in numbers:
        writer.append(encode(record(number)), 0.0)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in found]


def expected(*numbers: int) -> list[str]:
    return [record(number)["id"] for number in numbers]


def test_each_record_is_read_once_across_seals_and_new_segments(tmp_path: Path) -> None:
    writer, newest = SegmentWriter(tmp_path, "cancer", "predictions", "w1"), NewestRecords(tmp_path)
    assert [] == newest.read("cancer", PLENTY)
    write(writer, 1, 2)
    assert expected(1, 2) == ids(newest.read("cancer", PLENTY))
    assert [] == newest.read("cancer", PLENTY)
    write(writer, 3)
    writer.seal()
    write(writer, 4)
    assert expected(3, 4) == ids(newest.read("cancer", PLENTY))
    write(writer, 5)
    assert expected(5) == ids(newest.read("cancer", PLENTY))
    writer.seal()
    assert [] == newest.read("cancer", PLENTY)


def test_the_workers_records_are_in_order_of_time(tmp_path: Path) -> None:
    first, second = (SegmentWriter(tmp_path, "cancer", "predictions", name) for name in ("w1", "w2"))
    newest = NewestRecords(tmp_path)
    write(first, 1, 3)
    write(second, 2, 4)
    assert expected(1, 2, 3, 4) == ids(newest.read("cancer", PLENTY))


def test_of_more_than_is_asked_for_the_last_records_are_read(tmp_path: Path) -> None:
    writer, newest = SegmentWriter(tmp_path, "cancer", "predictions", "w1"), NewestRecords(tmp_path)
    size = len(encode(record(1)))
    write(writer, *range(1, 11))
    assert expected(9, 10) == ids(newest.read("cancer", 2 * size + size // 2))
    write(writer, 11)
    assert expected(11) == ids(newest.read("cancer", 2 * size + size // 2))
    write(writer, *range(12, 20))
    writer.seal()
    write(writer, 20)
    assert expected(20) == ids(newest.read("cancer", size + size // 2))


def test_a_record_that_is_too_large_is_left_out_and_the_next_ones_are_read(tmp_path: Path) -> None:
    writer, newest = SegmentWriter(tmp_path, "cancer", "predictions", "w1"), NewestRecords(tmp_path)
    size = len(encode(record(1)))
    write(writer, 1)
    newest.read("cancer", 2 * size)
    writer.append(encode(request_record("cancer", 2, START, 1, error="x" * 4 * size)), 0.0)
    assert [] == newest.read("cancer", 2 * size)
    write(writer, 3)
    assert expected(3) == ids(newest.read("cancer", 2 * size))


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    writer, newest = SegmentWriter(tmp_path, "cancer", "predictions", "w1"), NewestRecords(tmp_path)
    write(writer, 1)
    [path] = tmp_path.glob("cancer/predictions/w1/*.open")
    line = encode(record(2))
    with path.open("ab") as handle:
        handle.write(line[:40])
    assert expected(1) == ids(newest.read("cancer", PLENTY))
    with path.open("ab") as handle:
        handle.write(line[40:])
    assert expected(2) == ids(newest.read("cancer", PLENTY))


def test_segments_that_are_ingested_leave_nothing_to_read_and_later_ones_are_found(tmp_path: Path) -> None:
    writer, newest = SegmentWriter(tmp_path, "cancer", "predictions", "w1"), NewestRecords(tmp_path)
    write(writer, 1)
    newest.read("cancer", PLENTY)
    writer.seal()
    for segment in sealed_segments(tmp_path, "cancer", "predictions"):
        segment.path.unlink()
    (tmp_path / "cancer" / "predictions" / "w1").rmdir()
    assert [] == newest.read("cancer", PLENTY)
    write(writer, 2)
    assert expected(2) == ids(newest.read("cancer", PLENTY))
