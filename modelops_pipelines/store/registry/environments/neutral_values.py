"""Values between two Pythons with different packages: JSON, and the bytes of arrays. Nothing is pickled.

Inputs of models and what models answer: numbers, text, lists, dicts, arrays, Series and DataFrames. Everything else
arrives as an object whose type has its name, so that it is refused by that name. Both sides run this module, each
with its own NumPy and pandas, so it uses little of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

_PLAIN = frozenset("biufcSUMm")
"""Kinds of NumPy types whose bytes are their values."""
_SCALARS = (type(None), bool, int, float, str)
Buffers = Sequence[Any]


@dataclass(frozen=True)
class FrameToBe:
    """What becomes a DataFrame on the other side: arrays of equal length by the names of its columns."""

    arrays: Mapping[str, Any]


class NeutralError(Exception):
    """A value that is not in the form of this module."""


def encode(value: Any, buffers: list[Any]) -> Any:
    """Return a value as JSON can hold it; the bytes of its arrays are appended to ``buffers``."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return _of_numpy(value, buffers)
    if isinstance(value, (list, tuple)):
        return {"list" if isinstance(value, list) else "tuple": [encode(one, buffers) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key, buffers), encode(one, buffers)] for key, one in value.items()]}
    return _of_other(value, buffers)


def _of_numpy(value: Any, buffers: list[Any]) -> dict[str, Any]:
    if isinstance(value, np.ma.MaskedArray):
        return {"other": "MaskedArray"}
    return _array(value, buffers) if isinstance(value, np.ndarray) else {"scalar": _array(np.asarray(value), buffers)}


def _of_other(value: Any, buffers: list[Any]) -> dict[str, Any]:
    """Return bytes, a time, a DataFrame, a Series, what NumPy takes for an array, or the name of another type."""
    if isinstance(value, FrameToBe):
        return _frame_to_be(value.arrays, buffers)
    if isinstance(value, (bytes, bytearray)):
        buffers.append(bytes(value))
        return {"bytes": len(buffers) - 1}
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if hasattr(value, "to_numpy"):
        return _frame(value, buffers) if hasattr(value, "columns") else {"series": _array(value.to_numpy(), buffers)}
    return _array(np.asarray(value), buffers) if hasattr(value, "__array__") else {"other": type(value).__name__}


def decode(tree: Any, buffers: Buffers) -> Any:
    """Return the value; raises NeutralError for a tree or bytes that ``encode`` did not make."""
    try:
        return _decoded(tree, buffers)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise NeutralError(f"a value that cannot be read ({type(error).__name__})") from error


def _array(array: Any, buffers: list[Any]) -> dict[str, Any]:
    if array.dtype.kind not in _PLAIN:
        return {"objects": [encode(one, buffers) for one in array.ravel().tolist()], "shape": array.shape}
    by_columns = array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous
    buffers.append(array.tobytes("F" if by_columns else "C"))
    return {"array": array.dtype.str, "shape": array.shape, "order": "F" if by_columns else "C", "at": len(buffers) - 1}


def _frame(frame: Any, buffers: list[Any]) -> dict[str, Any]:
    """Return a DataFrame: as one array where its columns have one plain type, which keeps its layout in memory."""
    names = [encode(name, buffers) for name in frame.columns]
    types = set(frame.dtypes)
    if len(types) == 1 and getattr(next(iter(types)), "kind", "O") in "biuf":
        return {"frame": names, "block": _array(frame.to_numpy(), buffers)}
    return {
        "frame": names,
        "columns": [_array(frame.iloc[:, at].to_numpy(), buffers) for at in range(len(names))],
        "rows": len(frame),
    }


def _frame_to_be(arrays: Mapping[str, Any], buffers: list[Any]) -> dict[str, Any]:
    """Return what ``_frame`` returns of the DataFrame that pandas makes of the arrays."""
    columns = list(arrays.values())
    rows = len(columns[0]) if columns else 0
    if len({one.dtype for one in columns}) == 1 and columns[0].dtype.kind in "biuf":
        buffers.append(b"".join(one.tobytes() for one in columns))
        shape = (rows, len(columns))
        block = {"array": columns[0].dtype.str, "shape": shape, "order": "F", "at": len(buffers) - 1}
        return {"frame": list(arrays), "block": block}
    return {"frame": list(arrays), "columns": [_array(one, buffers) for one in columns], "rows": rows}


def _decoded(tree: Any, buffers: Buffers) -> Any:
    if type(tree) in _SCALARS:
        return tree
    [*kinds] = tree
    return _DECODERS[kinds[0]](tree, buffers)


def _to_array(tree: Mapping[str, Any], buffers: Buffers) -> Any:
    kind, order = np.dtype(str(tree["array"])), str(tree["order"])
    if kind.kind not in _PLAIN:
        raise TypeError(str(kind))
    flat = np.frombuffer(buffers[int(tree["at"])], kind)
    return flat.reshape(tuple(map(int, tree["shape"])), order="F" if order == "F" else "C")


def _to_objects(tree: Mapping[str, Any], buffers: Buffers) -> Any:
    found = np.empty(len(tree["objects"]), dtype=object)
    for place, one in enumerate(tree["objects"]):
        found[place] = _decoded(one, buffers)
    return found.reshape(tuple(map(int, tree["shape"])))


def _to_frame(tree: Mapping[str, Any], buffers: Buffers) -> Any:
    import pandas as pd

    names = [_decoded(name, buffers) for name in tree["frame"]]
    if "block" in tree:
        return pd.DataFrame(_decoded(tree["block"], buffers).copy(order="K"), columns=names)
    parts = [_decoded(one, buffers) for one in tree["columns"]]
    if len(set(names)) == len(names):
        return pd.DataFrame(dict(zip(names, (part.copy() for part in parts))), index=range(int(tree["rows"])))  # noqa: B905
    frame = pd.concat([pd.Series(part) for part in parts], axis=1)
    frame.columns = names
    return frame


def _to_other(tree: Mapping[str, Any], _: Buffers) -> Any:
    name = str(tree["other"])
    return np.ma.masked_array([]) if name == "MaskedArray" else type(name, (), {})()


def _to_series(tree: Mapping[str, Any], buffers: Buffers) -> Any:
    import pandas as pd

    return pd.Series(_decoded(tree["series"], buffers).copy())


_DECODERS: Mapping[str, Any] = {
    "array": _to_array,
    "objects": _to_objects,
    "scalar": lambda tree, buffers: _decoded(tree["scalar"], buffers)[()],
    "list": lambda tree, buffers: [_decoded(one, buffers) for one in tree["list"]],
    "tuple": lambda tree, buffers: tuple(_decoded(one, buffers) for one in tree["tuple"]),
    "dict": lambda tree, buffers: {_decoded(key, buffers): _decoded(one, buffers) for key, one in tree["dict"]},
    "bytes": lambda tree, buffers: bytes(buffers[int(tree["bytes"])]),
    "time": lambda tree, _: datetime.fromisoformat(str(tree["time"])),
    "frame": _to_frame,
    "series": _to_series,
    "other": _to_other,
}
