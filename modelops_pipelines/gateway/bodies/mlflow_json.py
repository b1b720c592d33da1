"""Parses MLflow's four JSON forms into columns; errors name the row and the feature."""

from collections.abc import Sequence
from typing import Any

import orjson

from modelops_pipelines.core.errors import InputError, MalformedError
from modelops_pipelines.core.models.typed_columns import Columns, check_rows
from modelops_pipelines.gateway.bodies.repeated_names import check_given_once, check_keys_once

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
_EXAMPLE = 'for example {"dataframe_records": [{"feature": 1.0}]}'


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the body's JSON object; raises MalformedError for any other body, InputError for a key given twice."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedError(f"The body is not valid JSON ({where})", f"Send JSON, {_EXAMPLE}") from error
    if not isinstance(parsed, dict):
        raise MalformedError("The body is not a JSON object", f"Send an object, {_EXAMPLE}")
    check_keys_once(body, parsed)
    return parsed


def read_json(body: bytes, names: Sequence[str]) -> tuple[Columns, int, object]:
    """Return the named columns of an MLflow body, not converted to types, the number of rows, and its ``params``.

    Raises MalformedError for a body that is not a JSON object, InputError for rows without these features.
    """
    parsed = parse_object(body)
    forms = [form for form in FORMS if form in parsed]
    unknown = sorted(set(parsed) - {*FORMS, "params"})
    if len(forms) != 1 or unknown:
        found = ", ".join((*forms, *unknown)) or "none"
        raise InputError(
            f"The body must have exactly one of {', '.join(FORMS)} (it has: {found})", f"Send one of them, {_EXAMPLE}"
        )
    content = parsed[forms[0]]
    return *_rows_of(forms[0], content, names), parsed.get("params")


def _rows_of(form: str, content: Any, names: Sequence[str]) -> tuple[Columns, int]:
    if form == "dataframe_split":
        return _from_split(content, names)
    if isinstance(content, dict):
        return _from_columns(content, names)
    return _from_records(form, content, names)


def _from_split(content: Any, names: Sequence[str]) -> tuple[Columns, int]:
    split = content if isinstance(content, dict) else {}
    header, data = split.get("columns"), split.get("data")
    if not isinstance(header, list) or not isinstance(data, list):
        raise InputError(
            "dataframe_split requires 'columns' and 'data', both lists", "Send DataFrame.to_dict('split') of pandas"
        )
    _require(names, header)
    check_given_once(names, header, "the columns of dataframe_split")
    check_rows(len(data))  # before the loop: there may be millions of rows
    for index, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(header):
            raise InputError(
                f"Row {index} of dataframe_split does not have {len(header)} values", "Send one value for each column"
            )
    places = {name: header.index(name) for name in names}
    return {name: [row[place] for row in data] for name, place in places.items()}, len(data)


def _from_columns(content: dict[str, Any], names: Sequence[str]) -> tuple[Columns, int]:
    _require(names, content)
    columns = {name: content[name] if isinstance(content[name], list) else [content[name]] for name in names}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        found = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
        raise InputError(f"The columns have different lengths ({found})", "Send one value per row in each column")
    return columns, lengths.pop()


def _from_records(form: str, content: Any, names: Sequence[str]) -> tuple[Columns, int]:
    if not isinstance(content, list):
        raise InputError(f"{form} is not a list of rows", f"Send a list of objects, {_EXAMPLE}")
    check_rows(len(content))
    try:
        return {name: [row[name] for row in content] for name in names}, len(content)
    except (KeyError, TypeError, IndexError):
        for index, row in enumerate(content):
            if not isinstance(row, dict):
                raise InputError(f"Row {index} of {form} is not an object", f"Name the features, {_EXAMPLE}") from None
            _require(names, row, f" in row {index}")
        raise


def _require(names: Sequence[str], given: Any, where: str = "") -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(
            f"Feature(s) {', '.join(missing)} missing{where}",
            "Send every feature of the model's signature (null where the value is not known)",
        )
