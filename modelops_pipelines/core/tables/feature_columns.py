"""The column of a feature in the lake's tables: its own name, or another where a column of ours has that name.

A feature ``date`` has the column ``feature:date``. Names are compared without regard to capitals, as the lake does. A
feature that is itself called ``feature:date`` has the column ``feature:feature:date``: no two features share a column,
and each column tells its feature.
"""

from collections.abc import Iterable

from modelops_pipelines.core.tables.lake import SYSTEM_COLUMNS

PREFIX = "feature:"
_TAKEN = frozenset(name.casefold() for name in SYSTEM_COLUMNS)


def column_of(feature: str) -> str:
    """Return the column in which the lake keeps a feature; everywhere but in requests it goes by this name."""
    return PREFIX + feature if _without_prefix(feature).casefold() in _TAKEN else feature


def feature_of(column: str) -> str:
    """Return the feature's own name, as requests and the model have it."""
    is_ours = column.startswith(PREFIX) and _without_prefix(column).casefold() in _TAKEN
    return column.removeprefix(PREFIX) if is_ours else column


def spellings(columns: Iterable[str]) -> dict[str, str]:
    """Return columns by what the lake tells them apart by."""
    return {name.casefold(): name for name in columns}


def same_but_capitals(columns: Iterable[str], spelled: dict[str, str]) -> tuple[str, str] | None:
    """Return two columns that differ in capitals only, which the lake does not tell apart; None where none do.

    ``spelled`` are the ``spellings`` of those that there are already; the columns are added to it.
    """
    for name in columns:
        other = spelled.setdefault(name.casefold(), name)
        if other != name:
            return other, name
    return None


def is_named_like(column: str, label: str) -> bool:
    """Return whether the column's feature has the label's name but for capitals: beside it, nobody could tell which."""
    return feature_of(column).casefold() == label.casefold()


def _without_prefix(name: str) -> str:
    while name.startswith(PREFIX):
        name = name.removeprefix(PREFIX)
    return name
