"""Damaged segments by the thousand: every damage is told, every intact record before it is read, none is made up."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest

from modelops_pipelines.store.spool.segments import Line, Segment, SegmentWriter, encode, read_lines, sealed_segments

SEED = 20260301
Damage = Callable[[bytearray, random.Random], None]


def truncate(raw: bytearray, chance: random.Random) -> None:
    del raw[chance.randrange(len(raw)) :]


def truncate_between_lines(raw: bytearray, chance: random.Random) -> None:
    ends = [0, *accumulate(len(line) for line in raw.splitlines(keepends=True))]
    del raw[chance.choice(ends[:-1]) :]


def flip(raw: bytearray, chance: random.Random) -> None:
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)


def flip_many(raw: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(2, 40)):
        flip(raw, chance)


def zero(raw: bytearray, chance: random.Random) -> None:
    start, end = span(raw, chance)
    raw[start:end] = bytes(end - start)


def repeat(raw: bytearray, chance: random.Random) -> None:
    start, end = span(raw, chance)
    raw[end:end] = raw[start:end]


def repeat_elsewhere(raw: bytearray, chance: random.Random) -> None:
    start, end = span(raw, chance)
    place = chance.randrange(len(raw) + 1)
    raw[place:place] = raw[start:end]


def repeat_lines(raw: bytearray, chance: random.Random) -> None:
    lines = raw.splitlines(keepends=True)
    start, end = span(lines, chance)
    raw[:] = b"".join([*lines[:end], *lines[start:end], *lines[end:]])


def remove(raw: bytearray, chance: random.Random) -> None:
    start, end = span(raw, chance)
    del raw[start:end]


def remove_lines(raw: bytearray, chance: random.Random) -> None:
    lines = raw.splitlines(keepends=True)
    start, end = span(lines, chance)
    raw[:] = b"".join(lines[:start] + lines[end:])


def twice(raw: bytearray, chance: random.Random) -> None:
    for _ in range(2):
        if raw:
            chance.choice(ONCE)(raw, chance)


ONCE: list[Damage] = [
    truncate,
    truncate_between_lines,
    flip,
    flip_many,
    zero,
    repeat,
    repeat_elsewhere,
    repeat_lines,
    remove,
    remove_lines,
]


def span(content: bytearray | list[bytearray], chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content))
    longest = len(content) - start
    return start, start + chance.randint(1, chance.choice([min(longest, 3), min(longest, 80), longest]))


def sealed(folder: Path, records: list[dict[str, object]], torn: bytes | None) -> Segment:
    """Write a segment: sealed by its writer, or left torn by one that died and sealed by the reader."""
    writer = SegmentWriter(folder, "e", "predictions", "w")
    half = len(records) // 2
    for some in (records[:half], records[half:]):
        writer.append(b"".join(map(encode, some)), 0.0)
    if torn is None:
        writer.seal()
    else:
        assert writer._handle is not None
        writer._handle.write(torn)
        writer._handle.close()
    (segment,) = sealed_segments(folder, "e", "predictions")
    return segment


@pytest.mark.parametrize("torn", [None, b"", b'{"id":"torn', b'{"id":"a line","crc":"0badc0de"}\n'])
def test_all_damage_is_told_and_everything_intact_before_it_is_read(
    tmp_path: Path, torn: bytes | None, pytestconfig: pytest.Config
) -> None:
    chance = random.Random(f"{SEED} {torn!r}")
    records = [{"id": f"r{n}", "n": n, "f": {"text": "äü \\\n x" * chance.randint(0, 9)}} for n in range(12)]
    segment = sealed(tmp_path, records, torn)
    whole, clean = segment.path.read_bytes(), list(read_lines(segment))
    assert records == [line.record for line in clean if line.record]
    assert [True] * bool(torn) == [str(line.fault).startswith("torn") for line in clean if line.fault]
    for _ in range(pytestconfig.getoption("damages") // 4):
        damage = chance.choice([*ONCE, twice])
        raw = bytearray(whole)
        damage(raw, chance)
        segment.path.write_bytes(raw)
        check(damage.__name__, whole, bytes(raw), clean, list(read_lines(segment)))


def check(name: str, whole: bytes, raw: bytes, clean: list[Line], read: list[Line]) -> None:
    if raw == whole:
        assert clean == read, name
        return
    assert [line for line in read if line.fault and not line.fault.startswith("torn")], f"{name} was not noticed"
    ends = accumulate(len(line) for line in whole.splitlines(keepends=True))
    first = next((n for n, (a, b) in enumerate(zip(whole, raw, strict=False)) if a != b), min(len(whole), len(raw)))
    before = [line.record for line, end in zip(clean, ends, strict=False) if line.record and end <= first]
    found = [line.record for line in read if line.record]
    assert before == found[: len(before)], f"{name} lost records before it"
    written = Counter(line.record["id"] for line in clean if line.record)
    assert Counter(record["id"] for record in found) <= written, f"{name} made records up"
    assert all(record in [line.record for line in clean] for record in found), f"{name} changed records"
    intact = set(raw.splitlines(keepends=True))
    there = [line.record for line in clean if line.record and line.raw in intact]
    assert all(record in found for record in there), f"{name} lost intact lines"
    assert len({line.number for line in read}) == len(read), f"{name} gave two lines one number"
