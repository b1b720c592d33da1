"""Ids of a whole batch as Arrow columns: of requests, and of labels. What they are made of: ``core.ids``."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.elsewhere.foreign_ids import foreign_request_ids
from modelops_pipelines.core.capture.elsewhere.sent import LABEL_SOURCE
from modelops_pipelines.core.ids import CHARACTERS, HASH_CHARACTERS, NONE, SEPARATOR, content_id, content_ids


def request_ids(endpoint: str, foreign: pa.Array, micros: pa.Array, rows: pa.Array, secret: bytes) -> pa.Array:
    """Return the id of each request by its id in the foreign log, its time and its rows, all without nulls."""
    times, counts = micros.to_numpy().tolist(), rows.to_numpy().tolist()
    return _texts(foreign_request_ids(endpoint, _pieces(foreign), times, counts, secret), CHARACTERS)


def label_ids(predictions: pa.Array, labels: pa.Array, micros: pa.Array) -> pa.Array:
    """Return the content id of each label by its prediction, its value and when it became known, all without nulls."""
    values = labels if pa.types.is_string(labels.type) else pa.array(map(str, labels.to_pylist()), pa.string())
    if any(SEPARATOR in one or one == NONE for one in values.unique().to_pylist()):
        rows = zip(predictions.to_pylist(), values.to_pylist(), micros.to_pylist(), strict=True)
        return pa.array([content_id(*one, LABEL_SOURCE, None) for one in rows], pa.string())
    parts = predictions, values, micros.cast(pa.string()), LABEL_SOURCE, NONE
    return _texts(content_ids(_pieces(pc.binary_join_element_wise(*parts, SEPARATOR))), HASH_CHARACTERS)


def _pieces(texts: pa.Array) -> Iterator[bytes]:
    """Yield the bytes of each text of a column without nulls: slices of its buffer, no Python text is made."""
    if not len(texts):
        return
    _, places, letters = texts.buffers()
    ends = np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1].tolist()
    whole = b"" if letters is None else letters.to_pybytes()
    start = ends[0]
    for end in ends[1:]:
        yield whole[start:end]
        start = end


def _texts(letters: bytes, each: int) -> pa.Array:
    """Return texts of one length that follow each other as a column."""
    places = np.arange(0, len(letters) + 1, each, dtype=np.int32)
    return pa.StringArray.from_buffers(len(places) - 1, pa.py_buffer(places), pa.py_buffer(letters))
