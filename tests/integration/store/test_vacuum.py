"""A query that runs across a vacuum ends well: its files wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.maintenance.compaction import MOST_SMALL
from modelops_pipelines.store.lake.maintenance.compactor import LakeCompactor
from modelops_pipelines.store.lake.maintenance.vacuum import LakeVacuum, Removable
from tests.fakes.compacted_tables import DAY, LATER, LOG, log_rows

ZERO = timedelta(0)


@contextmanager
def unaudited(_: Removable) -> Iterator[None]:
    yield


def test_while_a_query_is_under_way_its_files_stay_however_old_they_are(tmp_path: Path) -> None:
    compactor, lake = LakeCompactor(tmp_path / "lake"), LakeVacuum(tmp_path / "lake")
    for number in range(MOST_SMALL):
        lake.append_once("e", LOG, log_rows(number), "worker", number + 1)
    with lake.query("e", [LOG]) as connected:
        compactor.compact("e", LOG.name, DAY, LATER)
        assert Removable() == lake.vacuum("e", LOG.name, datetime.now(UTC), unaudited, age=ZERO)
        assert [(MOST_SMALL * 20,)] == connected.execute("SELECT count(*) FROM inference_log").fetchall()
    assert MOST_SMALL == len(lake.vacuum("e", LOG.name, datetime.now(UTC), unaudited, age=ZERO).files)
