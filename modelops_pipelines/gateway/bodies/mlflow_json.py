"""Parses MLflow's four JSON forms into columns; errors name the row and the feature."""

from collections.abc import Collection, Sequence
from typing import Any

import orjson

from modelops_pipelines.core.errors import InputError, MalformedError
from modelops_pipelines.core.models.typed_columns import Columns, check_rows
from modelops_pipelines.gateway.bodies.repeated_names import check_given_once, check_keys_once

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
_NOTHING: frozenset[str] = frozenset()
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


def read_json(
    body: bytes, names: Sequence[str], optional: Collection[str] = _NOTHING, *, positional: bool = False
) -> tuple[Columns, int, object]:
    """Return the named columns of an MLflow body, not converted to types, the number of rows, and its ``params``.

    A column of ``optional`` that no row has is absent. With ``positional`` the values may come without names, in order.

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
    form, content = forms[0], parsed[forms[0]]
    if positional and (ordered := _in_order(form, content, names)) is not None:
        return *ordered, parsed.get("params")
    return *_rows_of(form, content, names, optional), parsed.get("params")


def _in_order(form: str, content: Any, names: Sequence[str]) -> tuple[Columns, int] | None:
    """Return columns of rows that name nothing, or None for a content that does."""
    rows = content
    if form == "dataframe_split" and isinstance(content, dict):
        header, rows = content.get("columns"), content.get("data")
        if header is not None and (not isinstance(header, list) or set(names) <= set(map(str, header))):
            return None
        if len(names) == 1 and isinstance(rows, list) and all(isinstance(row, list) and len(row) == 1 for row in rows):
            rows = [row[0] for row in rows]
    if not isinstance(rows, list) or any(isinstance(row, dict) for row in rows):
        return None
    check_rows(len(rows))
    if len(names) == 1:
        return {names[0]: rows}, len(rows)
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise InputError(
                f"Row {index} of {form} is not a list of {len(names)} values", "Send one value for each input, in order"
            )
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}, len(rows)


def _rows_of(form: str, content: Any, names: Sequence[str], optional: Collection[str]) -> tuple[Columns, int]:
    if form == "dataframe_split":
        return _from_split(content, names, optional)
    if isinstance(content, dict):
        return _from_columns(content, names, optional)
    return _from_records(form, content, names, optional)


def _from_split(content: Any, names: Sequence[str], optional: Collection[str]) -> tuple[Columns, int]:
    split = content if isinstance(content, dict) else {}
    header, data = split.get("columns"), split.get("data")
    if not isinstance(header, list) or not isinstance(data, list):
        raise InputError(
            "dataframe_split requires 'columns' and 'data', both lists", "Send DataFrame.to_dict('split') of pandas"
        )
    names = present(names, header, optional)
    check_given_once(names, header, "the columns of dataframe_split")
    check_rows(len(data))  # before the loop: there may be millions of rows
    for index, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(header):
            raise InputError(
                f"Row {index} of dataframe_split does not have {len(header)} values", "Send one value for each column"
            )
    places = {name: header.index(name) for name in names}
    return {name: [row[place] for row in data] for name, place in places.items()}, len(data)


def _from_columns(content: dict[str, Any], names: Sequence[str], optional: Collection[str]) -> tuple[Columns, int]:
    names = present(names, content, optional)
    columns = {name: content[name] if isinstance(content[name], list) else [content[name]] for name in names}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        found = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
        raise InputError(f"The columns have different lengths ({found})", "Send one value per row in each column")
    return columns, lengths.pop()


def _from_records(form: str, content: Any, names: Sequence[str], optional: Collection[str]) -> tuple[Columns, int]:
    if not isinstance(content, list):
        raise InputError(f"{form} is not a list of rows", f"Send a list of objects, {_EXAMPLE}")
    check_rows(len(content))
    try:
        return {name: [row[name] for row in content] for name in names}, len(content)
    except (KeyError, TypeError, IndexError):
        for index, row in enumerate(content):
            if not isinstance(row, dict):
                raise InputError(f"Row {index} of {form} is not an object", f"Name the features, {_EXAMPLE}") from None
            present(names, row, optional, f" in row {index}")
        if not optional:
            raise
    given = set().union(*content)
    return {name: [row.get(name) for row in content] for name in names if name in given}, len(content)


def present(names: Sequence[str], given: Any, optional: Collection[str], where: str = "") -> Sequence[str]:
    """Return the names that are given; raises InputError where one is missing that is not optional, or all are."""
    missing = [name for name in names if name not in given]
    if not missing:
        return names
    required = [name for name in missing if name not in optional]
    if required or len(missing) == len(names):
        raise InputError(
            f"Feature(s) {', '.join(required or missing)} missing{where}",
            "Send every feature of the model's signature (null where the value is not known)",
        )
    return [name for name in names if name in given]
