"""A column that is given twice is refused by its name, in every form of a body; nothing else is refused for its keys."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.bodies.csv import read_csv
from modelops_pipelines.gateway.bodies.mlflow_json import parse_object, read_json
from modelops_pipelines.gateway.bodies.open_inference import read_infer

NAMES = ["a", "b", "c"]
TWICE = [["a", "a", "b", "c"], ["a", "b", "c", "b"], ["c", "a", "b", "c"], ["x", "a", "b", "a", "c", "a"]]
SEPARATORS = [(",", ":"), (", ", ": "), (" ,", " : "), ("\n,\t", "\t:\n"), (",", "\r\n:")]


def pairs(names: list[str], separators: tuple[str, str], values: Callable[[int], Any] = float) -> str:
    """Return a JSON object with these names, in order, whether they differ or not."""
    comma, colon = separators
    return "{" + comma.join(f"{json.dumps(name)}{colon}{json.dumps(values(n))}" for n, name in enumerate(names)) + "}"


def records(names: list[str], separators: tuple[str, str] = SEPARATORS[0]) -> bytes:
    whole = pairs(NAMES, separators)
    return f'{{"dataframe_records": [{whole}, {pairs(names, separators)}]}}'.encode()


def columns(names: list[str], separators: tuple[str, str] = SEPARATORS[0]) -> bytes:
    return f'{{"inputs": {pairs(names, separators, lambda n: [float(n)])}}}'.encode()


def split(names: list[str]) -> bytes:
    return json.dumps({"dataframe_split": {"columns": names, "data": [list(range(len(names)))]}}).encode()


def comma_separated(names: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([names, range(len(names))])
    return text.getvalue().encode()


def tensors(names: list[str]) -> bytes:
    made = [{"name": name, "shape": [1], "datatype": "FP64", "data": [n]} for n, name in enumerate(names)]
    return json.dumps({"inputs": made}).encode()


READ: dict[str, Callable[[list[str]], Any]] = {
    "split": lambda names: read_json(split(names), NAMES),
    "csv": lambda names: read_csv(comma_separated(names), dict.fromkeys(NAMES, "float")),
    "tensors": lambda names: read_infer(tensors(names), NAMES),
    **{
        f"{make.__name__} {separators}": lambda names, make=make, separators=separators: read_json(
            make(names, separators), NAMES
        )
        for make in (records, columns)
        for separators in SEPARATORS
    },
}


@pytest.mark.parametrize("form", READ)
@pytest.mark.parametrize("names", TWICE)
def test_a_feature_given_twice_is_refused_by_its_name(form: str, names: list[str]) -> None:
    twice = next(name for name in names if names.count(name) > 1)
    with pytest.raises(InputError, match=f"'{twice}' is given {names.count(twice)} times"):
        READ[form](names)


@pytest.mark.parametrize("form", READ)
def test_a_feature_given_once_is_read_whatever_stands_beside_it(form: str) -> None:
    READ[form](["x", "b", "a", "a b", "A", "c", ""])


@pytest.mark.parametrize("form", ["split", "csv", "tensors"])
def test_columns_that_the_model_does_not_take_may_have_one_name(form: str) -> None:
    READ[form](["", "a", "b", "c", ""])


def test_a_key_spelled_in_two_ways_is_given_twice() -> None:
    with pytest.raises(InputError, match="'a' is given 2 times"):
        read_json(b'{"instances": [{"a": 1, "b": 1, "c": 1, "\\u0061": 2}]}', NAMES)


def test_a_form_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="'instances' is given 2 times"):
        read_json(b'{"instances": [{"a": 1, "b": 1, "c": 1}], "instances": [{"a": 2, "b": 2, "c": 2}]}', NAMES)


TEXT = st.text(max_size=5) | st.sampled_from(['"', '":', '\\":', " : ", '{"a":1}', "\\"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4), st.sampled_from(SEPARATORS))
def test_no_object_whose_keys_differ_is_refused(value: dict[str, Any], separators: tuple[str, str]) -> None:
    assert orjson.loads(orjson.dumps(value)) == parse_object(json.dumps(value, separators=separators).encode())


@given(st.lists(VALUES, min_size=1, max_size=4), TEXT, st.sampled_from(SEPARATORS), st.booleans())
def test_every_object_with_a_key_twice_is_refused(
    values: list[Any], name: str, separators: tuple[str, str], inner: Any
) -> None:
    made = pairs(
        [name, *(f"{name}{n}" for n in range(len(values))), name], separators, lambda n: values[n % len(values)]
    )
    with pytest.raises(InputError, match="is given 2 times in one object"):
        parse_object((f'{{"rows": [1, {made}]}}' if inner else made).encode())
