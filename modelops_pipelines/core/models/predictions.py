"""Interpretation of a model's raw output: each row's prediction and score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.output_forms import as_rows
from modelops_pipelines.core.models.output_kinds import SCORES, UNKNOWN

Answer = str | float
_MATRIX = 2
_SHOWN = 10


def interpret(
    task: str,
    output: object,
    rows: int,
    classes: Sequence[str] | None,
    positive: str,
    kind: str = UNKNOWN,
    chosen: str | None = None,
) -> tuple[list[Answer | None], list[float] | None]:
    """Return each row's prediction and score.

    A regression's prediction is a number, without a score; where it answers several values a row, it is the ``chosen``
    one, and None where none is chosen. Its ``classes`` are the values' names. A classifier may return a matrix of
    probabilities (rows x classes): the prediction is the likeliest class and the score the probability of the positive
    class, or of the predicted class when there are more than two. Or it may return one value per row, which is the
    class itself or the probability of the last of two ``classes``, as ``kind`` (set at registration) says; if that is
    unknown, floats between 0 and 1 that are not all whole are taken as probabilities.

    With ``classes`` None a probability names no class: predictions are None. The score is then None for two columns;
    the largest probability for more; and one value per row is kept as it is. Raises PredictionError for any other
    output.
    """
    values = _without_depth(as_rows(output, rows, classes))
    if task == "regression":
        return _numbers(values if chosen is None else _chosen(values, classes, chosen)), None
    if values.ndim == _MATRIX:
        return _from_probabilities(task, _as_floats(values), classes, positive)
    if task == "binary_classification" and (kind == SCORES or (kind == UNKNOWN and _look_like_scores(values))):
        scores = _as_floats(values)
        if classes is None:
            _check_range(scores)
            return [None] * rows, scores.tolist()
        return _from_probabilities(task, np.stack([1 - scores, scores], axis=1), classes, positive)
    if classes is None and kind == UNKNOWN and _are_fractions(values):  # whole ones are classes or probabilities
        return [None] * rows, None
    return [_named(value, classes) for value in values.tolist()], None


def _without_depth(values: NDArray[Any]) -> NDArray[Any]:
    """Return one value per row for a matrix of one column, else the array itself."""
    return values[:, 0] if values.ndim == _MATRIX and values.shape[1] == 1 else values


def _look_like_scores(values: NDArray[Any]) -> bool:
    return _are_fractions(values) and not np.all(values == np.round(values))


def _are_fractions(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "f" and bool(np.all((values >= 0) & (values <= 1)))


def _named(value: object, classes: Sequence[str] | None) -> str:
    """Return the class that the model answers; a code 0, 1, ... of a version whose classes are all names is its name.

    A class that is none of the version's stays as it is: it is the model's own answer.
    """
    name = class_name(value)
    if classes is None or name in classes or not (name.isascii() and name.isdigit()) or int(name) >= len(classes):
        return name
    codes = {str(place) for place in range(len(classes))}
    return classes[int(name)] if codes.isdisjoint(classes) else name


def _numbers(values: NDArray[Any]) -> list[Answer | None]:
    if values.ndim == _MATRIX:
        return [None] * len(values)
    return [float(value) for value in _as_floats(values, "The regression model returned text")]


def _chosen(values: NDArray[Any], names: Sequence[str] | None, chosen: str) -> NDArray[Any]:
    """Return one of several values a row: by its name, or by its place where they have no names."""
    count = values.shape[1] if values.ndim == _MATRIX else 1
    place, known = place_of(chosen, names, count), _output_names(names, count)
    if place is None:
        raise PredictionError(
            f"The endpoint's output {chosen!r} is none of the {count} that the model answers: {_listed(known)}",
            "Correct 'output' in the endpoint's YAML, or remove it where the model answers one number a row",
        )
    return values[:, place] if values.ndim == _MATRIX else values


def place_of(chosen: str, names: Sequence[str] | None, count: int) -> int | None:
    """Return which of ``count`` values a row is the chosen one, None where there is none of that name."""
    known = _output_names(names, count)
    return known.index(chosen) if chosen in known else None


def _output_names(names: Sequence[str] | None, count: int) -> list[str]:
    return list(names) if names is not None and len(names) == count else [str(place) for place in range(count)]


def _listed(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _as_floats(values: NDArray[Any], problem: str = "The model returned text as probabilities") -> NDArray[np.float64]:
    if values.dtype.kind == "U" or (values.dtype.kind == "O" and str in set(map(type, values.flat))):
        raise PredictionError(problem, "Let it return numbers, as its signature's outputs say")
    return values.astype(np.float64)


def _from_probabilities(
    task: str, matrix: NDArray[np.float64], classes: Sequence[str] | None, positive: str
) -> tuple[list[Answer | None], list[float] | None]:
    _check_range(matrix)
    binary = task == "binary_classification"
    count = len(classes) if classes is not None else _MATRIX if binary else matrix.shape[1]
    if count != matrix.shape[1]:
        raise PredictionError(
            f"The model returned {matrix.shape[1]} probabilities per row for {count} classes",
            "State all its classes, in the order of the columns: 'classes' in the endpoint's YAML",
        )
    if classes is None:
        return [None] * len(matrix), None if binary else matrix.max(axis=1).tolist()
    names = list(classes)
    if binary and positive not in names:
        raise PredictionError(
            f"The positive class {positive!r} is not among the model's classes {names}",
            "Set positive_label in the endpoint's YAML to one of these",
        )
    scores = matrix[:, names.index(positive)] if binary else matrix.max(axis=1)
    return [names[index] for index in matrix.argmax(axis=1)], [float(score) for score in scores]


def _check_range(probabilities: NDArray[np.float64]) -> None:
    """Raise PredictionError for a probability outside 0 to 1, or NaN."""
    if not np.all((probabilities >= 0) & (probabilities <= 1)):
        raise PredictionError(
            "The model returned a probability outside 0 to 1",
            "Correct the model. If it returns classes: one per row (scikit-learn: pyfunc_predict_fn='predict')",
        )
