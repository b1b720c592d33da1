"""What was captured is shown, whenever its segment is sealed while the spool is looked through."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.spool.tail import newest_records, segments_by_last_write
from tests.fakes.records import START, request_record

LOOKS = ("iterdir", "stat", "open")
MOST_LOOKS = 12


def shown(spool: Path) -> list[str]:
    found = segments_by_last_write(spool, "cancer", "predictions")
    return [record["id"] for _, path in found for _, record in newest_records(path)]


def hooked(look: Callable[..., Any], before: Callable[[], None]) -> Callable[..., Any]:
    def hook(*args: Any, **options: Any) -> Any:
        before()
        return look(*args, **options)

    return hook


@pytest.mark.parametrize("moment", range(MOST_LOOKS))
def test_a_segment_that_is_sealed_at_any_look_is_shown_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    writer, record = SegmentWriter(tmp_path, "cancer", "predictions", "w1"), request_record("cancer", 1, START, 1)
    writer.append(encode(record), 0.0)
    looks = 0

    def seal_in_time() -> None:
        nonlocal looks
        looks += 1
        if looks == moment + 1:
            writer.seal()

    for name in LOOKS:
        monkeypatch.setattr(Path, name, hooked(getattr(Path, name), seal_in_time))
    assert [record["id"]] == shown(tmp_path)
    assert looks < MOST_LOOKS, "each look was tried"


def test_a_listing_that_misses_a_segment_because_it_is_renamed_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, record = SegmentWriter(tmp_path, "cancer", "predictions", "w1"), request_record("cancer", 1, START, 1)
    writer.append(encode(record), 0.0)
    iterdir, listings = Path.iterdir, []

    def missing_at_first(folder: Path) -> Iterator[Path]:
        listings.append(folder)
        if len(listings) == 1:
            writer.seal()
            return iter(())
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", missing_at_first)
    assert [record["id"]] == shown(tmp_path)
