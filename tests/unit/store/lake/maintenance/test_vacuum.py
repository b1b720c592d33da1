"""What vacuum removes: all that nothing needs, and nothing that a version, a pin or a query needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.maintenance.compaction import MOST_SMALL
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.lake.maintenance.pins import Pins
from modelops_pipelines.store.lake.maintenance.vacuum import AGE, LakeVacuum, Removable
from modelops_pipelines.store.lake.table_versions import newest_version
from tests.fakes.compacted_tables import DAY, LOG, NOON, log_rows

ZERO = timedelta(0)


@contextmanager
def unaudited(_: Removable) -> Iterator[None]:
    yield


def compacted(folder: Path) -> LakeVacuum:
    lake = LakeCompactor(folder / "lake")
    for number in range(MOST_SMALL):
        lake.append_once("e", LOG, log_rows(number), "worker", number + 1)
    lake.compact("e", LOG.name, DAY, NOON)
    return LakeVacuum(lake.folder)


def on_disk(lake: LakeVacuum) -> set[Path]:
    return set(lake.path("e", LOG.name).rglob("*.parquet")) - set(lake.path("e", LOG.name).glob("_delta_log/*"))


def test_superseded_files_stay_for_their_age_and_go_then_with_the_old_entries_of_the_log(tmp_path: Path) -> None:
    lake = compacted(tmp_path)
    [kept] = lake.files("e", LOG.name)
    now = datetime.now(UTC)
    assert Removable() == lake.vacuum("e", LOG.name, now, unaudited)
    assert Removable() == lake.removable("e", LOG.name, now, age=AGE)
    told: list[Removable] = []

    @contextmanager
    def audit(found: Removable) -> Iterator[None]:
        assert all(path.exists() for path in found.paths)
        told.append(found)
        yield
        assert not any(path.exists() for path in found.paths)

    expected = lake.removable("e", LOG.name, now, age=ZERO)
    assert MOST_SMALL == len(expected.files)
    assert len(expected.entries) > 8
    assert expected == lake.vacuum("e", LOG.name, now, audit, age=ZERO)
    assert [expected] == told
    assert {Path(kept)} == on_disk(lake)
    assert MOST_SMALL * 20 == lake.rows("e", LOG.name)
    assert MOST_SMALL == lake.committed("e", LOG.name, "worker")
    assert lake.append_once("e", LOG, log_rows(99), "worker", 99)
    assert newest_version(lake.path("e", LOG.name)) == DeltaTable(str(lake.path("e", LOG.name))).version()


@pytest.mark.parametrize(
    ("age", "hours", "gone"), [(AGE, 0, False), (AGE, 2, True), (ZERO, 0, True), (ZERO, -2, False)]
)
def test_the_age_is_counted_to_the_time_that_is_given(tmp_path: Path, age: timedelta, hours: int, gone: bool) -> None:  # noqa: FBT001 - a parameter of the test
    lake, now = compacted(tmp_path), datetime.now(UTC) + timedelta(hours=hours)
    assert (MOST_SMALL if gone else 0) == len(lake.removable("e", LOG.name, now, age=age).files)


@pytest.mark.parametrize("folder", ["home", "a b", "100%", "ü+#?"])
def test_files_of_a_failed_commit_go_and_those_in_use_stay_wherever_the_home_is(tmp_path: Path, folder: str) -> None:
    lake = compacted(tmp_path / folder)
    used = {Path(file) for file in lake.files("e", LOG.name)}
    failed = lake.path("e", LOG.name) / f"date={DAY}" / "part-failed.snappy.parquet"
    failed.write_text("half a file")
    assert failed in lake.vacuum("e", LOG.name, datetime.now(UTC), unaudited, age=ZERO).files
    assert used == on_disk(lake)
    assert MOST_SMALL * 20 == len(DeltaTable(str(lake.path("e", LOG.name))).to_pyarrow_table())


def test_a_pinned_version_stays_readable_until_its_pin_ends(tmp_path: Path) -> None:
    lake, pins, now = compacted(tmp_path), Pins(tmp_path / "pins"), datetime.now(UTC)
    pins.pin("backup", {f"e/{LOG.name}": 5}, now + timedelta(hours=1))
    path = str(lake.path("e", LOG.name))
    before = DeltaTable(path, version=5).to_pyarrow_table(columns=["prediction_id"])

    def pinned(at: datetime) -> frozenset[int]:
        return pins.versions_of("e", LOG.name, at)

    assert 5 == len(before) / 20
    lake.vacuum("e", LOG.name, now, unaudited, age=ZERO, pinned=lambda: pinned(now))
    assert before == DeltaTable(path, version=5).to_pyarrow_table(columns=["prediction_id"])
    assert frozenset() == pins.versions_of("e", "labels", now)
    assert frozenset() == pinned(now + timedelta(hours=1))
    pins.release("backup")
    pins.release("backup")
    assert frozenset() == pinned(now)
    assert 5 == len(lake.vacuum("e", LOG.name, now, unaudited, age=ZERO).files)
