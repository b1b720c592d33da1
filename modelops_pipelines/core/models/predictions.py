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


def interpret(
    task: str, output: object, rows: int, classes: Sequence[str] | None, positive: str, kind: str = UNKNOWN
) -> tuple[list[Answer], list[float] | None]:
    """Return each row's prediction and score.

    A regression's prediction is a number, without a score. A classifier may return a matrix of probabilities (rows x
    classes): the prediction is the likeliest class and the score the probability of the positive class, or of the
    predicted class when there are more than two. Or it may return one value per row, which is a score of the positive
    class or the class itself, as ``kind`` (set at registration) says; if that is unknown, floats between 0 and 1 that
    are not all whole are taken as scores. Raises PredictionError for any other output.
    """
    values = _without_depth(as_rows(output, rows, classes))
    if task == "regression":
        return _numbers(values), None
    if values.ndim == _MATRIX:
        return _from_probabilities(task, _as_floats(values), classes, positive)
    if task == "binary_classification" and (kind == SCORES or (kind == UNKNOWN and _look_like_scores(values))):
        scores = _as_floats(values)
        return _from_probabilities(task, np.stack([1 - scores, scores], axis=1), _two(classes, positive), positive)
    return [class_name(value) for value in values.tolist()], None


def _without_depth(values: NDArray[Any]) -> NDArray[Any]:
    """Return one value per row for a matrix of one column, else the array itself."""
    return values[:, 0] if values.ndim == _MATRIX and values.shape[1] == 1 else values


def _look_like_scores(values: NDArray[Any]) -> bool:
    fractions = values.dtype.kind == "f" and not np.all(values == np.round(values))
    return bool(fractions and np.all((values >= 0) & (values <= 1)))


def _numbers(values: NDArray[Any]) -> list[Answer]:
    if values.ndim == _MATRIX:
        raise PredictionError("The regression model returned a matrix", "Let it return one number per row")
    return [float(value) for value in _as_floats(values, "The regression model returned text")]


def _as_floats(values: NDArray[Any], problem: str = "The model returned text as probabilities") -> NDArray[np.float64]:
    if values.dtype.kind == "U" or (values.dtype.kind == "O" and str in set(map(type, values.flat))):
        raise PredictionError(problem, "Let it return numbers, as its signature's outputs say")
    return values.astype(np.float64)


def _from_probabilities(
    task: str, matrix: NDArray[np.float64], classes: Sequence[str] | None, positive: str
) -> tuple[list[Answer], list[float]]:
    if not np.all((matrix >= 0) & (matrix <= 1)):
        raise PredictionError(
            "The model returned a probability outside 0 to 1",
            "Correct the model, or log it with pyfunc_predict_fn='predict' if it returns classes",
        )
    names = list(classes) if classes is not None else _default_classes(matrix.shape[1], positive)
    count = len(names) if task != "binary_classification" or classes is not None else _MATRIX
    if count != matrix.shape[1]:
        raise PredictionError(
            f"The model returned {matrix.shape[1]} probabilities per row for {count} classes",
            "Log it with all its classes: metadata={'classes': [...]}",
        )
    best = matrix.argmax(axis=1)
    column = names.index(positive) if task == "binary_classification" and positive in names else None
    if task == "binary_classification" and column is None:
        raise PredictionError(
            f"The positive class {positive!r} is not among the model's classes {names}",
            "Set positive_label in the endpoint's YAML to one of these",
        )
    scores = matrix[:, column] if column is not None else matrix.max(axis=1)
    return [names[index] for index in best], [float(score) for score in scores]


def _default_classes(width: int, positive: str) -> list[str]:
    return _two(None, positive) if width == _MATRIX else [str(index) for index in range(width)]


def _two(classes: Sequence[str] | None, positive: str) -> list[str]:
    """Return the negative class, then the positive one."""
    others = [name for name in classes or () if name != positive]
    return [others[0] if len(others) == 1 else "0" if positive != "0" else "not 0", positive]
