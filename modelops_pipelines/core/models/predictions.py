"""Interpretation of a model's raw output: each row's prediction and score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.models.output_kinds import SCORES, UNKNOWN

Answer = str | float
_MATRIX = 2


def interpret(
    task: str, output: object, rows: int, classes: Sequence[str] | None, positive: str, kind: str = UNKNOWN
) -> tuple[list[Answer | None], list[float] | None]:
    """Return each row's prediction and score.

    A regression's prediction is a number, without a score. A classifier may return a matrix of probabilities (rows x
    classes): the prediction is the likeliest class and the score the probability of the positive class, or of the
    predicted class when there are more than two. Or it may return one value per row, which is the class itself or the
    probability of the last of two ``classes``, as ``kind`` (set at registration) says; if that is unknown, floats
    between 0 and 1 that are not all whole are taken as probabilities.

    With ``classes`` None a probability names no class: predictions are None. The score is then None for two columns;
    the largest probability for more; and one value per row is kept as it is. Raises PredictionError for any other
    output.
    """
    values = _shaped(output, rows)
    if task == "regression":
        return _numbers(values), None
    if values.ndim == _MATRIX:
        return _from_probabilities(task, values.astype(np.float64), classes, positive)
    if task == "binary_classification" and (kind == SCORES or (kind == UNKNOWN and _look_like_scores(values))):
        scores = values.astype(np.float64)
        if classes is None:
            _check_range(scores)
            return [None] * rows, scores.tolist()
        return _from_probabilities(task, np.stack([1 - scores, scores], axis=1), classes, positive)
    if classes is None and kind == UNKNOWN and _are_fractions(values):  # whole ones are classes or probabilities
        return [None] * rows, None
    return [_named(value, classes) for value in values.tolist()], None


def class_name(value: object) -> str:
    """Return a class as text: 1, 1.0 and True are '1', so that labels of any type match."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _shaped(output: object, rows: int) -> NDArray[Any]:
    """Return the output as one value per row, or as a matrix with one row for each."""
    values = np.asarray(output)
    if values.ndim == _MATRIX and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, _MATRIX) or len(values) != rows:
        raise PredictionError(
            f"The model returned an array of shape {values.shape} for {rows} rows",
            "Let the model return one value, or one row of probabilities, per input row",
        )
    return values


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
        raise PredictionError("The regression model returned a matrix", "Let it return one number per row")
    return [float(value) for value in values.astype(np.float64)]


def _from_probabilities(
    task: str, matrix: NDArray[np.float64], classes: Sequence[str] | None, positive: str
) -> tuple[list[Answer | None], list[float] | None]:
    _check_range(matrix)
    binary = task == "binary_classification"
    if classes is None:
        return [None] * len(matrix), None if binary else matrix.max(axis=1).tolist()
    names = list(classes)
    if len(names) != matrix.shape[1]:
        raise PredictionError(
            f"The model returned {matrix.shape[1]} probabilities per row for {len(names)} classes",
            "State all its classes, in the order of the columns: 'classes' in the endpoint's YAML",
        )
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
            "Correct the model, or log it with pyfunc_predict_fn='predict' if it returns classes",
        )
