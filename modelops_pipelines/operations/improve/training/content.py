"""The content hash of rows: the same for the same values, however they are chunked, encoded or stored.

Release 0.3 hashed the rows as CSV, which took most of the time of building a large set. Its sets keep their names.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from modelops_pipelines.core.tables.training import EVENT_TIME
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

CSV = "csv"
"""In a manifest: the set has the name that release 0.3 gave it."""
_SCHEME = b"columns"
_EVENT_TIMES = [pa.timestamp(unit, "UTC") for unit in ("us", "ns")]
_TIMES = [pa.date32(), *(pa.timestamp(unit, zone) for unit in ("ns", "us", "ms", "s") for zone in ("UTC", None))]
Part = bytes | list[memoryview]


def content_hash(rows: pa.Table) -> str:
    """Return SHA-256 over the names and values of the columns, in order.

    Whole numbers of any width are alike, and so are floats; a NaN is as any other; null and NaN differ.
    """
    columns = [_column_digest(field, rows.column(place)) for place, field in enumerate(rows.schema)]
    return _digest([_SCHEME, _number(len(rows)), _number(len(columns)), *columns]).hexdigest()


def csv_hash(rows: pa.Table) -> str:
    """Return SHA-256 over the rows as CSV: the name that release 0.3 gave a set."""
    buffer = io.BytesIO()
    pa.csv.write_csv(rows, buffer)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def is_content(rows: pa.Table, content: str) -> bool:
    """Return whether a set with these rows has this content hash, by the rule of any release."""
    return content == content_hash(rows) or any(content == csv_hash(form) for form in _older_forms(rows))


def is_as_named(one: TrainingSet, rows: pa.Table) -> bool:
    """Return whether rows, read from a set's table, are those that the set is named after."""
    if len(rows) != one.rows:
        return False
    return is_content(rows, one.content_hash) if is_csv(one) else content_hash(rows) == one.content_hash


def set_name(stores: Stores, endpoint: str, rows: pa.Table) -> str:
    """Return the content hash that rows have as a training set; a set that release 0.3 has frozen keeps its own."""
    named = {one.content_hash for one in stores.training_sets.of(endpoint) if is_csv(one) and one.rows == len(rows)}
    name = csv_hash(rows) if named else ""
    return name if name in named else content_hash(rows)


def is_csv(one: TrainingSet) -> bool:
    """Return whether a set has the name that release 0.3 gave it."""
    return one.manifest is None or one.manifest.get("hash") == CSV


def _column_digest(field: pa.Field, column: pa.ChunkedArray) -> bytes:
    """Return the digest of a column: of its name, its kind, where its nulls are (empty: none), and its values."""
    kind, values = _canonical(column)
    nulls = _bits(pc.is_null(column)) if column.null_count else b""
    return _digest([field.name.encode(), kind.encode(), nulls, *values]).digest()


def _digest(parts: Sequence[Part]) -> "hashlib._Hash":
    """Return SHA-256 over the number of parts and each part after its length: no two lists of parts are alike."""
    digest = hashlib.sha256(_number(len(parts)))
    for part in parts:
        pieces = [memoryview(piece).cast("B") for piece in part] if isinstance(part, list) else [part]
        digest.update(_number(sum(len(piece) for piece in pieces)))
        for piece in pieces:
            digest.update(piece)
    return digest


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _older_forms(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows as they are, then with times as releases before 0.3 named sets: in the unit of the user's file."""
    yield rows
    times = [place for place, field in enumerate(rows.schema) if pa.types.is_timestamp(field.type)]
    others = [place for place in times if rows.schema.field(place).name != EVENT_TIME]
    for own, other in product(_EVENT_TIMES, _TIMES if others else [None]):
        form = rows
        for place in times:
            kind = other if place in others else own
            form = form.set_column(place, rows.schema.field(place).name, rows.column(place).cast(kind, safe=False))
        yield form


def _canonical(column: pa.ChunkedArray) -> tuple[str, list[Part]]:
    """Return the kind of a column and the parts that its values are written as, those of nulls being zero."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _canonical(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text", _texts(column)
    if pa.types.is_boolean(kind):
        return "bool", [_bits(pc.fill_null(column, fill_value=False))]
    if pa.types.is_timestamp(kind) and kind.unit == "us":
        return "time", [_numbers(column, pa.int64())]
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        wide = pa.float64() if pa.types.is_floating(kind) else pa.uint64() if kind == pa.uint64() else pa.int64()
        return str(wide), [_numbers(column, wide)]
    buffer = io.BytesIO()
    pa.csv.write_csv(pa.table({"value": column}), buffer)
    return "other", [buffer.getvalue()]


def _bits(flags: pa.ChunkedArray) -> bytes:
    return np.packbits(np.asarray(flags, bool)).tobytes()


def _numbers(column: pa.ChunkedArray, wide: pa.DataType) -> list[memoryview]:
    pieces = []
    for chunk in (one for one in column.chunks if len(one)):
        values = np.ascontiguousarray(pc.fill_null(chunk.cast(wide), pa.scalar(0, wide)))
        if values.dtype.kind == "f" and (unknown := np.isnan(values)).any():
            values = np.where(unknown, np.nan, values)
        pieces.append(values.data)
    return pieces


def _texts(column: pa.ChunkedArray) -> list[Part]:
    """Return the lengths of texts as a part, and the texts one after the other as another one."""
    filled = pc.fill_null(column, "") if column.null_count else column
    width = np.int64 if pa.types.is_large_string(filled.type) else np.int32
    lengths: list[memoryview] = []
    texts: list[memoryview] = []
    for chunk in (one for one in filled.chunks if len(one)):
        _, offsets, data = chunk.buffers()
        places = np.frombuffer(offsets, width)[chunk.offset : chunk.offset + len(chunk) + 1]
        lengths.append(np.diff(places).astype(np.int64).data)
        if data is not None:
            texts.append(memoryview(data)[int(places[0]) : int(places[-1])])
    return [lengths, texts]
