"""Rows as the body of a request, in every form that the gateway takes."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pandas as pd

JSON, CSV = "application/json", "text/csv"
Request = tuple[str, str, bytes]
"""The address under the endpoint's, the content type, the body."""


def columns_of(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the frame's columns as plain values, null where one is missing."""
    return {
        name: [None if value is None or value != value else value for value in frame[name].tolist()]  # noqa: PLR0124 - NaN
        for name in frame.columns
    }


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the frame's rows as plain values."""
    columns = columns_of(frame)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def split(frame: pd.DataFrame) -> Request:
    data = [list(row.values()) for row in rows_of(frame)]
    return _json({"dataframe_split": {"columns": list(frame.columns), "data": data}})


def records(frame: pd.DataFrame) -> Request:
    return _json({"dataframe_records": rows_of(frame)})


def inputs(frame: pd.DataFrame) -> Request:
    return _json({"inputs": columns_of(frame)})


def instances(frame: pd.DataFrame) -> Request:
    return _json({"instances": rows_of(frame)})


def comma_separated(frame: pd.DataFrame) -> Request:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(frame.columns))
    writer.writeheader()
    writer.writerows(rows_of(frame))
    return "invocations", CSV, text.getvalue().encode()


def tensors(frame: pd.DataFrame) -> Request:
    """One tensor a feature; [rows] and [rows, 1] by turns."""
    made = [
        {"name": name, "shape": [len(values), 1][: 1 + place % 2], "datatype": "FP64", "data": values}
        for place, (name, values) in enumerate(columns_of(frame).items())
    ]
    return _json({"inputs": made}, "infer")


def matrix(frame: pd.DataFrame) -> Request:
    data = [list(row.values()) for row in rows_of(frame)]
    tensor = {"name": "rows", "shape": list(frame.shape), "datatype": "FP64", "data": data}
    return _json({"inputs": [tensor]}, "infer")


def _json(body: dict[str, Any], path: str = "invocations") -> Request:
    return path, JSON, json.dumps(body).encode()


FORMS: list[Callable[[pd.DataFrame], Request]] = [split, records, inputs, instances, comma_separated, tensors, matrix]


def answers_of(body: dict[str, Any]) -> list[Any]:
    """Return each row's answer, of either protocol's answer."""
    if "predictions" in body:
        return list(body["predictions"])
    tensor = body["outputs"][0]
    width = tensor["shape"][1] if len(tensor["shape"]) > 1 else None
    data = tensor["data"]
    return data if width is None else [data[start : start + width] for start in range(0, len(data), width)]
