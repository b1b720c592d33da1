"""The form of a row: every value of an example comes back as it was, and what is none goes on as it was typed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.input_forms import Input, InputForm
from modelops_pipelines.gateway.pages.playground.row_form import (
    fields_of,
    readable_json,
    row_of,
    strict_json,
    texts_of_form,
    texts_of_row,
)

KINDS = ("float", "int", "bool", "text", "timestamp", "json")
FORM = InputForm(tuple(Input(f"c{kind}", kind, kind, {}) for kind in KINDS))
OPTIONAL = InputForm(tuple(Input(f"c{kind}", kind, kind, {}, required=False) for kind in KINDS))
WHOLE = {
    "cfloat": 1e-300,
    "cint": 2**63 - 1,
    "cbool": False,
    "ctext": " <b>\n'\"é ",
    "ctimestamp": "2026-01-31T12:00:00",
    "cjson": {"a": [1, None, "é"]},
}


def sent(form: InputForm, texts: dict[str, str]) -> dict[str, str]:
    """Return the form's fields as a browser sends them."""
    return {one.name: one.text.replace("\n", "\r\n") for one in fields_of(form, texts)}


@pytest.mark.parametrize("form", [FORM, OPTIONAL])
def test_a_row_comes_back_as_it_was(form: InputForm) -> None:
    texts = texts_of_row(form, WHOLE)
    assert WHOLE == row_of(form, texts_of_form(form, sent(form, texts)))
    assert ["number", "number", "select", "text", "moment", "json"] == [one.look for one in fields_of(form, texts)]


@pytest.mark.parametrize(
    ("given", "text", "look"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "moment"),
        ("2026-01-31T12:00:00.250+01:00", "2026-01-31T11:00:00.250", "moment"),
        (datetime(2026, 1, 31, 12, 0, 0, 1, UTC), "2026-01-31T12:00:00.000001", "text"),
        ("2026-01-31", "2026-01-31T00:00:00", "moment"),
        ("soon", "soon", "text"),
        (None, "", "moment"),
    ],
)
def test_a_time_is_shown_in_utc_and_to_the_microsecond(given: Any, text: str, look: str) -> None:
    texts = texts_of_row(FORM, {"ctimestamp": given})
    [field] = [one for one in fields_of(FORM, texts) if one.kind == "timestamp"]
    assert (text, look) == (field.text, field.look)


def test_an_empty_field_is_null_but_of_a_required_text() -> None:
    nothing = dict.fromkeys(WHOLE)
    assert {**nothing, "ctext": ""} == row_of(FORM, texts_of_form(FORM, {}))
    assert nothing == row_of(OPTIONAL, texts_of_form(OPTIONAL, {}))
    assert ["int", "bool", "json"] == [one.kind for one in fields_of(FORM, texts_of_form(FORM, {})) if one.required]
    assert not any(one.required for one in fields_of(OPTIONAL, texts_of_form(OPTIONAL, {})))


@pytest.mark.parametrize(
    ("kind", "text"),
    [("float", "abc"), ("float", "nan"), ("float", "1e999"), ("int", "1.5"), ("bool", "yes"), ("timestamp", "soon")],
)
def test_what_is_no_value_goes_on_as_it_was_typed(kind: str, text: str) -> None:
    assert text == row_of(FORM, {**texts_of_form(FORM, {}), f"c{kind}": text})[f"c{kind}"]


@pytest.mark.parametrize("text", ["{", "nan", "[1e999]", "text", "[" * 100_000])
def test_what_is_no_json_is_refused_by_the_feature_s_name(text: str) -> None:
    with pytest.raises(InputError, match=r"Feature 'json' is .* which is no JSON"):
        row_of(FORM, {**texts_of_form(FORM, {}), "cjson": text})


@pytest.mark.parametrize("text", ["NaN", "-Infinity", '{"a": 1e999}'])
def test_numbers_that_json_does_not_have_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        strict_json(text)


def test_json_is_readable_and_can_always_be_written() -> None:
    assert '"é\U0001f600"' == readable_json("é\U0001f600")
    assert '"\\ud800"' == readable_json("\ud800")
    assert "?" == texts_of_row(FORM, {"ctext": "\ud800"})["ctext"]
