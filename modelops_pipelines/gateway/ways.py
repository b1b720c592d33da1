"""How a version predicts: as MLflow does, or faster where a probe at load shows the very same bytes.

MLflow's ``predict`` spends most of its time on checks and on a DataFrame (facts/serving.md). Two shortcuts leave it
out: the scikit-learn model on a DataFrame, and on an array of numbers. Each is taken only when it answers the probe's
rows bit for bit as MLflow does.

Requests that wait are answered in one batch only where the probe shows that a row's answer does not depend on the rows
beside it. For models that multiply matrices this holds for whole blocks of rows only: the library computes the rows
left over in another order, which changes the last bit. Batches are then filled up to whole blocks (``pad``), so that a
row has one answer, however it is sent; see docs/decisions/0007.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.gateway.frames import NUMBERS, example_of, to_array, to_frame
from modelops_pipelines.gateway.values import Columns, typed_columns

if TYPE_CHECKING:
    import pandas as pd

Predict = Callable[[Columns], NDArray[Any]]
PROBE_ROWS = 96
PADS = (1, 4, 8, 16)
BATCHES = (1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 40, 64)
INLINE_MS = 2.0
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Way:
    """The way that a version predicts.

    ``path`` is array, frame or mlflow. ``pad`` is the number of rows that a batch is filled up to a multiple of, None
    when requests are never merged. ``milliseconds`` is what a batch of PROBE_ROWS rows took, None when not measured.
    """

    predict: Predict
    path: str
    pad: int | None
    milliseconds: float | None

    @property
    def inline(self) -> bool:
        """Whether a batch is so quick that handing it to a thread would cost more than it saves."""
        return self.path == "array" and self.milliseconds is not None and self.milliseconds <= INLINE_MS

    def describe(self) -> dict[str, Any]:
        """Return it for people."""
        return {"path": self.path, "merges_requests": self.pad is not None, "probe_ms": self.milliseconds}


def find_way(model: Any, folder: Path, inputs: Mapping[str, str], *, row_wise: bool) -> Way:
    """Return the fastest way that is proven for a loaded MLflow model; ``row_wise`` False forbids merging.

    Without rows to probe with (no input example, and inputs that are not all numbers) it is MLflow's own.
    """
    plain = _mlflow(model, inputs)
    try:
        rows = _probe_rows(folder, inputs)
        whole = None if rows is None else plain(rows)
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything on rows that nobody logged
        _LOG.warning("the model refuses rows like its input example (%s)", type(error).__name__)
        rows = whole = None
    if rows is None or whole is None:
        _LOG.warning("the model cannot be probed: it is served without shortcuts; log it with an input example")
        return Way(plain, "mlflow", None, None)
    for path, predict in {**_shortcuts(model, inputs), "mlflow": plain}.items():
        pad = _proven_pad(predict, rows, whole) if row_wise else None
        if pad is not None or _equal_alone(plain, predict, rows):
            return Way(predict, path, pad, _milliseconds(predict, rows))
    return Way(plain, "mlflow", None, _milliseconds(plain, rows))


def padded(columns: Columns, rows: int, pad: int) -> Columns:
    """Return the columns filled up to a multiple of ``pad`` rows by repeating the last one."""
    more = -rows % pad
    return columns if not more else {name: values + values[-1:] * more for name, values in columns.items()}


def _mlflow(model: Any, inputs: Mapping[str, str]) -> Predict:
    return lambda columns: np.asarray(model.predict(to_frame(columns, inputs)))


def _shortcuts(model: Any, inputs: Mapping[str, str]) -> dict[str, Predict]:
    """Return the ways past MLflow's own checks, fastest first; only scikit-learn's models have any."""
    flavour = model.metadata.flavors.get("python_function", {})
    if flavour.get("loader_module") != "mlflow.sklearn":
        return {}
    raw = getattr(model.get_raw_model(), flavour.get("predict_fn", "predict"))
    ways: dict[str, Predict] = {}
    if set(inputs.values()) <= NUMBERS:
        ways["array"] = lambda columns: np.asarray(raw(to_array(columns, inputs)))
    ways["frame"] = lambda columns: np.asarray(raw(to_frame(columns, inputs)))
    return ways


def _proven_pad(predict: Predict, rows: Columns, whole: NDArray[Any]) -> int | None:
    """Return the smallest padding under which every batch answers as MLflow answers all rows at once, or None."""
    for pad in PADS:
        if all(_batches_equal(predict, rows, whole, size, pad) for size in BATCHES):
            return pad
    return None


def _batches_equal(predict: Predict, rows: Columns, whole: NDArray[Any], size: int, pad: int) -> bool:
    for start in range(0, PROBE_ROWS - size + 1, max(size, 16)):
        part = {name: values[start : start + size] for name, values in rows.items()}
        try:
            got = predict(padded(part, size, pad))[:size]
        except Exception:  # noqa: BLE001 - a model's own code: what fails is no shortcut
            return False
        if not _same(got, whole[start : start + size]):
            return False
    return True


def _equal_alone(plain: Predict, predict: Predict, rows: Columns) -> bool:
    """Return whether each batch, by itself, is answered as MLflow answers it by itself."""
    for size in BATCHES:
        part = {name: values[-size:] for name, values in rows.items()}
        try:
            if not _same(predict(part), plain(part)):
                return False
        except Exception:  # noqa: BLE001 - as above
            return False
    return True


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()


def _milliseconds(predict: Predict, rows: Columns) -> float:
    """Return the best of three timings of a probe batch."""
    took = []
    for _ in range(3):
        started = time.perf_counter()
        predict(rows)
        took.append((time.perf_counter() - started) * 1000)
    return min(took)


def _probe_rows(folder: Path, inputs: Mapping[str, str]) -> Columns | None:
    """Return PROBE_ROWS rows like the model's own examples: numbers scattered around them, other values drawn."""
    random = np.random.default_rng(0)
    example = example_of(folder)
    if example is not None and len(example) and set(inputs) <= set(example.columns):
        return {name: _scattered(example[name], kind, random) for name, kind in inputs.items()}
    if set(inputs.values()) <= {"float"}:
        return {name: random.normal(size=PROBE_ROWS).tolist() for name in inputs}
    return None


def _scattered(values: "pd.Series[Any]", kind: str, random: np.random.Generator) -> list[Any]:
    known = [value for value in values.tolist() if value is not None and value == value] or [None]  # noqa: PLR0124 - NaN
    drawn = [known[index] for index in random.integers(0, len(known), PROBE_ROWS)]
    if kind == "float" and known[0] is not None:
        return [float(value) * float(1 + random.normal() / 3) + float(random.normal()) / 7 for value in drawn]
    return typed_columns({"x": drawn}, {"x": kind})["x"]
