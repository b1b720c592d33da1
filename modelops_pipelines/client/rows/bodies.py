"""The body of a prediction request, in one of MLflow's forms."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelops_pipelines.client.rows.tables import Table, dicts_of, table_of
from modelops_pipelines.client.rows.values import json_value
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.typed_columns import check_rows


def prediction_body(rows: Any, names: Sequence[str] | None, params: Mapping[str, Any] | None) -> bytes:
    """Return the body; raises InputError for what is no rows, too many, or has values that JSON does not have.

    ``rows``: a list of dicts, one dict (a row, or columns when its values are lists or arrays), a DataFrame of pandas,
    or a NumPy array: two-dimensional with ``names``, or structured.
    """
    table = table_of(rows, names)
    body = _records(dicts_of(rows)) if table is None else _split(table)
    if params is not None:
        body["params"] = json_value(params, "params")
    return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _records(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    check_rows(len(rows))
    return {"dataframe_records": [json_value(row, f"Row {place}") for place, row in enumerate(rows)]}


def _split(table: Table) -> dict[str, Any]:
    check_rows(len(table.rows))
    names = [_feature(name) for name in table.names]
    data = [
        [json_value(value, f"Feature {name!r} in row {place}") for name, value in zip(names, row, strict=True)]
        for place, row in enumerate(table.rows)
    ]
    return {"dataframe_split": {"columns": names, "data": data}}


def _feature(name: Any) -> str:
    if isinstance(name, str):
        return str(json_value(name, "A feature's name"))
    raise InputError(f"A feature has the name {name!r}, which is no text", "Name the features by text")
