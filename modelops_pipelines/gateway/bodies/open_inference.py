"""The Open Inference Protocol V2: parses its requests. Its responses: ``operations.model_runtime.answers``.

https://github.com/kserve/open-inference-protocol. A request has one tensor per feature, of shape [rows] or [rows, 1],
or one tensor of shape [rows, features] that holds all features in the signature's order.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.gateway.bodies.headers import FIELD_LENGTH
from modelops_pipelines.gateway.bodies.mlflow_json import parse_object
from modelops_pipelines.gateway.bodies.repeated_names import check_given_once

PROTOCOL_PARAMETERS = frozenset(
    {
        "binary_data_output",
        "content_type",
        "headers",
        "priority",
        "sequence_id",
        "sequence_start",
        "sequence_end",
        "timeout",
    }
)
"""Parameters by which the protocol's clients say how to transport a request: none of them changes a number here."""
_SIZES = 2
_REMEDY = "Send 'inputs' as the Open Inference Protocol V2 defines them: name, shape, datatype, data"
_KEYS = frozenset({"id", "parameters", "inputs", "outputs"})


@dataclass(frozen=True)
class InferRequest:
    """A request's columns, not converted to types, its number of rows, the caller's own id, and its parameters."""

    columns: Columns
    rows: int
    id: str | None
    params: object


def read_infer(
    body: bytes, names: Sequence[str], nested: Collection[str] = (), optional: Collection[str] = ()
) -> InferRequest:
    """Return the request with the named columns; those of ``optional`` may be absent.

    Those of ``nested`` take a tensor of any shape: the first dimension is the rows, and a row's value is nested as the
    others say. A single one of them may have any name.

    Raises MalformedError for a body that is not a JSON object, InputError for tensors that do not fit these features.
    """
    parsed = parse_object(body)
    unknown = sorted(set(parsed) - _KEYS)
    tensors = parsed.get("inputs")
    if unknown or not isinstance(tensors, list) or not all(isinstance(tensor, dict) for tensor in tensors):
        issue = f"the key(s) {', '.join(unknown)} are unknown" if unknown else "'inputs' is not a list of tensors"
        raise InputError(f"The body is not an inference request: {issue}", _REMEDY)
    given = parsed.get("id")
    if given is not None and not (isinstance(given, str) and len(given) <= FIELD_LENGTH):
        issue = f"The request's 'id' is not a text of at most {FIELD_LENGTH} characters"
        raise InputError(issue, "Shorten it, or leave it out")
    if len(names) == len(nested) == len(tensors) == 1:
        tensors = [{**tensors[0], "name": names[0]}]
    is_matrix = not nested and _is_matrix(tensors, names)
    columns = _from_matrix(tensors, names) if is_matrix else _from_tensors(tensors, names, nested, optional)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise InputError("The tensors have different numbers of rows", "Send one value per row for each feature")
    return InferRequest(columns, lengths.pop(), given, parsed.get("parameters"))


def _is_matrix(tensors: list[dict[str, Any]], names: Sequence[str]) -> bool:
    return len(tensors) == 1 and _width(tensors[0]) == [len(names)] and tensors[0].get("name") not in names


def _from_matrix(tensors: list[dict[str, Any]], names: Sequence[str]) -> Columns:
    width = len(names)
    data = _data(tensors[0])
    return {name: data[place::width] for place, name in enumerate(names)}


def _from_tensors(
    tensors: list[dict[str, Any]], names: Sequence[str], nested: Collection[str], optional: Collection[str]
) -> Columns:
    by_name: Mapping[Any, dict[str, Any]] = {str(tensor.get("name")): tensor for tensor in tensors}
    missing = [name for name in names if name not in by_name and name not in optional]
    names = [name for name in names if name in by_name]
    if missing or not names:
        raise InputError(f"No tensor for feature(s) {', '.join(missing)}", _REMEDY)
    check_given_once(names, [str(tensor.get("name")) for tensor in tensors], "the tensors")
    for name in names:
        if name not in nested and _width(by_name[name]) not in ([], [1]):
            raise InputError(f"The shape of tensor {name!r} is not [rows] or [rows, 1]", _REMEDY)
    return {name: _rows_of(by_name[name]) if name in nested else _data(by_name[name]) for name in names}


def _rows_of(tensor: dict[str, Any]) -> list[Any]:
    """Return the tensor's rows, each nested as its shape says; raises InputError when data and shape do not match."""
    name, shape, data = str(tensor.get("name"))[:60], tensor.get("shape"), tensor.get("data")
    sizes = shape if isinstance(shape, list) else []
    if not sizes or not all(type(size) is int and size > 0 for size in sizes) or not isinstance(data, list):
        raise InputError(f"The tensor {name!r} requires a 'shape' of positive integers, and a list as 'data'", _REMEDY)
    flat: list[Any] = data
    while flat and all(isinstance(part, list) for part in flat):
        flat = list(chain.from_iterable(flat))
    if len(flat) != prod(sizes):
        raise InputError(
            f"The tensor {name!r} has {len(flat)} values, but its shape {sizes} requires {prod(sizes)}", _REMEDY
        )
    for size in reversed(sizes[1:]):
        flat = [flat[start : start + size] for start in range(0, len(flat), size)]
    return flat


def _width(tensor: dict[str, Any]) -> list[Any]:
    """Return the tensor's shape without its first dimension, the rows."""
    shape = tensor.get("shape")
    return shape[1:] if isinstance(shape, list) else []


def _data(tensor: dict[str, Any]) -> list[Any]:
    """Return the tensor's values as a flat list; raises InputError when they do not match its shape."""
    name, shape, data = str(tensor.get("name"))[:60], tensor.get("shape"), tensor.get("data")
    sizes = shape if isinstance(shape, list) and 0 < len(shape) <= _SIZES else []
    if not sizes or not all(type(size) is int and size > 0 for size in sizes) or not isinstance(data, list):
        raise InputError(
            f"The tensor {name!r} requires a 'shape' of one or two positive integers, and a list as 'data'", _REMEDY
        )
    flat = list(chain.from_iterable(data)) if data and all(isinstance(row, list) for row in data) else data
    expected = sizes[0] if len(sizes) == 1 else sizes[0] * sizes[1]
    if len(flat) != expected:
        raise InputError(
            f"The tensor {name!r} has {len(flat)} values, but its shape {sizes} requires {expected}", _REMEDY
        )
    return flat
