"""The table beside each frozen set: where every row came from, and why others were left out.

It is written in the order of the set, which is that of event time: what a set did with a prediction is found with a
small read. Finding it in many sets: ``store.lake.rows.origins``.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.tables.training import (
    EVENT_TIME,
    PROVIDED,
    ROW_ID,
    TRAINING_ORIGINS,
    frozen_table,
    origins_table,
)
from modelops_pipelines.operations.improve.training.content import content_hash
from modelops_pipelines.store.filesystem.files import exclusive
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.maintenance.retirement import LakeRetirement
from modelops_pipelines.store.lake.rows.origins import LAYOUT
from modelops_pipelines.store.lake.writer import conform
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

SCHEMA = arrow_schema(TRAINING_ORIGINS)
UNCHANGED, CHANGED, NOT_RECORDED = "unchanged", "changed", "not recorded"


def sets_lock(stores: Stores, endpoint: str) -> AbstractContextManager[None]:
    """Return the lock of who writes an endpoint's training sets, or removes names from their origins."""
    return exclusive(stores.settings.home / "locks" / f"{endpoint}.training_sets.lock", f"training sets of {endpoint}")


def provided_origins(rows: pa.Table) -> pa.Table:
    """Return the origins of rows that a user provided, all of them usable and without a position."""
    named = {ROW_ID: rows.column(ROW_ID), EVENT_TIME: rows.column(EVENT_TIME)}
    others = pa.array(np.zeros(len(rows), np.int64))
    return conform(pa.table({**named, "origin": pa.repeat(PROVIDED, len(rows)), "others": others}), SCHEMA)


def with_reason(origins: pa.Table, rows: pa.ChunkedArray | pa.Array, reason: str) -> pa.Table:
    """Return the origins with a reason for the rows that a mask marks and that have none yet."""
    known = origins.column("reason")
    told = pc.if_else(pc.and_(pc.is_null(known), rows), pa.scalar(reason), known)
    return origins.set_column(origins.column_names.index("reason"), "reason", told)


def numbered(origins: pa.Table) -> pa.Table:
    """Return the origins with the position in the set of each row that has no reason, as they are stored."""
    usable = np.asarray(pc.is_null(origins.column("reason")))
    positions = pa.array(np.cumsum(usable) - 1, pa.int64(), mask=~usable)
    kept = origins.drop_columns(["position"]) if "position" in origins.column_names else origins
    return in_order(kept.append_column("position", positions))


def write_origins(stores: Stores, endpoint: str, content: str, origins: pa.Table) -> None:
    """Write the table beside a set; what a killed call left is replaced."""
    name = origins_table(content)
    LakeRetirement(stores.settings.lake).remove_table(endpoint, name)
    stores.writer.write_whole(endpoint, name, origins, LAYOUT)


def has_origins(stores: Stores, endpoint: str, content: str) -> bool:
    """Return whether the table beside a set is there: not beside a set of release 0.3, nor of one that is deleted."""
    return stores.lake.table(endpoint, origins_table(content)) is not None


def origins_of(stores: Stores, endpoint: str, content_hash: str) -> pa.Table:
    """Return a row per input row of a set: first those in the set by position, then those left out by time.

    Raises UnknownError for a set without the table: it was built by release 0.3 or earlier, or is deleted.
    """
    return in_order(_stored(stores, endpoint, content_hash))


def _stored(stores: Stores, endpoint: str, content_hash: str) -> pa.Table:
    delta = stores.lake.table(endpoint, origins_table(content_hash))
    if delta is None:
        raise UnknownError(
            f"Nothing says where the rows of the training set {content_hash[:12]} of endpoint {endpoint!r} came from",
            "Sets of release 0.3 have no origins: build a new one with modelops training-set build",
        )
    with stores.lake.reading(endpoint):
        return conform(delta.to_pyarrow_table(), SCHEMA)


def in_order(origins: pa.Table) -> pa.Table:
    """Return origins in the one order that they have, in whatever order they are stored: by position, then by time."""
    first = ("position", EVENT_TIME, ROW_ID)
    rest = [name for name in SCHEMA.names if name not in first]
    conformed = conform(origins, SCHEMA)
    if _is_in_order(conformed):
        return conformed
    return conformed.sort_by([(name, "ascending") for name in (*first, *rest)])


def _is_in_order(origins: pa.Table) -> bool:
    """Return whether origins are in their order, as those of a set without a first frame are before they are sorted."""
    positions = origins.column("position")
    inside = len(positions) - positions.null_count
    places = positions.slice(0, inside)
    if places.null_count or not (np.diff(places.to_numpy()) > 0).all():
        return False
    left_out = origins.slice(inside)
    times = pc.fill_null(left_out.column(EVENT_TIME).cast(pa.int64()), np.iinfo(np.int64).max).to_numpy()
    names = left_out.column(ROW_ID)
    after = pc.fill_null(pc.greater(names.slice(1), names.slice(0, max(len(names) - 1, 0))), fill_value=False)
    return bool(((np.diff(times) > 0) | (np.diff(times) == 0) & np.asarray(after)).all())


def origins_state(stores: Stores, record: TrainingSet) -> str:
    """Return whether the table beside a set is as it was written: unchanged, changed, or not recorded.

    It is not recorded for sets of release 0.3, and of those that are deleted.
    """
    wanted = (record.manifest or {}).get("origins_hash")
    if wanted is None or not stores.lake.path(record.endpoint, frozen_table(record.content_hash)).exists():
        return NOT_RECORDED
    if not has_origins(stores, record.endpoint, record.content_hash):
        return CHANGED
    found = _stored(stores, record.endpoint, record.content_hash)
    same = content_hash(found) == wanted or content_hash(in_order(found)) == wanted  # it is written in its order
    return UNCHANGED if same else CHANGED


def forget_people(stores: Stores, endpoint: str, predictions: Sequence[str], names: Sequence[str]) -> None:
    """Remove the author from the origins of these predictions, and of all that the named persons said.

    Also from the files. Call it under ``sets_lock``; killed anywhere and called again it ends in the same state.
    """
    from modelops_pipelines.store.lake.eraser import LakeEraser  # it loads pandas

    eraser = LakeEraser(stores.settings.lake)
    hers = pc.field(ROW_ID).isin(pa.array(predictions, pa.string())) | pc.field("author").isin(list(names))
    for known in stores.training_sets.of(endpoint):
        name = origins_table(known.content_hash)
        delta = stores.lake.table(endpoint, name)
        if delta is None:
            continue
        found = eraser.find(endpoint, name, pc.field("author").is_valid() & hers, [ROW_ID])
        if len(found):
            before = conform(delta.to_pyarrow_table(), SCHEMA)
            after = _without_authors(before, hers)
            _record_erasure(stores, known, before, after)
            eraser.rewrite(endpoint, name, after, LAYOUT)
        if len(found) or delta.version():  # a killed call may have left the files that it replaced
            eraser.purge(endpoint, name)


def _record_erasure(stores: Stores, known: TrainingSet, before: pa.Table, after: pa.Table) -> None:
    """Record the hash of the origins as they will be; of origins that somebody else changed, the old one stays.

    Before they are written: a killed call finds the same rows again, and writes what is recorded.
    """
    wanted = (known.manifest or {}).get("origins_hash")
    if wanted is not None and content_hash(in_order(before)) == wanted:
        manifest = {**(known.manifest or {}), "origins_hash": content_hash(in_order(after))}
        stores.training_sets.record(replace(known, manifest=manifest))


def _without_authors(origins: pa.Table, of: pc.Expression) -> pa.Table:
    place = origins.column_names.index("author")
    marked = origins.append_column("row", pa.array(np.arange(len(origins)))).filter(of).column("row")
    mask = np.zeros(len(origins), bool)
    mask[np.asarray(marked)] = True
    author = pc.if_else(pa.array(mask), pa.scalar(None, pa.string()), origins.column("author"))
    return origins.set_column(place, "author", author)
