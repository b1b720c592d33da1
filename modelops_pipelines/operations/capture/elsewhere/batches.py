"""A part of a foreign log as columns, with the place of each row in its source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from modelops_pipelines.operations.capture.elsewhere.typed_columns import Column, Faults


@dataclass(frozen=True)
class Batch:
    """Rows that were read together: columns by name, and each row's number in its source, from 1.

    ``refused`` are rows of the source that are not among them: their number, and why. ``nested`` are columns that hold
    lists or objects, which were left out.
    """

    place: str
    numbers: Sequence[int]
    columns: Mapping[str, Column]
    refused: list[tuple[int, str]] = field(default_factory=list)
    nested: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.numbers)


def of_arrow(place: str, first: int, rows: pa.RecordBatch, numbers: Sequence[int] | None = None) -> Batch:
    """Return an Arrow batch whose first row has this number, or whose rows have these."""
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    return Batch(place, range(first, first + len(rows)) if numbers is None else numbers, columns)


def of_rows(place: str, rows: Sequence[tuple[int, Mapping[str, Any]]], refused: list[tuple[int, str]]) -> Batch:
    """Return rows of JSON values with their numbers; a column that a row does not have is null there."""
    names = dict.fromkeys(name for _, row in rows for name in row)
    columns: dict[str, Column] = {name: [row.get(name) for _, row in rows] for name in names}
    return Batch(place, [number for number, _ in rows], columns, refused)


def without(faults: Faults, rows: int) -> pa.BooleanArray:
    """Return which of the rows have no fault."""
    return pa.array([place not in faults for place in range(rows)], pa.bool_())
