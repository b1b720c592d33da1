"""The predictions and scores of a batch, out of columns of classes, numbers, scores or probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError, finite_of
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.models.classes import match_class
from modelops_pipelines.operations.capture.elsewhere.batches import Batch
from modelops_pipelines.operations.capture.elsewhere.typed_columns import (
    Faults,
    python_values,
    read_column,
    read_distinct,
)


@dataclass(frozen=True)
class Answers:
    """A batch's predictions (text, or numbers for a regression) and scores, null where there is none; refusals."""

    prediction: pa.Array
    score: pa.Array
    faults: Faults = field(default_factory=dict)


def read_answers(batch: Batch, mapping: LogMapping, spec: EndpointSpec) -> Answers:
    """Return the answers; a row's prediction is the one given, else the class that its probabilities or score say."""
    if spec.task == "regression":
        return _numbers(batch, str(mapping.prediction))
    faults: Faults = {}
    given = _classes(batch, mapping, spec, faults)
    score = _scores(batch, mapping, faults)
    said, probability = _probabilities(batch, mapping, spec, faults)
    prediction = pc.coalesce(given, said, _of_scores(score, spec))
    return Answers(prediction, pc.coalesce(score, probability), faults)


def class_reader(classes: Sequence[str], what: str) -> Any:
    """Return what reads a class in any form; it raises RefusedValueError for what is none of these classes."""

    def read(value: Any) -> str:
        found = match_class(value.strip() if isinstance(value, str) else value, classes)
        if found is None:
            fraction = isinstance(value, float) and not value.is_integer()
            hint = ": it looks like a score" if fraction else f" ({', '.join(classes)[:120]})"
            raise RefusedValueError(f"{what} is none of the endpoint's classes{hint}")
        return found

    return read


def _numbers(batch: Batch, name: str) -> Answers:
    column = batch.columns.get(name, [None] * len(batch))
    values, faults = read_column(column, "float")
    finite = pc.fill_null(pc.is_finite(values), fill_value=True)
    if not pc.all(finite).as_py():
        faults |= {place: "is not finite" for place, ok in enumerate(finite.to_pylist()) if not ok}
    told = {place: f"the prediction {why}" for place, why in faults.items()}
    return Answers(values, pa.nulls(len(batch), pa.float64()), told)


def _classes(batch: Batch, mapping: LogMapping, spec: EndpointSpec, faults: Faults) -> pa.Array:
    column = batch.columns.get(str(mapping.prediction)) if mapping.prediction else None
    if column is None:
        return pa.nulls(len(batch), pa.string())
    values, wrong = read_distinct(column, class_reader(spec.classes, "the prediction"), pa.string())
    faults |= wrong
    return values


def _scores(batch: Batch, mapping: LogMapping, faults: Faults) -> pa.Array:
    column = batch.columns.get(mapping.score) if mapping.score else None
    if column is None:
        return pa.nulls(len(batch), pa.float64())
    values, wrong = read_column(column, "float")
    faults |= {place: f"the score {why}" for place, why in wrong.items()}
    faults |= _out_of_range(values, "the score")
    return values


def _of_scores(score: pa.Array, spec: EndpointSpec) -> pa.Array:
    """Return the class that a binary score says: the positive one where it is likelier than the other."""
    others = [name for name in spec.classes if name != spec.positive_label]
    if len(others) != 1 or spec.task != "binary_classification":
        return pa.nulls(len(score), pa.string())
    last = spec.classes[-1] == spec.positive_label  # at one half the first class of the two
    positive = pc.greater(score, 0.5) if last else pc.greater_equal(score, 0.5)
    return pc.if_else(positive, spec.positive_label, others[0])


def _probabilities(batch: Batch, mapping: LogMapping, spec: EndpointSpec, faults: Faults) -> tuple[pa.Array, pa.Array]:
    """Return each row's likeliest class, and the probability of the positive one (binary) or of the likeliest."""
    nothing = pa.nulls(len(batch), pa.string()), pa.nulls(len(batch), pa.float64())
    classes = mapping.classes or spec.classes
    matrix = _matrix(batch, mapping.probabilities, len(classes), faults)
    if matrix is None:
        return nothing
    known = ~np.isnan(matrix).any(axis=1)
    wrong = known & ~((matrix >= 0) & (matrix <= 1)).all(axis=1)
    faults |= {int(place): "a probability is not between 0 and 1" for place in np.flatnonzero(wrong)}
    likeliest = np.where(np.isnan(matrix), -1.0, matrix).argmax(axis=1)
    binary = spec.task == "binary_classification"
    score = matrix[:, classes.index(spec.positive_label)] if binary else matrix.max(axis=1)
    names = pa.array(classes, pa.string()).take(pa.array(likeliest, mask=~known))
    return names, pa.array(score, pa.float64(), mask=~known)


def _matrix(batch: Batch, names: Sequence[str], width: int, faults: Faults) -> np.ndarray | None:
    """Return the probabilities of shape (rows, classes), NaN where a row has none; None where no row has any."""
    columns = [batch.columns[name] for name in names if name in batch.columns]
    if not columns:
        return None
    if len(names) == 1:
        return _of_lists(python_values(columns[0]), width, faults)
    parts = []
    for column in columns:
        values, wrong = read_column(column, "float")
        faults |= {place: f"a probability {why}" for place, why in wrong.items()}
        parts.append(values.to_numpy(zero_copy_only=False))
    return np.stack(parts, axis=1) if len(parts) == width else None


def _of_lists(values: Sequence[Any], width: int, faults: Faults) -> np.ndarray:
    matrix = np.full((len(values), width), np.nan)
    for place, value in enumerate(values):
        if value is None:
            continue
        try:
            matrix[place] = _listed(value, width)
        except RefusedValueError as error:
            faults[place] = f"the probabilities {error}"
    return matrix


def _listed(value: Any, width: int) -> list[float | None]:
    if not isinstance(value, list) or len(value) != width:
        raise RefusedValueError(f"are not {width}")
    return [np.nan if one is None else finite_of(one) for one in value]


def _out_of_range(values: pa.Array, what: str) -> Faults:
    inside = pc.fill_null(pc.and_(pc.greater_equal(values, 0), pc.less_equal(values, 1)), fill_value=True)
    if pc.all(inside).as_py():
        return {}
    return {place: f"{what} is not between 0 and 1" for place, ok in enumerate(inside.to_pylist()) if not ok}
