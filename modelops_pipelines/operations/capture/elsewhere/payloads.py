"""Rows in the bodies of requests and answers: MLflow's and TensorFlow's JSON, the Open Inference Protocol V2, and CSV.

A body that is none of these, or whose answers are not as many as its rows, raises RefusedValueError.
"""

import base64
import binascii
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError

LARGEST_BODY = 16 * 1024 * 1024
MOST_ROWS = 10_000
CSV, JSON_LINES = "text/csv", "application/jsonlines"
_LABELS = ("predict", "predicted_label", "label", "output_label", "predictions", "prediction", "class")
_PROBABILITIES = ("predict_proba", "probabilities", "output_probability")
_MATRIX = 2
Row = dict[str, Any]


def parsed(body: Any, content_type: str = "", encoding: str = "") -> Any:
    """Return a body as JSON values, or as rows of texts where it is CSV; a body that is parsed already stays."""
    if isinstance(body, str | bytes):
        if len(body) > LARGEST_BODY:
            raise RefusedValueError(f"the body is over {LARGEST_BODY // 2**20} MiB")
        text = _decoded(body, encoding)
        kind = content_type.partition(";")[0].strip().lower()
        if kind == CSV or encoding.upper() == "CSV":
            return [line for line in csv.reader(io.StringIO(text)) if line]
        if kind == JSON_LINES:
            return {"instances": [_json(line) for line in text.splitlines() if line.strip()]}
        return _json(text)
    return body


def request_rows(body: Any, names: Sequence[str]) -> list[Row]:
    """Return the rows of a request, by feature; features without a name get those given, else ``input_0`` and so on."""
    if isinstance(body, Mapping):
        for key, read in _REQUESTS.items():
            if key in body:
                return _bounded(read(body[key], names))
    if isinstance(body, list):
        return _bounded(_instances(body, names))
    raise RefusedValueError("the request has none of: dataframe_split, dataframe_records, instances, inputs")


def answers(body: Any, answers_are: str) -> list[Row]:
    """Return the answers by row, each with ``@prediction``, ``@score`` or ``@probabilities``.

    A list is probabilities; a single value is what ``answers_are`` says: class, or score.
    """
    if isinstance(body, Mapping):
        for key in ("predictions", "instances"):
            if key in body:
                return [_answer(one, answers_are) for one in _list(body[key])]
        if "outputs" in body:
            return _of_tensors(body["outputs"], answers_are)
    if isinstance(body, list):
        return [_answer(one[0] if isinstance(one, list) and len(one) == 1 else one, answers_are) for one in body]
    if body is not None and not isinstance(body, Mapping):
        return [_answer(body, answers_are)]
    raise RefusedValueError("the answer has neither predictions nor outputs")


def _answer(value: Any, answers_are: str) -> Row:
    if isinstance(value, Mapping):
        label = next((value[name] for name in _LABELS if name in value), None)
        found = {"@prediction": label, "@score": value.get("score")}
        found["@probabilities"] = next((value[name] for name in _PROBABILITIES if name in value), None)
        if all(part is None for part in found.values()):
            raise RefusedValueError("an answer is an object without a prediction, score or probabilities")
        return found
    if isinstance(value, list):
        return _answer(value[0], answers_are) if len(value) == 1 else {"@probabilities": value}
    return {"@score" if answers_are == "score" else "@prediction": value}


def _of_tensors(outputs: Any, answers_are: str) -> list[Row]:
    tensors = [(str(one.get("name")), _matrix(one)) for one in _list(outputs) if isinstance(one, Mapping)]
    if not tensors:
        raise RefusedValueError("the answer has no outputs")
    chosen = {name: rows for name, rows in tensors if name in (*_LABELS, *_PROBABILITIES)} or dict(tensors[:1])
    counts = {len(rows) for rows in chosen.values()}
    if len(counts) != 1:
        raise RefusedValueError("the outputs differ in their number of rows")
    found: list[Row] = [{} for _ in range(counts.pop())]
    for name, rows in chosen.items():
        for row, values in zip(found, rows, strict=True):
            row.update({"@probabilities": values} if name in _PROBABILITIES else _answer(values, answers_are))
    return found


def _split(given: Any, _names: Sequence[str]) -> list[Row]:
    columns, data = [str(one) for one in _list(given.get("columns"))], _list(given.get("data"))
    return [_named(columns, line) for line in data]


def _instances(given: Any, names: Sequence[str]) -> list[Row]:
    rows = []
    for one in _list(given):
        value = one["features"] if isinstance(one, Mapping) and set(one) == {"features"} else one
        if isinstance(value, Mapping):
            rows.append(dict(value))
        else:
            line = value if isinstance(value, list) else [value]
            rows.append(_named(_names_for(len(line), names), line))
    return rows


def _inputs(given: Any, names: Sequence[str]) -> list[Row]:
    if isinstance(given, Mapping):
        columns = {str(name): values if isinstance(values, list) else [values] for name, values in given.items()}
        return _of_columns(columns)
    if isinstance(given, list) and given and all(isinstance(one, Mapping) and "shape" in one for one in given):
        return _of_columns(_tensor_columns(given, names))
    return _instances(given, names)


def _tensor_columns(given: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for one in given:
        name, rows = str(one.get("name")), _matrix(one)
        width = len(rows[0]) if rows else 1
        if width == 1:
            columns[name] = [row[0] for row in rows]
            continue
        own = list(names) if len(given) == 1 and len(names) == width else [f"{name}_{place}" for place in range(width)]
        columns |= {own[place]: [row[place] for row in rows] for place in range(width)}
    return columns


def _matrix(tensor: Mapping[str, Any]) -> list[list[Any]]:
    """Return a tensor of one or two dimensions as rows; its data is flat, or nested as its shape."""
    shape, data = _list(tensor.get("shape")), _list(tensor.get("data"))
    if not 1 <= len(shape) <= _MATRIX or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise RefusedValueError("a tensor has neither one nor two dimensions")
    flat = [value for part in data for value in (part if isinstance(part, list) else [part])]
    width = shape[1] if len(shape) == _MATRIX else 1
    if len(flat) != shape[0] * width:
        raise RefusedValueError("a tensor's data does not have its shape")
    return [flat[start : start + width] for start in range(0, len(flat), width)] if width else []


def _of_columns(columns: Mapping[str, list[Any]]) -> list[Row]:
    if len({len(values) for values in columns.values()}) > 1:
        raise RefusedValueError("the inputs differ in their number of rows")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _named(names: Sequence[str], line: Any) -> Row:
    if not isinstance(line, list) or len(line) != len(names):
        raise RefusedValueError(f"a row does not have {len(names)} values")
    return dict(zip(names, line, strict=True))


def _names_for(width: int, names: Sequence[str]) -> Sequence[str]:
    return names if len(names) == width else [f"input_{place}" for place in range(width)]


def _bounded(rows: list[Row]) -> list[Row]:
    if len(rows) > MOST_ROWS:
        raise RefusedValueError(f"the request has over {MOST_ROWS:,} rows")
    return rows


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise RefusedValueError("the body has something else where a list belongs")
    return given


def _decoded(body: str | bytes, encoding: str) -> str:
    try:
        raw = base64.b64decode(body, validate=True) if encoding.upper() == "BASE64" else body
        return raw.decode() if isinstance(raw, bytes) else raw
    except (binascii.Error, ValueError):
        raise RefusedValueError("the body is not UTF-8 text, or not base64") from None


def _json(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        raise RefusedValueError("the body is not JSON") from None


_REQUESTS = {
    "dataframe_split": _split,
    "dataframe_records": _instances,
    "instances": _instances,
    "inputs": _inputs,
}
