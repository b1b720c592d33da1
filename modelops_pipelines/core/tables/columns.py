"""The parts of a table's declaration: columns with their types, units and descriptions."""

from dataclasses import dataclass, replace
from typing import Literal

ColumnType = Literal["text", "int", "float", "bool", "timestamp", "date", "json", "ints", "floats"]


@dataclass(frozen=True)
class Column:
    """One column. ``json`` is stored as text; ``timestamp`` is UTC microseconds; ``ints`` and ``floats`` are lists."""

    name: str
    type: ColumnType
    about: str
    nullable: bool = False
    unit: str | None = None


@dataclass(frozen=True)
class Table:
    """One table; ``key`` identifies a row. Lake tables are partitioned by ``date``."""

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def with_columns(self, extra: tuple[Column, ...]) -> "Table":
        """Return the same table with more columns at its end."""
        return replace(self, columns=self.columns + extra)


def column(kind: ColumnType, name: str, about: str, unit: str | None = None) -> Column:
    """Declare a column; a name that ends in ``?`` is nullable."""
    return Column(name.rstrip("?"), kind, about, nullable=name.endswith("?"), unit=unit)


def text(name: str, about: str) -> Column:
    """Declare a column of text."""
    return column("text", name, about)


def integer(name: str, about: str, unit: str | None = None) -> Column:
    """Declare a column of whole numbers."""
    return column("int", name, about, unit)


def number(name: str, about: str, unit: str | None = None) -> Column:
    """Declare a column of floats."""
    return column("float", name, about, unit)


def moment(name: str, about: str) -> Column:
    """Declare a column of UTC timestamps."""
    return column("timestamp", name, about, "UTC microseconds")
