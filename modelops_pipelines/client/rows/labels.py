"""Labels as callers have them, as the messages of the route."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from modelops_pipelines.client.rows.tables import dicts_of
from modelops_pipelines.client.rows.values import json_value
from modelops_pipelines.core.errors import InputError

_TIMES = ("at", "labelled_at", "time")


def label_messages(rows: Any) -> list[dict[str, Any]]:
    """Return a message for each row, without fields that have no value; raises InputError for what is no label."""
    return [_message(row, f"Label {place}") for place, row in enumerate(dicts_of(rows))]


def plain_label(label: Any, where: str) -> bool | float | str:
    """Return a label in JSON's types; raises InputError for None, NaN, and what is neither text nor number."""
    found = json_value(label, where)
    if isinstance(found, bool | int | float | str) and not isinstance(label, datetime):
        return found
    raise InputError(f"{where} is {str(label)[:60]!r}, which is no label", "Give a text, a number, True or False")


def _message(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    if "label" not in row:
        raise InputError(f"{where} has no 'label'", "Give each row a label, and the key of its prediction")
    return {**plain_fields(row, where, {"label"}), "label": plain_label(row["label"], where)}


def plain_fields(row: Mapping[str, Any], where: str, but: AbstractSet[str]) -> dict[str, Any]:
    """Return a row's other fields that have a value, in JSON's types; raises InputError for what JSON does not have."""
    given = {
        name: json_value(_aware(value, name), f"{where}, {name}") for name, value in row.items() if name not in but
    }
    return {name: value for name, value in given.items() if value is not None}


def _aware(value: Any, name: str) -> Any:
    if name in _TIMES and isinstance(value, datetime) and value == value and value.tzinfo is None:  # noqa: PLR0124 - NaT
        raise InputError(f"{name} is {value}, without a time zone", "Give it one, such as datetime.now(UTC)")
    return value
