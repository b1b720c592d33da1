"""A version of a table is read by places: the same rows as of the whole table, also where files lack a column."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.tables.lake import inference_log
from modelops_pipelines.store.lake.rows.pinned import Pinned, pinned
from modelops_pipelines.store.lake.writer import LakeWriter

OLD, NEW = (inference_log("binary_classification", one) for one in ({"x": "float"}, {"x": "float", "c": "text"}))
NAMES = ["prediction_id", "c", "x"]
LENGTHS = [3, 4, 2]


@pytest.fixture
def lake(tmp_path: Path) -> LakeWriter:
    """Return a lake with a log of three days, a file each, of which the first two have no column ``c``."""
    lake, first = LakeWriter(tmp_path / "lake"), 0
    for day, length in enumerate(LENGTHS, 1):
        ids = [f"p{number}" for number in range(first, first + length)]
        rows = {"prediction_id": ids, "x": [float(n) for n in range(first, first + length)]}
        table = OLD if day < 3 else NEW
        more = {"c": ["new"] * length} if table is NEW else {}
        days = {"date": [date(2026, 3, day)] * length}
        lake.append_once("wide", table, pa.table(rows | more | days), "w", day)
        first += length
    return lake


def test_the_rows_at_some_places_are_those_of_the_whole_table(lake: LakeWriter) -> None:
    log = pinned(lake, "wide", NEW)
    whole = log.read(NAMES)
    assert (sum(LENGTHS), 3, LENGTHS) == (len(whole), len(log.files), [len(part) for part in log.parts(NAMES)])
    assert [None] * 7 + ["new"] * 2 == whole.column("c").to_pylist()
    for places in ([], [0], [2, 3], [1, 4, 6, 8], list(range(9))):
        found = log.rows_at(NAMES, np.array(places, np.int64), LENGTHS)
        assert whole.take(pa.array(places, pa.int64())).equals(found)


def test_files_without_a_row_that_is_wanted_are_not_read(lake: LakeWriter) -> None:
    log = pinned(lake, "wide", NEW)
    Path(log.files[1]).unlink()
    assert ["p0", "p8"] == log.rows_at(NAMES, np.array([0, 8]), LENGTHS).column("prediction_id").to_pylist()
    with pytest.raises(FileNotFoundError):
        log.rows_at(NAMES, np.array([3]), LENGTHS)


def test_a_version_stays_what_it_was(lake: LakeWriter) -> None:
    log = pinned(lake, "wide", NEW)
    more = pa.table({"prediction_id": ["later"], "date": [date(2026, 3, 4)]})
    lake.append_once("wide", NEW, more, "w", 4)
    assert sum(LENGTHS) == len(log.read(NAMES))
    assert (log.version or 0) + 1 == pinned(lake, "wide", NEW).version


def test_a_table_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    none: Pinned = pinned(LakeWriter(tmp_path), "wide", NEW)
    assert (None, 0, NAMES) == (none.version, len(none.read(NAMES)), none.read(NAMES).column_names)
