"""Probes a version when it is loaded: comparisons of a path's predictions with MLflow's, on ``probe_rows``.

``prediction_paths`` chooses the path by them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.operations.model_runtime.probe_rows import PROBE_ROWS, Predict, part

PADS = (1, 4, 8, 16)
BATCHES = (1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 40, 64)
LARGE_BATCHES = (96, 200, 333, 512, 548, 556, 596, 620, 1000, 1501, 1996, 2028, 2036, 2048)
"""They include sizes whose halves are not whole blocks: from some size on the library splits a batch between cores."""


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


def make_probes(mlflow: Predict, rows: Sequence[Columns], most: int) -> list[Probe]:
    """Return the first ``most`` of each of the rows with MLflow's predictions; empty if the model fails on so many."""
    try:
        parts = [part(columns, 0, most) for columns in rows]
        return [Probe(columns, mlflow(columns)) for columns in parts]
    except (Exception, SystemExit):  # noqa: BLE001 - a model's code may raise anything
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
    both_text = {first.dtype.kind, second.dtype.kind} == {"U"}  # whose type holds the longest text's length
    if first.shape != second.shape or (first.dtype != second.dtype and not both_text):
        return False
    return first.tolist() == second.tolist() if first.dtype.kind in "OU" else first.tobytes() == second.tobytes()
