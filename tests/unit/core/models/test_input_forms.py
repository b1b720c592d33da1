"""What a signature says of its inputs, and what cannot be served is refused with what to log instead."""

from typing import Any

import pytest

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.input_forms import MATRIX, TENSOR, TENSORS, UNNAMED, form_of, placeholder


def tensor(dtype: str, *shape: int, name: str | None = None) -> dict[str, Any]:
    named = {} if name is None else {"name": name}
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}, **named}


@pytest.mark.parametrize(
    ("declared", "layout", "kinds"),
    [
        ([tensor("float64", -1, 2)], MATRIX, {"x0": "float", "x1": "float"}),
        ([tensor("int32", -1, 2)], MATRIX, {"x0": "int", "x1": "int"}),
        ([tensor("float32", -1, 201)], TENSOR, {"input": "json"}),
        ([tensor("uint8", -1, 2)], TENSOR, {"input": "json"}),
        ([tensor("float64", -1)], TENSOR, {"input": "json"}),
        ([tensor("float64", -1, -1)], TENSOR, {"input": "json"}),
        ([tensor("float64", -1, 2, name="date")], TENSORS, {"feature:date": "json"}),
        ([{"type": "string"}], UNNAMED, {"input": "text"}),
        ([{"type": "string"}, {"type": "long"}], UNNAMED, {"x0": "text", "x1": "int"}),
    ],
)
def test_inputs_become_columns(declared: list[dict[str, Any]], layout: str, kinds: dict[str, str]) -> None:
    form = form_of(declared, "m version 1")
    assert (layout, kinds) == (form.layout, form.kinds)


def test_an_optional_column_may_be_absent_only_where_the_version_answers_without() -> None:
    form = form_of([{"type": "double", "name": "a"}, {"type": "double", "name": "b", "required": False}], "m version 1")
    assert ({"b"}, set(), {"b"}) == (form.optional, form.may_be_absent, form.allowing(["a", "b"]).may_be_absent)
    assert not form.is_plain


@pytest.mark.parametrize(
    ("declared", "said", "fix"),
    [
        ([], "has no signature", "infer_signature"),
        ([{"type": "decimal", "name": "a"}], "an input 'a' of type 'decimal'", "double"),
        ([tensor("float32", 1, 3)], "of shape (1, 3), whose first dimension is not the rows", "(-1, 3)"),
        ([tensor("complex64", -1, 3)], "of dtype complex64", "floats"),
        ([tensor("float16", -1, 3, name="a")], "'a' of dtype float16", "floats"),
        ([{"type": "long", "name": "a"}, {"type": "double", "name": "a"}], "two inputs of one name", "another name"),
    ],
)
def test_what_cannot_be_served_is_refused_with_what_to_log(declared: list[Any], said: str, fix: str) -> None:
    with pytest.raises(ModelError) as refused:
        form_of(declared, "m version 1")
    assert said in refused.value.message
    assert fix in refused.value.remedy


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (tensor("float32", -1, 2, -1), [[0.0], [0.0]]),
        ({"type": "array", "items": {"type": "array", "items": {"type": "long"}}}, [[1]]),
        ({"type": "map", "values": {"type": "boolean"}}, {"key": True}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "long", "required": False}}},
            {"a": "text"},
        ),
    ],
)
def test_a_placeholder_fits_its_declaration(declared: dict[str, Any], value: Any) -> None:
    assert value == placeholder(declared)
