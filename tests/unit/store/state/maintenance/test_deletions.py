"""The audit of deletions: before and after each, and one that was killed is continued, not told twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.maintenance.deletions import Deletions

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = Effect("lake rows", "labels date=2025-01-01", 40, 4000, "older than 400d", "flights")


def opened(folder: Path) -> Deletions:
    return Deletions(Database(f"sqlite:///{folder / 'state.db'}"))


def test_a_deletion_is_unfinished_until_it_is_finished(tmp_path: Path) -> None:
    deletions = opened(tmp_path)
    started = deletions.start(ROWS, NOW)
    assert [started] == deletions.unfinished("lake rows")
    deletions.finish(started.id, NOW + timedelta(seconds=2))
    assert [] == deletions.unfinished("lake rows")
    assert [replace(started, finished_at=NOW + timedelta(seconds=2))] == deletions.newest(10)


def test_what_is_left_of_a_killed_deletion_is_told_under_the_same_record_with_the_larger_counts(tmp_path: Path) -> None:
    deletions = opened(tmp_path)
    first = deletions.start(ROWS, NOW)
    assert first == deletions.start(replace(ROWS, items=7, bytes=5), NOW + timedelta(hours=1))
    grown = deletions.start(replace(ROWS, items=41), NOW + timedelta(hours=2))
    assert (first.id, 41, 4000, NOW) == (grown.id, grown.items, grown.bytes, grown.at)


def test_deletions_of_other_things_are_records_of_their_own_also_without_an_endpoint(tmp_path: Path) -> None:
    deletions = opened(tmp_path)
    of_nobody = replace(ROWS, endpoint=None)
    found = [deletions.start(one, NOW).id for one in (ROWS, of_nobody, replace(ROWS, item="x"), of_nobody, ROWS)]
    assert [1, 2, 3, 2, 1] == found
    assert [3, 1] == [one.id for one in deletions.newest(10, endpoint="flights")]
    assert [3] == [one.id for one in deletions.newest(1, kind="lake rows")]
    assert [] == deletions.newest(10, kind="log files")


def test_the_same_things_deleted_once_more_after_the_end_are_a_new_record(tmp_path: Path) -> None:
    deletions = opened(tmp_path)
    deletions.finish(deletions.start(ROWS, NOW).id, NOW)
    assert 2 == deletions.start(ROWS, NOW).id
