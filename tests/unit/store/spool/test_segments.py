"""The spool keeps what was acknowledged and never passes damage for a record."""

import errno
import fcntl
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelops_pipelines.store.spool import segments as spool
from modelops_pipelines.store.spool.checksums import Tally, encode_line, seal_line
from modelops_pipelines.store.spool.segments import Line, SegmentWriter, encode, read_lines, sealed_segments


def write(folder: Path, records: list[dict[str, Any]], worker: str = "w") -> None:
    writer = SegmentWriter(folder, "e", "labels", worker)
    writer.append(b"".join(encode(record) for record in records), 0.0)
    writer.seal()


def lines(folder: Path) -> list[Line]:
    return [line for segment in sealed_segments(folder, "e", "labels") for line in read_lines(segment)]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4))
@settings(deadline=None)
def test_a_line_gives_back_its_record_and_no_damaged_byte_goes_unnoticed(record: dict[str, Any]) -> None:
    line = encode(record)
    assert line.count(b"\n") == 1
    assert record == spool._parse(1, line).record
    for position in range(len(line) - 1):
        damaged = line[:position] + bytes([line[position] ^ 0x20]) + line[position + 1 :]
        assert spool._parse(1, damaged).record is None


def test_a_torn_tail_is_told_and_keeps_the_lines_before_it(tmp_path: Path) -> None:
    write(tmp_path, [{"n": 1}, {"n": 2}])
    path = tmp_path / "e/labels/w/000000000001.jsonl"
    path.write_bytes(b"".join(encode({"n": number}) for number in (1, 2))[:-5])
    path.rename(path.with_suffix(".open"))
    first, torn = lines(tmp_path)
    assert ({"n": 1}, None) == (first.record, first.fault)
    assert (encode({"n": 2})[:-5] + b"\n", None) == (torn.raw, torn.record)
    assert str(torn.fault).startswith("torn")


@pytest.mark.parametrize("damage", [b"x", b"\n", b"\0" * 8])
def test_a_damaged_line_in_the_middle_keeps_the_others(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, [{"n": n} for n in range(5)])
    path = sealed_segments(tmp_path, "e", "labels")[0].path
    raw = path.read_bytes()
    middle = raw.index(b'{"n":2') + 3
    path.write_bytes(raw[:middle] + damage + raw[middle + len(damage) :])
    read = lines(tmp_path)
    assert [{"n": n} for n in (0, 1, 3, 4)] == [line.record for line in read if line.record]
    assert all(str(line.fault).startswith("damaged") for line in read if line.record is None)
    assert "the seal is for 5 lines" in str(read[-1].fault)


def test_segments_are_numbered_on_and_listed_in_order_each_worker_apart(tmp_path: Path) -> None:
    writers = [SegmentWriter(tmp_path, "e", "labels", name) for name in ("b", "a")]
    for number in range(12):
        for writer in writers:
            writer.append(encode({"n": number}), float(number))
            writer.seal()
            writer.seal()
    found = [(segment.worker, segment.number) for segment in sealed_segments(tmp_path, "e", "labels")]
    assert [(worker, number) for worker in "ab" for number in range(1, 13)] == found
    for segment in sealed_segments(tmp_path, "e", "labels"):
        spool.drop(segment)
    spool.remove_empty_workers(tmp_path, "e", "labels")
    writers[0].append(encode({"n": 99}), 99.0)
    writers[0].seal()
    assert [("b", 13)] == [(segment.worker, segment.number) for segment in sealed_segments(tmp_path, "e", "labels")]


def test_a_segment_cut_off_between_two_lines_has_lost_its_seal_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, [{"n": n} for n in range(3)])
    path = sealed_segments(tmp_path, "e", "labels")[0].path
    raw = path.read_bytes().splitlines(keepends=True)
    assert [{"n": 0}, {"n": 1}, {"n": 2}] == [line.record for line in lines(tmp_path)]
    assert b'{"seal":{"lines":3,"crc":"' == raw[3][:26]
    for kept in range(4):
        path.write_bytes(b"".join(raw[:kept]))
        *records, end = lines(tmp_path)
        assert [{"n": n} for n in range(kept)] == [line.record for line in records]
        assert (kept + 1, None, "the segment has no seal: lines at") == (end.number, end.record, str(end.fault)[:33])


def test_bytes_after_the_seal_and_a_line_that_comes_twice_are_faults(tmp_path: Path) -> None:
    write(tmp_path, [{"n": n} for n in range(3)])
    path = sealed_segments(tmp_path, "e", "labels")[0].path
    raw = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*raw, raw[1]]))
    read = lines(tmp_path)
    assert [{"n": 0}, {"n": 1}, {"n": 2}] == [line.record for line in read if line.record]
    assert [(5, "damaged: the line"), (4, "damaged: the seal")] == [
        (line.number, line.fault[:17]) for line in read if line.fault
    ]


def test_a_line_of_nothing_with_the_checksum_of_nothing_is_damage(tmp_path: Path) -> None:
    assert spool._parse(1, b',"crc":"00000000"}\n').fault == "damaged: its checksum does not match"
    for body in (b'{"n":\xff', b'{"n":1}{', b"[1,2"):
        assert spool._parse(1, encode_line(body)).record is None


def test_segments_of_release_0_1_have_no_seal_and_are_read_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "e/labels/w"
    folder.mkdir(parents=True)
    written = [encode({"n": n}) for n in range(4)]
    (folder / "0000000001.jsonl").write_bytes(written[0] + written[1])
    (folder / "0000000002.jsonl").write_bytes(b"")
    (folder / "0000000003.jsonl").write_bytes(b"damaged\n" + written[2] + written[3][:-3])
    (folder / "0000000004.open").write_bytes(written[3])
    found = [
        [line.record or line.fault for line in read_lines(one)] for one in sealed_segments(tmp_path, "e", "labels")
    ]
    assert [[{"n": 0}, {"n": 1}], [], [spool._DAMAGED, {"n": 2}, spool._TORN], [{"n": 3}]] == found


CONTENTS = [[], [{"n": 1}], [{"n": 1}, {"n": 2}]]


@pytest.mark.parametrize("records", CONTENTS)
@pytest.mark.parametrize("torn", [b"", b"{", b'{"n":99', b'{"seal":{"lines":', b'{"seal":{"lines":99'])
def test_sealing_the_segment_of_a_dead_worker_may_be_killed_at_any_byte_and_be_done_again(
    tmp_path: Path, records: list[dict[str, Any]], torn: bytes
) -> None:
    left = b"".join(encode(record) for record in records) + torn
    whole = sealed_bytes(tmp_path / "whole", left)
    assert whole == sealed_bytes(tmp_path / "again", whole)
    for end in range(len(left), len(whole)):
        assert whole == sealed_bytes(tmp_path / str(end), whole[:end])
    read = lines(tmp_path / "whole")
    assert records == [line.record for line in read if line.record]
    assert all(str(line.fault).startswith("torn") for line in read if line.fault)
    assert (torn[:5] == b'{"n":' or torn.endswith(b"99")) == any(line.fault for line in read)


@pytest.mark.parametrize("records", CONTENTS)
def test_a_seal_that_its_writer_began_is_completed_and_a_whole_one_kept(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    body = b"".join(encode(record) for record in records)
    own = seal_line(Tally().plus(body, len(records)))
    assert body + own == sealed_bytes(tmp_path / "whole", body + own)
    for end in range(len(own)):
        sealed = sealed_bytes(tmp_path / str(end), body + own[:end])
        assert body + seal_line(Tally().plus(body, len(records)), orphan=True) == sealed


def sealed_bytes(folder: Path, left: bytes) -> bytes:
    """Return what becomes of the segment that a dead worker left."""
    path = folder / "e/labels/w/000000000001.open"
    path.parent.mkdir(parents=True)
    path.write_bytes(left)
    return sealed_segments(folder, "e", "labels")[0].path.read_bytes()


def test_a_seal_in_an_orphan_that_what_is_before_it_does_not_fit_is_a_fault_and_no_record(tmp_path: Path) -> None:
    raw = encode({"n": 1}) + seal_line(Tally(7, 7, 7))
    assert raw + b"{" == sealed_bytes(tmp_path, raw)[: len(raw) + 1]
    assert [{"n": 1}, None] == [line.record for line in lines(tmp_path)]
    assert [None, spool._STRAY_SEAL] == [line.fault for line in lines(tmp_path)]


def test_a_later_segment_waits_for_an_earlier_one_that_is_not_sealed(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "e", "labels", "w")
    for number in range(3):
        writer.append(encode({"n": number}), 0.0)
        writer.seal()
    first, second, _ = sealed_segments(tmp_path, "e", "labels")
    with second.path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second.path.rename(second.path.with_suffix(".open"))
        assert [first] == sealed_segments(tmp_path, "e", "labels")
    assert [1, 2, 3] == [segment.number for segment in sealed_segments(tmp_path, "e", "labels")]


def test_nothing_is_created_before_the_first_line(tmp_path: Path) -> None:
    SegmentWriter(tmp_path, "e", "labels", "w").seal()
    assert [] == list(tmp_path.iterdir())


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Have this process's files refuse to grow beyond a size, as a full disk does."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("extra", [0, 10])
def test_a_full_disk_refuses_and_leaves_just_what_was_durable(tmp_path: Path, extra: int) -> None:
    writer, line = SegmentWriter(tmp_path, "e", "labels", "w"), encode({"text": "x" * 100})
    writer.append(line, 0.0)
    with files_of_at_most(len(line) + extra), pytest.raises(OSError):
        writer.append(line, 1.0)
    assert len(line) == writer.size == (tmp_path / "e/labels/w/000000000001.open").stat().st_size
    writer.append(encode({"n": 2}), 2.0)
    writer.seal()
    assert [{"text": "x" * 100}, {"n": 2}] == [line.record for line in lines(tmp_path)]


def test_a_segment_that_cannot_be_cut_back_is_left_and_nothing_follows_what_is_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, line = SegmentWriter(tmp_path, "e", "labels", "w"), encode({"text": "x" * 100})
    writer.append(line, 0.0)
    with monkeypatch.context() as patched, files_of_at_most(len(line) + 10):
        patched.setattr(os, "fsync", _broken)
        with pytest.raises(OSError):
            writer.append(line, 1.0)
    writer.append(encode({"n": 2}), 2.0)
    writer.seal()
    records = [line.record for line in lines(tmp_path)]
    assert [{"text": "x" * 100}, {"n": 2}] == [record for record in records if record]


def test_nothing_more_goes_into_a_segment_that_was_sealed_though_its_sync_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SegmentWriter(tmp_path, "e", "labels", "w")
    writer.append(encode({"n": 1}), 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(spool, "sync", _broken)
        with pytest.raises(OSError):
            writer.seal()
    sealed = sealed_segments(tmp_path, "e", "labels")
    writer.append(encode({"n": 2}), 1.0)
    assert [{"n": 1}] == [line.record for segment in sealed for line in read_lines(segment)]


def _broken(*_: object) -> None:
    raise OSError(errno.EIO, "the disk is broken")
