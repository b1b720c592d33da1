"""The forms in which a model may answer: an array of one value, or of one row of values, for each input row.

Arrays, lists, Series, DataFrames, tensors and a dict with one of these are such an array in another wrapping. Every
other form is refused by its name. No pandas here: a DataFrame is known by what it has.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.class_names import class_name

_VALUE_KINDS = frozenset("biufU")
"""NumPy's kinds of booleans, integers, floats and text."""
_NUMBER_KINDS = frozenset("biuf")
_PLAIN = (bool, int, float, str)
_MATRIX = 2
_LONGEST_DOUBLE = 8
_NAMES = 10
_REMEDY = "Let the model return one value, or one row of probabilities, per input row"
_VALUE_REMEDY = "Let the model return numbers, text or booleans"


def as_rows(output: object, rows: int, classes: Sequence[str] | None = None) -> NDArray[Any]:
    """Return a model's answer to ``rows`` rows as an array of shape (rows,) or (rows, columns), of plain values.

    The columns of a DataFrame, or arrays of a dict, that are named by ``classes`` get the order of ``classes``: the
    classes of a classifier, else the names of the signature's outputs. Raises PredictionError that
    names the form for another number of rows, a value that is no number, text or boolean, or anything that is no array.
    """
    values = output if type(output) is np.ndarray else _unwrapped(output, rows, classes)
    if values.ndim not in (1, _MATRIX) or len(values) != rows:
        raise _form_error(f"an array of shape {values.shape}", rows)
    if values.dtype.kind == "O":
        return _plain(values)
    if values.dtype.kind not in _VALUE_KINDS:
        raise _value_error(values.dtype.name)
    return values.astype(np.float64) if values.dtype.kind == "f" and values.itemsize > _LONGEST_DOUBLE else values


def unanswered_rows(values: NDArray[Any]) -> tuple[int, ...]:
    """Return the rows of an array of ``as_rows`` that have NaN or an infinite number: they hold no answer."""
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
    elif values.dtype.kind == "O":
        flat = [not isinstance(value, float) or math.isfinite(value) for value in values.flat]
        finite = np.array(flat, dtype=np.bool_).reshape(values.shape)
    else:
        return ()
    if finite.all():
        return ()
    return tuple(np.flatnonzero(~(finite if finite.ndim == 1 else finite.all(axis=1))).tolist())


def _unwrapped(output: Any, rows: int, classes: Sequence[str] | None) -> NDArray[Any]:
    """Return the array that the output wraps."""
    if isinstance(output, dict):
        if len(output) > 1 and classes is not None and set(output) == set(classes):
            return _side_by_side([_unwrapped(output[name], rows, None) for name in classes], rows)
        if len(output) != 1:
            raise _form_error(f"a dict with the keys {_listed(output)}" if output else "an empty dict", rows)
        [only] = output.values()
        return only if type(only) is np.ndarray else _unwrapped(only, rows, classes)
    if hasattr(output, "columns") and hasattr(output, "to_numpy"):
        return _from_frame(output, rows, classes)
    if isinstance(output, np.ma.MaskedArray):
        raise _form_error("a masked array", rows)
    if isinstance(output, list | tuple) or (hasattr(output, "__array__") and not np.isscalar(output)):
        return _converted(output, rows)
    raise _form_error("nothing (None)" if output is None else f"a {type(output).__name__}", rows)


def _side_by_side(parts: Sequence[NDArray[Any]], rows: int) -> NDArray[Any]:
    """Return arrays of one value a row as the columns of one, which keeps each value's type."""
    flat = [part[:, 0] if part.ndim == _MATRIX and part.shape[1] == 1 else part for part in parts]
    wrong = next((part for part in flat if part.shape != (rows,)), None)
    if wrong is not None:
        raise _form_error(f"a dict with an array of shape {wrong.shape}", rows)
    if len({part.dtype for part in flat}) == 1:
        return np.stack(flat, axis=1)
    found = np.empty((rows, len(flat)), dtype=object)
    for place, part in enumerate(flat):
        found[:, place] = part.tolist()
    return found


def _converted(output: Any, rows: int) -> NDArray[Any]:
    try:
        return np.array(output, dtype=object) if _mixes_text(output) else np.asarray(output)
    except Exception as error:  # noqa: BLE001 - lists of several lengths; a tensor's own conversion may raise anything
        raise _form_error(f"a {type(output).__name__} that is no array ({type(error).__name__})", rows) from None


def _mixes_text(output: Any) -> bool:
    """Return whether a list has text beside other types: NumPy would make all of it text."""
    types = set(map(type, output)) if isinstance(output, list | tuple) else set()
    return str in types and len(types) > 1


def _from_frame(frame: Any, rows: int, classes: Sequence[str] | None) -> NDArray[Any]:
    """Return a DataFrame's values; columns that are named must be the classes, whose order they then get."""
    values: NDArray[Any] = frame.to_numpy()
    names = [class_name(name) for name in frame.columns]
    if len(names) == 1 or names == [str(index) for index in range(len(names))]:
        return values
    if classes is None:
        raise PredictionError(
            f"The model returned a DataFrame with the columns {_listed(names)}", _meant(values, names)
        )
    if sorted(names) != sorted(classes):
        form = f"a DataFrame with the columns {_listed(names)} instead of {', '.join(classes)}"
        raise _form_error(form, rows)
    return values[:, [names.index(name) for name in classes]]


def _meant(values: NDArray[Any], names: Sequence[str]) -> str:
    """Return what to do about columns whose names say nothing: probabilities, numbers, or answers of several kinds."""
    regression = "log it with a signature that names its outputs: signature=infer_signature(inputs, predictions)"
    if values.dtype.kind not in _NUMBER_KINDS:
        return "Let the model return one of these columns, or the probability of each class in a column that it names"
    if np.allclose(values.sum(axis=1), 1):
        listed = ", ".join(map(repr, names[:_NAMES]))
        known = f'If these are classes, add them in any order to the endpoint\'s YAML: "classes: [{listed}]"'
        return f"{known}; if they are numbers of a regression, {regression}"
    one = "If one of these columns is the answer, let the model return it alone"
    return f"{one}; if they are numbers of a regression, {regression}"


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array of objects with Python's own numbers, text and booleans; raises PredictionError for others."""
    if {type(value) for value in values.flat} <= set(_PLAIN):
        return values
    plain = np.empty(values.shape, dtype=object)
    plain.reshape(-1)[:] = [value.item() if isinstance(value, np.generic) else value for value in values.flat]
    for value in plain.flat:
        if not isinstance(value, _PLAIN):
            raise _value_error("null (None)" if value is None else type(value).__name__)
    return plain


def _listed(names: Any) -> str:
    found = [str(name)[:40] for name in names]
    return ", ".join(found[:_NAMES]) + (f" and {len(found) - _NAMES} more" if len(found) > _NAMES else "")


def _form_error(form: str, rows: int) -> PredictionError:
    return PredictionError(f"The model returned {form} for {rows} row{'s' * (rows != 1)}", _REMEDY)


def _value_error(kind: str) -> PredictionError:
    return PredictionError(f"The model returned a value of type {kind}", _VALUE_REMEDY)
