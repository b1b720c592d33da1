"""Columns of JSON text as the model gets them: MLflow's binary values, arrays, objects, maps, and tensors.

Each value is converted and checked by MLflow itself; only what JSON does not tell apart is settled before: an integer
among floats is a float, and numbers of 32 bits are narrowed. Errors name the input and the row.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.input_forms import Input

_NARROW = {"float": np.float32, "integer": np.int32}
_FLOATS, _WHOLE = frozenset({"double", "float"}), "iu"
_SHOWN = 60


def to_values(given: Input, texts: Sequence[str | None]) -> NDArray[Any]:
    """Return the values of an input that is no tensor, as an array of objects; raises InputError."""
    found = np.empty(len(texts), dtype=object)
    convert = _binary if given.declared.get("type") == "binary" else _converter(json.dumps(given.declared))
    for row, text in enumerate(texts):
        value: Any = text
        try:
            value = None if text is None else orjson.loads(text)
            if value is not None or given.required:
                found[row] = convert(value)
        except Exception as error:
            raise _refusal(given, row, value, str(error)) from error
    return found


def to_tensor(given: Input, texts: Sequence[str | None]) -> NDArray[Any]:
    """Return the rows of a tensor as an array of its type and shape; raises InputError."""
    spec = given.declared["tensor-spec"]
    dtype, inner = np.dtype(str(spec["dtype"])), [int(size) for size in spec["shape"][1:]]
    rows = []
    for row, text in enumerate(texts):
        value: Any = text
        try:
            value = None if text is None else orjson.loads(text)
            rows.append(_array(value, dtype, inner))
        except (ValueError, TypeError, OverflowError) as error:
            raise _refusal(given, row, value, str(error)) from error
    shapes = [one.shape for one in rows]
    other = next((row for row, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        raise InputError(
            f"Feature {given.own!r} has the shape {shapes[0]} in row 0 and {shapes[other]} in row {other}",
            "Send rows of one shape in a request",
        )
    return np.stack(rows)


def _array(value: Any, dtype: np.dtype[Any], inner: Sequence[int]) -> NDArray[Any]:
    """Return a row's values; raises ValueError, TypeError or OverflowError for those of another shape or type."""
    if value is None:
        raise TypeError("it is null")
    found = _READ.get(dtype.kind, _objects)(value, dtype)
    if found.ndim != len(inner) or any(size not in (-1, at) for size, at in zip(inner, found.shape, strict=True)):
        raise ValueError(f"its shape is {found.shape}")
    return found


def _whole(value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    found = np.array(value)
    if found.dtype.kind not in _WHOLE and not (found.dtype.kind == "f" and np.all(found == np.round(found))):
        raise TypeError("it holds other values than integers")
    if found.size and (found.min() < np.iinfo(dtype).min or found.max() > np.iinfo(dtype).max):
        raise OverflowError(f"it holds integers outside of {dtype.name}")
    return found.astype(dtype)


def _floats(value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return floats, with NaN for null."""
    found = np.array(value)
    found = np.array(value, dtype=np.float64) if found.dtype.kind == "O" else found
    if found.dtype.kind not in "fiu":
        raise TypeError("it holds other values than numbers")
    with np.errstate(over="ignore"):
        narrowed = found.astype(dtype)
    if np.isinf(narrowed).any():
        raise OverflowError(f"it holds numbers outside of {dtype.name}")
    return narrowed


def _flags(value: Any, _: np.dtype[Any]) -> NDArray[Any]:
    found = np.array(value)
    if found.dtype.kind != "b":
        raise TypeError("it holds other values than true and false")
    return found


def _texts(value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    if not all(isinstance(one, str) for one in np.array(value, dtype=object).flat):
        raise TypeError("it holds other values than text")
    return np.array(value, dtype=dtype)


def _objects(value: Any, _: np.dtype[Any]) -> NDArray[Any]:
    return np.array(value, dtype=object)


_READ: Mapping[str, Callable[[Any, np.dtype[Any]], NDArray[Any]]] = {
    "i": _whole,
    "u": _whole,
    "f": _floats,
    "b": _flags,
    "U": _texts,
}


def _binary(value: Any) -> bytes:
    """Return the bytes of base64 text, in which white space does not count."""
    if not isinstance(value, str):
        raise TypeError("it is no text in base64")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is no text in base64") from None


@lru_cache(maxsize=256)
def _converter(declared: str) -> Callable[[Any], Any]:
    """Return what converts a value to a declared type, by MLflow's own rules."""
    from mlflow.models.utils import _enforce_type
    from mlflow.types.schema import ColSpec

    kind = json.loads(declared)
    required = bool(kind.get("required", True))
    of = ColSpec.from_json_dict(**kind).type
    return lambda value: _enforce_type(_widened(value, kind), of, required=required)


def _widened(value: Any, declared: Mapping[str, Any]) -> Any:
    """Return a value of JSON with its numbers in the declared types."""
    kind = declared.get("type")
    if kind == "array" and isinstance(value, list):
        items = declared["items"]
        inner = [_widened(one, items) for one in value]
        narrow = _NARROW.get(str(items.get("type")))
        return _narrowed(inner, narrow) if narrow and inner and all(map(_is_number, inner)) else inner
    if kind == "object" and isinstance(value, dict):
        known = declared["properties"]
        return {name: _widened(one, known[name]) if name in known else one for name, one in value.items()}
    if kind == "map" and isinstance(value, dict):
        return {name: _widened(one, declared["values"]) for name, one in value.items()}
    if kind in _FLOATS and _is_number(value):
        return float(value) if kind == "double" else _narrowed([value], np.float32)[0]
    if kind == "integer" and type(value) is int:
        return _narrowed([value], np.int32)[0]
    return value


def _narrowed(values: list[Any], kind: type[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        found: NDArray[Any] = np.array(values).astype(kind) if kind is np.float32 else np.array(values, dtype=kind)
    if found.dtype.kind == "f" and np.isinf(found).any():
        raise OverflowError("it holds a number outside of float32")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _refusal(given: Input, row: int, value: Any, why: str) -> InputError:
    shown = "null" if value is None else orjson.dumps(value).decode()[:_SHOWN]
    cause = next(iter(why.splitlines()), "")[:200]
    return InputError(
        f"Feature {given.own!r} in row {row} is {shown}, not {described(given)} ({cause})",
        "Send the type of the model's signature",
    )


def described(given: Input) -> str:
    """Return the type of an input in words."""
    if "tensor-spec" in given.declared:
        spec = given.declared["tensor-spec"]
        return f"a tensor of {spec['dtype']} of shape {tuple(spec['shape'][1:])}"
    kind = str(given.declared.get("type"))
    return {"binary": "bytes in base64", "array": "an array", "object": "an object", "map": "a map"}.get(kind, kind)
