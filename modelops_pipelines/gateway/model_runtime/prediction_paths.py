"""How a version predicts: as MLflow does, or faster where a probe at load shows the very same bytes.

MLflow's ``predict`` spends most of its time on checks and on a DataFrame (facts/serving.md). Two shortcuts leave it
out: the scikit-learn model on a DataFrame, and on an array of numbers. Each is taken only when it answers the probe's
rows bit for bit as MLflow does.

Requests that wait are answered in one batch only where the probe shows that a row's answer does not depend on the rows
beside it. For models that multiply matrices this holds for whole blocks of rows only: the library computes the rows
left over in another order, which changes the last bit. Batches are then filled up to whole blocks (``pad``), so that a
row has one answer, however it is sent; see docs/decisions/0007. It may hold only up to some number of rows (``most``),
beyond which the library computes in yet another order: larger batches are not made, and a larger request is answered
as MLflow answers it. What is tried, and what that proves, is probes.py's.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelops_pipelines.gateway.bodies.typed_columns import Columns
from modelops_pipelines.gateway.model_runtime.frames import NUMBERS, Narrow, narrow_inputs, to_array, to_frame
from modelops_pipelines.gateway.model_runtime.probes import (
    LIMITS,
    PROBE_ROWS,
    Merging,
    Predict,
    Probe,
    answered,
    equal_alone,
    part,
    proven_pad,
    rows_to_try,
)

SLOW_MS, QUICK_MS = 250.0, 25.0
INLINE_MS = 2.0
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class Way:
    """The way that a version predicts.

    ``path`` is array, frame or mlflow. ``merging`` says how requests are merged, None that they never are.
    ``milliseconds`` is what a batch of PROBE_ROWS rows took, None when not measured.
    """

    predict: Predict
    path: str
    merging: Merging | None
    milliseconds: float | None

    @property
    def inline(self) -> bool:
        """Whether a batch is so quick that handing it to a thread would cost more than it saves."""
        return self.path == "array" and self.milliseconds is not None and self.milliseconds <= INLINE_MS

    def describe(self) -> dict[str, Any]:
        """Return it for people."""
        most = self.merging.most if self.merging else 0
        return {"path": self.path, "merged_rows": most, "probe_ms": self.milliseconds}


def find_way(model: Any, folder: Path, inputs: Mapping[str, str], *, row_wise: bool) -> Way:
    """Return the fastest way that is proven for a loaded MLflow model; ``row_wise`` False forbids merging.

    Without rows to try (no input example, and inputs that are not all numbers) it is MLflow's own, and so it is for a
    model over SLOW_MS, which the hundreds of predictions of a proof would keep from being served for too long.
    """
    narrow = narrow_inputs(folder)
    plain = _mlflow(model, inputs, narrow)
    rows = rows_to_try(plain, folder, inputs)
    if not rows:
        _LOG.warning("the model cannot be probed: it is served without shortcuts; log it with an input example")
        return Way(plain, "mlflow", None, None)
    milliseconds = _milliseconds(plain, rows[0])
    if milliseconds > SLOW_MS:
        return Way(plain, "mlflow", None, milliseconds)
    limits = [most for most in LIMITS if milliseconds <= QUICK_MS or most == PROBE_ROWS] if row_wise else []
    probes = {most: answered(plain, rows, most) for most in limits}
    for path, predict in {**_shortcuts(model, inputs, narrow), "mlflow": plain}.items():
        merging = _proven_merging(predict, probes)
        if merging or all(equal_alone(predict, plain, given) for given in rows):
            return Way(predict, path, merging, _milliseconds(predict, rows[0]))
    return Way(plain, "mlflow", None, milliseconds)


def _proven_merging(predict: Predict, probes: Mapping[int, Sequence[Probe]]) -> Merging | None:
    """Return the largest batches that are proven, or None."""
    for most, tried in probes.items():
        pad = proven_pad(predict, tried, most)
        if pad is not None:
            return Merging(most, pad)
    return None


def _mlflow(model: Any, inputs: Mapping[str, str], narrow: Narrow) -> Predict:
    return lambda columns: np.asarray(model.predict(to_frame(columns, inputs, narrow)))


def _shortcuts(model: Any, inputs: Mapping[str, str], narrow: Narrow) -> dict[str, Predict]:
    """Return the ways past MLflow's own checks, fastest first; only scikit-learn's models have any."""
    flavour = model.metadata.flavors.get("python_function", {})
    if flavour.get("loader_module") != "mlflow.sklearn":
        return {}
    raw = getattr(model.get_raw_model(), flavour.get("predict_fn", "predict"))
    ways: dict[str, Predict] = {}
    if set(inputs.values()) <= NUMBERS:
        ways["array"] = lambda columns: np.asarray(raw(to_array(columns, inputs)))
    ways["frame"] = lambda columns: np.asarray(raw(to_frame(columns, inputs, narrow)))
    return ways


def _milliseconds(predict: Predict, rows: Columns) -> float:
    """Return the best of three timings of a probe batch."""
    batch, took = part(rows, 0, PROBE_ROWS), []
    for _ in range(3):
        started = time.perf_counter()
        predict(batch)
        took.append((time.perf_counter() - started) * 1000)
    return min(took)
