"""Parses a CSV body, whose first line names the features, into columns."""

import csv
import io
import math
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

import orjson

from modelops_pipelines.core.errors import InputError, MalformedError
from modelops_pipelines.core.ids import MAX_ROWS
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.gateway.bodies.repeated_names import check_given_once

_NULLS = frozenset({"", "NA", "NaN", "nan", "null", "None"})
_BOOLS = {"true": True, "false": False, "1": True, "0": False}
csv.field_size_limit(2**31 - 1)  # the body's size is limited already; text in JSON has no other limit either
_EXAMPLE = "Send a header line with the features' names, then one line per row"


def read_csv(body: bytes, inputs: Mapping[str, str], optional: Collection[str] = ()) -> tuple[Columns, int]:
    """Return the inputs' columns, converted to their types where possible, and the number of rows.

    A column of ``optional`` that the header line does not name is absent.
    An empty field is null, also in text columns as in pandas; in other columns NA, NaN, nan, null and None are too.
    Raises MalformedError for invalid CSV or UTF-8, InputError for missing features and rows of a wrong length.
    """
    header, *rows = _lines(body)
    missing = [name for name in inputs if name not in header and name not in optional]
    inputs = {name: kind for name, kind in inputs.items() if name in header}
    if missing or not inputs:
        raise InputError(f"Feature(s) {', '.join(missing)} missing in the CSV's header line", _EXAMPLE)
    check_given_once(inputs, header, "the CSV's header line")
    if len(rows) > MAX_ROWS:
        raise InputError(f"The CSV has over {MAX_ROWS} rows", f"Send 1 to {MAX_ROWS} rows per request")
    for index, row in enumerate(rows):
        if len(row) != len(header):
            raise InputError(f"Row {index} of the CSV has {len(row)} fields, the header line {len(header)}", _EXAMPLE)
    places = {name: header.index(name) for name in inputs}
    return {name: [_value(kind, row[places[name]]) for row in rows] for name, kind in inputs.items()}, len(rows)


def _lines(body: bytes) -> list[list[str]]:
    """Return the lines that are not empty, at most MAX_ROWS + 2, which shows that there are too many."""
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    except UnicodeDecodeError as error:
        raise MalformedError(f"The body is not in UTF-8 (byte {error.start})", "Send the CSV in UTF-8") from error
    try:
        lines = list(islice(filter(None, reader), MAX_ROWS + 2))
    except csv.Error as error:
        raise MalformedError(
            f"Line {reader.line_num} of the CSV cannot be parsed",
            "Close every quoted field, and double the quotes inside a field",
        ) from error
    if not lines:
        raise MalformedError("The body is empty", _EXAMPLE)
    return lines


def _value(kind: str, given: str) -> Any:
    """Return the field converted to the type; an invalid one stays text, and ``typed_columns`` rejects it."""
    if given == "" or (kind != "text" and given in _NULLS):
        return None
    convert = _FROM_TEXT.get(kind)
    try:
        return given if convert is None else convert(given)
    except ValueError:
        return given


def _number(given: str) -> float | str:
    number = float(given)
    return number if math.isfinite(number) and "_" not in given and given.isascii() else given


def _whole(given: str) -> int | float | str:
    return int(given) if given.isascii() and given.lstrip("+-").isdecimal() else _number(given)


_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "float": _number,
    "int": _whole,
    "bool": lambda given: _BOOLS.get(given.lower(), given),
    "json": lambda given: orjson.loads(given) if given.lstrip()[:1] in {"[", "{"} else given,
}
