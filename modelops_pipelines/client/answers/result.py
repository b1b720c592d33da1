"""The base of all answers, and lists of them: as rows, as a DataFrame, as a table in a notebook."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from html import escape
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 100
T = TypeVar("T", bound="Result")


class Result:
    """An answer of the gateway."""

    def records(self) -> list[dict[str, Any]]:
        """Return the answer as rows: one, or for lists and predictions one an item. Secrets are left out.

        An answer inside an answer has its fields under both names: ``latency_ms.p50``.
        """
        return [self._row()]

    def frame(self) -> "pd.DataFrame":
        """Return ``records()`` as a pandas DataFrame, with the columns even when there is no row."""
        import pandas as pd

        records = self.records()
        return pd.DataFrame(records, columns=None if records else self._columns())

    def _row(self) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name in self._columns():
            value = getattr(self, name)
            if isinstance(value, Result) and not isinstance(value, Sequence):
                row |= {f"{name}.{inner}": part for inner, part in value._row().items()}  # noqa: SLF001 - its own kind
            else:
                row[name] = value
        return row

    def _columns(self) -> list[str]:
        return columns_of(type(self))

    def _repr_html_(self) -> str:
        """Return a table for notebooks. Every value is escaped: callers have sent some of them."""
        rows = self.records()
        names = list(dict.fromkeys(name for row in rows for name in row)) or self._columns()
        lines = [_line("td", [row.get(name) for name in names]) for row in rows[:SHOWN_ROWS]]
        more = f"<p>{len(rows) - SHOWN_ROWS} more rows</p>" if len(rows) > SHOWN_ROWS else ""
        return f"<table><thead>{_line('th', names)}</thead><tbody>{''.join(lines)}</tbody></table>{more}"


def columns_of(kind: type[Any]) -> list[str]:
    """Return the names of an answer's fields, without secret ones."""
    return [one.name for one in fields(kind) if one.repr]


@dataclass(frozen=True)
class Listing(Result, Sequence[T], Generic[T]):
    """A list of answers, or a page of one."""

    items: tuple[T, ...]
    kind: type[T] = field(repr=False)
    next_cursor: str | None = None
    """Give it as ``cursor`` for the next page; None at the end, and where there are no pages."""
    complete: bool = True
    """False where the gateway holds more than was searched."""

    def records(self) -> list[dict[str, Any]]:
        """Return a row for each item."""
        return [row for item in self.items for row in item.records()]

    def _columns(self) -> list[str]:
        return columns_of(self.kind)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        return self.items[place]

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _line(cell: str, values: Sequence[Any]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(_shown(value))}</{cell}>' for value in values)}</tr>"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(f"{name}: {part}" for name, part in value.items()) if isinstance(value, Mapping) else str(value)
