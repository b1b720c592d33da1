"""Rows of Arrow tables by their places: in another order, without copying where they are in that order already."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Places = NDArray[np.int64]
RUN_ROWS = 256
"""From so many rows on that a run of consecutive places has on average, parts are joined and no rows copied."""
BLOCK_ROWS = 1 << 20
"""Rows that are copied at a time: the texts of a chunk are at most 2 GiB."""
_LAST = np.iinfo(np.int64).max


def taken(rows: pa.Table, places: Places) -> pa.Table:
    """Return the rows at these places, in their order; a negative place is a row of nulls."""
    bounds = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
    if len(places) and places.min() >= 0 and (len(bounds) - 1) * RUN_ROWS <= max(len(places), RUN_ROWS):
        starts = places[bounds[:-1]].tolist()
        runs = zip(starts, bounds[:-1], bounds[1:], strict=True)
        return pa.concat_tables([rows.slice(start, end - begin) for start, begin, end in runs])
    blocks = (places[start : start + BLOCK_ROWS] for start in range(0, len(places), BLOCK_ROWS))
    return pa.concat_tables([rows.slice(0, 0), *(rows.take(pa.array(one, mask=one < 0)) for one in blocks)])


def in_order_of_time(times: pa.ChunkedArray, ids: pa.ChunkedArray, places: Places) -> Places:
    """Return places in the order of their times (nulls last), and of their ids where times are the same."""
    micros = pc.fill_null(times.cast(pa.int64()), _LAST).to_numpy()
    mine = micros[places]
    if (np.diff(mine) < 0).any():
        by_time = np.argsort(mine, kind="stable")
        places, mine = places[by_time], mine[by_time]
    repeats = np.flatnonzero(np.diff(mine) == 0)
    if not len(repeats):
        return places
    tied = np.union1d(repeats, repeats + 1)
    named = taken(pa.table({"id": ids}), places[tied]).append_column("time", pa.array(mine[tied]))
    by_id = pc.sort_indices(named, [("time", "ascending"), ("id", "ascending")]).to_numpy()
    ordered = places.copy()
    ordered[tied] = places[tied][by_id]
    return ordered
