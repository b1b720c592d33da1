"""Predictions that others made, as the messages of the route."""

from collections.abc import Mapping
from typing import Any

from modelops_pipelines.client.rows.labels import plain_fields, plain_label
from modelops_pipelines.client.rows.tables import dicts_of

_ANSWERS = frozenset({"prediction", "label"})


def prediction_messages(rows: Any) -> list[dict[str, Any]]:
    """Return a message for each row, without fields that have no value; raises InputError for what is not JSON's."""
    return [_message(row, f"Prediction {place}") for place, row in enumerate(dicts_of(rows))]


def _message(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    answers = {name: plain_label(row[name], f"{where}, {name}") for name in _ANSWERS if row.get(name) is not None}
    return {**plain_fields(row, where, _ANSWERS), **answers}
