"""The ids of a whole batch are those that are made row by row, whatever the texts and wherever the batch begins."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.capture.elsewhere.foreign_ids import foreign_request_id
from modelops_pipelines.core.capture.elsewhere.sent import LABEL_SOURCE
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.capture.elsewhere.row_ids import label_ids, request_ids

SECRET = b"s" * 32
TIMES = st.integers(0, 10**15).map(lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
IDS = st.text("ab2-0", max_size=12)
CLASSES = TEXTS | st.sampled_from(["ok", "fraud", "a\x1fb", "\x00", "None", ""])


@given(st.lists(st.tuples(TEXTS, TIMES, st.integers(0, 65_535)), max_size=8), st.integers(0, 3))
def test_request_ids_of_a_batch_are_those_of_its_rows(rows: list[tuple[str, datetime, int]], first: int) -> None:
    columns = (
        pa.array([one[0] for one in rows], pa.string()),
        pa.array([to_micros(one[1]) for one in rows], pa.int64()),
        pa.array([one[2] for one in rows], pa.int64()),
    )
    made = request_ids("fraud", *(column.slice(first) for column in columns), SECRET)
    made.validate(full=True)
    alone = [foreign_request_id("fraud", name, at, count, SECRET).text for name, at, count in rows[first:]]
    assert alone == made.to_pylist()


@given(st.lists(st.tuples(IDS, CLASSES, st.integers(0, 2**53)), max_size=8), st.integers(0, 3))
def test_label_ids_of_a_batch_are_those_of_its_labels(rows: list[tuple[str, str, int]], first: int) -> None:
    kinds = pa.string(), pa.string(), pa.int64()
    columns = [pa.array([one[place] for one in rows], kind) for place, kind in enumerate(kinds)]
    made = label_ids(*(column.slice(first) for column in columns))
    assert [content_id(*one, LABEL_SOURCE, None) for one in rows[first:]] == made.to_pylist()


@given(st.lists(st.tuples(IDS, st.floats(), st.integers(0, 2**53)), max_size=8))
def test_label_ids_of_numbers_are_those_of_their_labels(rows: list[tuple[str, float, int]]) -> None:
    kinds = pa.string(), pa.float64(), pa.int64()
    made = label_ids(*(pa.array([one[place] for one in rows], kind) for place, kind in enumerate(kinds)))
    assert [content_id(*one, LABEL_SOURCE, None) for one in rows] == made.to_pylist()
