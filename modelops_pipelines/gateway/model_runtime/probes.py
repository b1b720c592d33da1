"""Probes a version when it is loaded: rows to predict, and comparisons of a path's predictions with MLflow's.

``prediction_paths`` chooses the path by them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.gateway.bodies.typed_columns import Columns, typed_columns
from modelops_pipelines.gateway.model_runtime.frames import NULLABLE, example_of

if TYPE_CHECKING:
    import pandas as pd

Predict = Callable[[Columns], NDArray[Any]]
PROBE_ROWS = 96
LIMITS = (2048, 512, PROBE_ROWS)
PADS = (1, 4, 8, 16)
BATCHES = (1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 40, 64)
LARGE_BATCHES = (96, 200, 333, 512, 548, 556, 596, 620, 1000, 1501, 1996, 2028, 2036, 2048)
"""They include sizes whose halves are not whole blocks: from some size on the library splits a batch between cores."""
NULLS = 0.15
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Merging:
    """How requests may be merged: into batches of at most ``most`` rows, padded to a multiple of ``pad`` rows."""

    most: int
    pad: int


@dataclass(frozen=True)
class Probe:
    """Rows, and MLflow's predictions of all of them in one call."""

    rows: Columns
    predictions: NDArray[Any]


def make_probe_rows(mlflow: Predict, folder: Path, inputs: Mapping[str, str]) -> list[Columns]:
    """Return rows like the model's input example, then the same with nulls, without those that the model fails on.

    Nulls are needed, because a model that fills them from neighbouring rows is row-wise on all other rows.
    """
    predicted: list[Columns] = []
    try:
        rows = _rows_like_example(folder, inputs)
        for columns in () if rows is None else (rows, _with_nulls(rows, inputs)):
            mlflow(part(columns, 0, PROBE_ROWS))
            predicted.append(columns)
    except Exception as error:  # noqa: BLE001 - a model's code may raise anything on generated rows
        what = "rows like its input example with nulls" if predicted else "rows like its input example"
        _LOG.info("The model fails on %s (%s)", what, type(error).__name__)
    return predicted


def make_probes(mlflow: Predict, rows: Sequence[Columns], most: int) -> list[Probe]:
    """Return the first ``most`` of each of the rows with MLflow's predictions; empty if the model fails on so many."""
    try:
        parts = [part(columns, 0, most) for columns in rows]
        return [Probe(columns, mlflow(columns)) for columns in parts]
    except Exception:  # noqa: BLE001 - as above
        return []


def find_padding(predict: Predict, probes: Sequence[Probe], most: int) -> int | None:
    """Return the smallest padding with which every batch equals MLflow's predictions of all rows at once, or None."""
    sizes = sorted({*BATCHES, *(size for size in LARGE_BATCHES if size <= most)})
    for pad in PADS if probes else ():
        if all(_batches_equal(predict, probe, size, pad) for size in sizes for probe in probes):
            return pad
    return None


def equals_mlflow(predict: Predict, mlflow: Predict, rows: Columns) -> bool:
    """Return whether both predict each batch of BATCHES sizes identically."""
    for size in BATCHES:
        columns = part(rows, PROBE_ROWS - size, PROBE_ROWS)
        try:
            if not _same(predict(columns), mlflow(columns)):
                return False
        except Exception:  # noqa: BLE001 - a model's code may raise anything; a path that fails is not used
            return False
    return True


def part(columns: Columns, start: int, end: int) -> Columns:
    """Return the rows from ``start`` to before ``end``."""
    return {name: values[start:end] for name, values in columns.items()}


def pad_rows(columns: Columns, rows: int, pad: int) -> Columns:
    """Return the columns padded to a multiple of ``pad`` rows by repeating the last row."""
    more = -rows % pad
    return columns if not more else {name: values + values[-1:] * more for name, values in columns.items()}


def _batches_equal(predict: Predict, probe: Probe, size: int, pad: int) -> bool:
    last = max(PROBE_ROWS - size, 0)
    for start in range(0, last + 1, max(size, 16)):
        end = start + size
        try:
            predictions = predict(pad_rows(part(probe.rows, start, end), size, pad))[:size]
        except Exception:  # noqa: BLE001 - as above
            return False
        if not _same(predictions, probe.predictions[start:end]):
            return False
    return True


def _same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return first.tolist() == second.tolist() if first.dtype == object else first.tobytes() == second.tobytes()


def _rows_like_example(folder: Path, inputs: Mapping[str, str]) -> Columns | None:
    """Return rows like the model's input example: floats with noise, other values drawn from it.

    Without an example: random rows for inputs that are all floats, else None.
    """
    random = np.random.default_rng(0)
    example = example_of(folder)
    if example is not None and len(example) and set(inputs) <= set(example.columns):
        return {name: _sample(example[name], kind, random) for name, kind in inputs.items()}
    if set(inputs.values()) <= {"float"}:
        return {name: random.normal(size=LIMITS[0]).tolist() for name in inputs}
    return None


def _sample(values: "pd.Series[Any]", kind: str, random: np.random.Generator) -> list[Any]:
    known = [value for value in values.tolist() if value is not None and value == value] or [None]  # noqa: PLR0124 - NaN
    drawn = [known[index] for index in random.integers(0, len(known), LIMITS[0])]
    if kind == "float" and known[0] is not None:
        noise = random.normal(size=(2, LIMITS[0]))
        noisy: list[Any] = (np.array(drawn, dtype=np.float64) * (1 + noise[0] / 3) + noise[1] / 7).tolist()
        return noisy
    return typed_columns({"x": drawn}, {"x": kind})["x"]


def _with_nulls(rows: Columns, inputs: Mapping[str, str]) -> Columns:
    random = np.random.default_rng(1)
    columns = dict(rows)
    for name in [name for name, kind in inputs.items() if kind in NULLABLE]:
        nulls = random.random(LIMITS[0]) < NULLS
        columns[name] = [None if null else value for value, null in zip(rows[name], nulls, strict=True)]
    return columns
