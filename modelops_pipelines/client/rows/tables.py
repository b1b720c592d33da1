"""Tables in the forms that Python programs have: as names and rows, or as dicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.errors import InputError

FORMS = "Give a list of dicts, a dict of columns, a DataFrame, or an array with names=[...]"
_TABLE = 2


@dataclass(frozen=True)
class Table:
    """Names of columns, and rows with a value for each."""

    names: Sequence[Any]
    rows: list[tuple[Any, ...]]


def table_of(given: Any, names: Sequence[str] | None = None) -> Table | None:
    """Return the table of a DataFrame, an array or a dict of columns; None for other forms. Raises InputError."""
    if is_of("numpy", "ndarray", given):
        return _of_array(given, names)
    if names is not None:
        raise InputError("The rows have names of their own", "Give 'names' with a NumPy array only")
    if is_of("pandas", "DataFrame", given):
        return Table(list(given.columns), list(given.itertuples(index=False, name=None)))
    return _of_columns(given) if isinstance(given, Mapping) else None


def dicts_of(given: Any) -> list[Mapping[str, Any]]:
    """Return the rows as dicts; raises InputError for what is no rows."""
    table = table_of(given)
    if table is not None:
        return [dict(zip(table.names, row, strict=True)) for row in table.rows]
    if isinstance(given, Mapping):
        return [given]
    if isinstance(given, list | tuple) and all(isinstance(row, Mapping) for row in given):
        return list(given)
    raise InputError(f"Rows are given as {type(given).__name__}", FORMS)


def is_of(module: str, name: str, value: Any) -> bool:
    """Whether the value is of a class of this library, which is not imported for the question."""
    return any(kind.__module__.partition(".")[0] == module and kind.__name__ == name for kind in type(value).__mro__)


def _of_array(given: Any, names: Sequence[str] | None) -> Table:
    if given.dtype.names is not None and names is None:
        return Table(given.dtype.names, [tuple(row) for row in given.reshape(-1)])
    if given.ndim != _TABLE or names is None or isinstance(names, str) or len(names) != given.shape[1]:
        raise InputError(
            f"The array has the shape {given.shape}, and {0 if names is None else len(names)} names",
            "Give an array of rows and columns, and names=[...] with a feature for each column",
        )
    return Table(list(names), [tuple(row) for row in given])


def _of_columns(given: Mapping[Any, Any]) -> Table | None:
    """Return the table of a dict of columns, None for a dict whose values are all single ones: that is a row."""
    columns = {name: _column(values) for name, values in given.items()}
    if all(values is None for values in columns.values()):
        return None
    lengths = {name: "one value" if values is None else len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1 or None in columns.values():
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(
            f"The columns have different lengths ({shown})",
            "Give one value a row in each column; a row that has lists goes into a list: [row]",
        )
    return Table(list(columns), list(zip(*(values or () for values in columns.values()), strict=True)))


def _column(values: Any) -> Sequence[Any] | None:
    """Return a column's values, or None for what is one value."""
    if isinstance(values, list | tuple):
        return values
    is_array = is_of("numpy", "ndarray", values) and values.ndim
    return list(values) if is_array or is_of("pandas", "Series", values) or is_of("pandas", "Index", values) else None
