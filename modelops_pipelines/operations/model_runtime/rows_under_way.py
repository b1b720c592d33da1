"""The rows that models of this process are predicting now: what they say meanwhile may quote these."""

from typing import Any

from modelops_pipelines.core.models.typed_columns import Columns

_under_way: dict[int, Columns] = {}


class RowsUnderWay:
    """Marks columns as under way for the time of a ``with`` block."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Columns) -> None:
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
