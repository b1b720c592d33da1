"""A table that is kept open is what opening it anew gives, whatever others did to it meanwhile."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from modelops_pipelines.core.maintenance.compaction import MOST_SMALL
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.lake.opened_tables import MOST, OpenedTables
from modelops_pipelines.store.lake.reader import Lake
from modelops_pipelines.store.lake.writer import LakeWriter
from tests.fakes.compacted_tables import DAY, LATER, LOG, log_rows


def _append(lake: LakeWriter, number: int) -> None:
    lake.append_once("e", LOG, log_rows(number), "worker", number)


def _make_again(lake: LakeWriter) -> None:
    """Remove the table and make another with as many versions."""
    shutil.rmtree(lake.path("e", LOG.name))
    _append(lake, 1)


CHANGES: dict[str, Callable[[LakeWriter], object]] = {
    "an append": lambda lake: _append(lake, MOST_SMALL + 1),
    "a replacement": lambda lake: lake.replace_days("e", LOG, log_rows(99), [DAY]),
    "a compaction": lambda lake: LakeCompactor(lake.folder).compact("e", LOG.name, DAY, LATER),
    "a checkpoint": lambda lake: DeltaTable(str(lake.path("e", LOG.name))).create_checkpoint(),
    "its removal": lambda lake: shutil.rmtree(lake.path("e", LOG.name)),
    "another in its place": _make_again,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_by_others_is_seen_by_the_next_call(tmp_path: Path, change: Callable[[LakeWriter], object]) -> None:
    lake, others = Lake(tmp_path / "lake"), LakeWriter(tmp_path / "lake")
    for number in range(MOST_SMALL):
        _append(others, number + 1)
        assert number + 1 == lake.committed("e", LOG.name, "worker")
    change(others)
    assert _look(Lake(tmp_path / "lake")) == _look(lake)


def _look(lake: Lake) -> tuple[list[str], list[str], int, int]:
    of_days = lake.files("e", LOG.name, [DAY, DAY + timedelta(days=1)])
    return lake.files("e", LOG.name), of_days, lake.rows("e", LOG.name), lake.committed("e", LOG.name, "worker")


class Counted:
    """Opens the lake's table, and counts."""

    def __init__(self, writer: LakeWriter) -> None:
        self._writer, self.opened = writer, 0

    def __call__(self) -> DeltaTable | None:
        self.opened += 1
        return self._writer.table("e", LOG.name)


def test_a_table_is_opened_once_until_it_changes(tmp_path: Path) -> None:
    writer, kept = LakeWriter(tmp_path / "lake"), OpenedTables()
    table, count = writer.path("e", LOG.name), Counted(writer)
    for number in (1, 2):
        _append(writer, number)
        found = [kept.get(table, count) for _ in range(3)]
        assert [number] * 3 == [one and one.version() for one in found]
        assert number == count.opened


def test_only_the_tables_used_last_are_kept(tmp_path: Path) -> None:
    writer, kept = LakeWriter(tmp_path / "lake"), OpenedTables()
    _append(writer, 1)
    count = Counted(writer)
    for number in range(MOST + 1):
        shutil.copytree(writer.path("e", LOG.name), tmp_path / str(number))
        kept.get(tmp_path / str(number), count)
    kept.get(tmp_path / str(MOST), count)
    assert MOST + 1 == count.opened
    kept.get(tmp_path / "0", count)
    assert MOST + 2 == count.opened
