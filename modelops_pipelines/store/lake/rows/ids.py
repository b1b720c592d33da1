"""Where ids are among others: a million ids of 42 letters take half of the time that Arrow takes to look up texts."""

from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.store.lake.rows.places import taken

_WORD = 8
_FACTOR, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_MOST_LENGTHS = 8
"""Different lengths of texts in a chunk that are read as numbers: ids have few."""


def index_in(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the first place of each id among others, or null: the same as ``pyarrow.compute.index_in``.

    Numbers made of the ids are looked up, and the ids compared where a number was found. Where two ids have the same
    number, or they are not like ids, all are looked up as texts.
    """
    numbers, others = _numbers(ids), _numbers(among)
    if numbers is not None and others is not None:
        found = pc.index_in(pa.array(numbers), value_set=pa.array(others))
        known = np.flatnonzero(np.asarray(pc.is_valid(found)))
        mine = taken(pa.table({"id": ids}), known)
        same = taken(pa.table({"id": among}), found.drop_null().to_numpy().astype(np.int64))
        if mine.column("id").equals(same.column("id")):
            return pa.chunked_array([found])
    return pc.index_in(ids, value_set=among)


def all_differ(ids: pa.ChunkedArray) -> bool:
    """Return whether no id is there twice; numbers made of them are sorted, which takes a fifth of counting texts."""
    numbers = _numbers(ids)
    if numbers is not None and (np.diff(np.sort(numbers)) != 0).all():
        return True
    return bool(pc.count_distinct(ids, mode="all").as_py() == len(ids))


def _numbers(ids: pa.ChunkedArray) -> NDArray[np.uint64] | None:
    """Return a number of each text, the same for the same ones; None for nulls and texts of many lengths."""
    if ids.type != pa.string():
        return None
    found = [np.empty(0, np.uint64)]
    for chunk in (one for one in ids.chunks if len(one)):
        places = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        lengths = np.diff(places)
        different = [lengths[0]] if (lengths == lengths[0]).all() else np.unique(lengths)
        if chunk.null_count or len(different) > _MOST_LENGTHS or 0 in different:
            return None
        letters = np.frombuffer(chunk.buffers()[2], np.uint8)
        numbers = np.empty(len(chunk), np.uint64)
        for length in map(int, different):
            mine = lengths == length
            if len(different) == 1:
                texts = letters[places[0] : places[-1]].reshape(-1, length)
            else:
                texts = letters[places[:-1][mine, np.newaxis] + np.arange(length)]
            numbers[mine] = _mixed(texts)
        found.append(numbers)
    return np.concatenate(found)


def _mixed(texts: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return a number of each row of bytes, which are of one length."""
    rows, length = texts.shape
    padded = np.zeros((rows, -(-length // _WORD) * _WORD), np.uint8)
    padded[:, :length] = texts
    numbers = np.full(rows, length, np.uint64)
    for word in padded.view(np.uint64).T:
        numbers = (numbers ^ word) * _FACTOR
        numbers ^= numbers >> _SHIFT
    return cast("NDArray[np.uint64]", numbers)
