"""The form of one row: a field for each input of the signature, filled with text, and read back as a row.

An empty field is null, except of a required text, where it is the empty text. What is no value of the field's type goes
into the request as it was typed: the API then says what is wrong, as it does to programs.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.input_forms import JSON, Input, InputForm

MOST_FIELDS = 150
"""Inputs of a signature that get a field each; a form of ours has 200 fields at most."""
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?")
_NEEDED = frozenset({"int", "bool", JSON})
"""Kinds of which no value may be null in a required column."""
_MICROS = 1000
Texts = Mapping[str, str]
"""The text in each input's field, by column."""


@dataclass(frozen=True)
class Field:
    """A field: its name in the form, the input's own name, its kind, how it is typed in, and its text.

    ``look`` is number, select, text, moment (a browser's date and time, in UTC) or json.
    """

    name: str
    label: str
    kind: str
    look: str
    text: str
    required: bool
    optional: bool


def fields_of(form: InputForm, texts: Texts) -> list[Field]:
    """Return the form's fields in the signature's order, filled with these texts."""
    return [
        Field(
            f"x{place}",
            one.own,
            one.kind,
            _look(one.kind, texts[one.column]),
            texts[one.column],
            one.required and one.kind in _NEEDED,
            not one.required,
        )
        for place, one in enumerate(form.inputs)
    ]


def texts_of_form(form: InputForm, given: Mapping[str, str]) -> dict[str, str]:
    """Return what a person has sent; lines of a text end as in Unix, because browsers change their ends."""
    return {one.column: given.get(f"x{place}", "").replace("\r\n", "\n") for place, one in enumerate(form.inputs)}


def texts_of_row(form: InputForm, row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row's values, which are by column, as texts: "" for none."""
    return {one.column: _text(one.kind, row.get(one.column)) for one in form.inputs}


def row_of(form: InputForm, texts: Texts) -> dict[str, Any]:
    """Return the row by column; raises InputError for a text of a JSON column that is no JSON."""
    return {one.column: _value(one, texts[one.column]) for one in form.inputs}


def readable_json(value: Any, indent: int | None = None) -> str:
    """Return JSON in the characters themselves, where they are Unicode text."""
    shown = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        shown.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return shown


def strict_json(text: str) -> Any:
    """Return what a JSON text says; raises ValueError also for NaN and infinite numbers, which JSON does not have."""
    found = json.loads(text)
    json.dumps(found, allow_nan=False)
    return found


def _look(kind: str, text: str) -> str:
    if kind == "timestamp":
        return "moment" if not text or _LOCAL.fullmatch(text) else "text"
    return {"float": "number", "int": "number", "bool": "select"}.get(kind, kind)


def _text(kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "timestamp":
        return _moment(value)
    return value.encode(errors="replace").decode() if kind == "text" else readable_json(value)


def _moment(value: Any) -> str:
    """Return a time in UTC as a browser's field has it; one that its milliseconds cannot hold keeps what it has."""
    try:
        given = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        moment = given.astimezone(UTC) if given.tzinfo else given
    except (TypeError, ValueError, OverflowError):
        return str(value)
    exact = "microseconds" if moment.microsecond % _MICROS else "milliseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=exact)


def _value(one: Input, text: str) -> Any:
    if one.kind == "text":
        return text if text or one.required else None
    given = text.strip()
    try:
        return _READ[one.kind](given) if given else None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"Feature {one.own!r} is {given[:60]!r}, which is no JSON",
            'Write text in quotes, a list as [1, 2], an object as {"name": 1}',
        ) from error


def _float(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _int(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _bool(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


_READ: Mapping[str, Callable[[str], Any]] = {
    "float": _float,
    "int": _int,
    "bool": _bool,
    "timestamp": str,
    JSON: strict_json,
}
