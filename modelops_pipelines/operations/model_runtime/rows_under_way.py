"""The rows that models of this process are predicting now: what they say meanwhile may quote these."""

from collections.abc import Collection
from typing import Any, Protocol


class NamedValues(Protocol):
    """The rows of one prediction, column by column: a mapping of names, or what makes it when it is asked."""

    def values(self) -> Collection[list[Any]]:
        """Return the values of each column."""
        ...


_under_way: dict[int, NamedValues] = {}


class RowsUnderWay:
    """Marks columns as under way for the time of a ``with`` block."""

    __slots__ = ("_columns",)

    def __init__(self, columns: NamedValues) -> None:
        """Mark these columns."""
        self._columns = columns

    def __enter__(self) -> None:
        """Begin."""
        _under_way[id(self)] = self._columns

    def __exit__(self, *_: object) -> None:
        """End."""
        _under_way.pop(id(self), None)


def rows_under_way() -> list[list[Any]]:
    """Return the values of all predictions under way, column by column."""
    return [values for columns in list(_under_way.values()) for values in columns.values()]
