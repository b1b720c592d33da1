"""MLflow's body forms as columns of the model's own types; what does not fit is named by row and column."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from modelops_pipelines.core.errors import InputError, MalformedError
from modelops_pipelines.core.ids import MAX_ROWS

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
Columns = dict[str, list[Any]]
_EXAMPLE = 'for example {"dataframe_records": [{"feature": 1.0}]}'


def read_body(body: bytes, inputs: Mapping[str, str]) -> Columns:
    """Return the body's rows as one list of values a feature, each of the feature's type.

    ``inputs`` maps a feature to its column type. Columns that the model does not take are left out, as MLflow does.
    Raises MalformedError for what is no JSON object, InputError for what is not rows of these features.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"The body is not valid JSON ({error})", f"Send JSON, {_EXAMPLE}") from error
    if not isinstance(parsed, dict):
        raise MalformedError("The body is not a JSON object", f"Send an object, {_EXAMPLE}")
    columns, rows = _columns(parsed, list(inputs))
    if not 0 < rows <= MAX_ROWS:
        raise InputError(f"The body has {rows} rows", f"Send 1 to {MAX_ROWS} rows a request")
    return {name: _typed(name, kind, columns[name]) for name, kind in inputs.items()}


def _columns(parsed: dict[str, Any], names: Sequence[str]) -> tuple[Columns, int]:
    forms = [form for form in FORMS if form in parsed]
    unknown = sorted(set(parsed) - {*FORMS, "params"})
    if len(forms) != 1 or unknown:
        found = ", ".join((*forms, *unknown)) or "none"
        raise InputError(
            f"The body must have exactly one of {', '.join(FORMS)} (it has: {found})", f"Send one of them, {_EXAMPLE}"
        )
    content = parsed[forms[0]]
    if forms[0] == "dataframe_split":
        return _from_split(content, names)
    if isinstance(content, dict):
        return _from_columns(content, names)
    return _from_records(forms[0], content, names)


def _from_split(content: Any, names: Sequence[str]) -> tuple[Columns, int]:
    split = content if isinstance(content, dict) else {}
    header, data = split.get("columns"), split.get("data")
    if not isinstance(header, list) or not isinstance(data, list):
        raise InputError("dataframe_split needs 'columns' and 'data', both lists", "Send pandas' to_dict('split')")
    _require(names, header)
    for index, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(header):
            raise InputError(
                f"Row {index} of dataframe_split does not have {len(header)} values", "Give each column one"
            )
    places = {name: header.index(name) for name in names}
    return {name: [row[place] for row in data] for name, place in places.items()}, len(data)


def _from_columns(content: dict[str, Any], names: Sequence[str]) -> tuple[Columns, int]:
    _require(names, content)
    columns = {name: content[name] if isinstance(content[name], list) else [content[name]] for name in names}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        told = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
        raise InputError(f"The columns are of different lengths ({told})", "Give each column one value a row")
    return columns, lengths.pop()


def _from_records(form: str, content: Any, names: Sequence[str]) -> tuple[Columns, int]:
    if not isinstance(content, list):
        raise InputError(f"{form} is no list of rows", f"Send a list of objects, {_EXAMPLE}")
    for index, row in enumerate(content):
        if not isinstance(row, dict):
            raise InputError(f"Row {index} of {form} is no object", f"Name the features, {_EXAMPLE}")
        _require(names, row, f" in row {index}")
    return {name: [row[name] for row in content] for name in names}, len(content)


def _require(names: Sequence[str], given: Any, where: str = "") -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(
            f"Feature(s) {', '.join(missing)} missing{where}",
            "Send every feature of the model's signature (null where the value is not known)",
        )


def _typed(name: str, kind: str, values: list[Any]) -> list[Any]:
    convert = _CONVERTERS[kind]
    try:
        return [None if value is None else convert(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        index = next(row for row, value in enumerate(values) if not _fits(convert, value))
        shown = repr(values[index])[:60]
        raise InputError(
            f"Feature {name!r} in row {index} is {shown}, no {_NAMES[kind]}", "Send the right type"
        ) from None


def _fits(convert: Any, value: Any) -> bool:
    try:
        return value is None or convert(value) is not None
    except (TypeError, ValueError, OverflowError):
        return False


def _float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    raise TypeError


def _int(value: Any) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if type(value) is float and math.isfinite(value) and value.is_integer():
        return int(value)
    raise TypeError


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError


def _time(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_CONVERTERS = {"float": _float, "int": _int, "text": _text, "bool": _bool, "timestamp": _time}
_NAMES = {
    "float": "number",
    "int": "whole number",
    "text": "text",
    "bool": "true or false",
    "timestamp": "time in ISO 8601",
}
