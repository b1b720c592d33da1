"""Chooses how a version predicts: through MLflow, or on a faster path that a probe at load shows to be identical.

MLflow's ``predict`` spends most of its time on checks and on building a DataFrame. Two paths avoid it: the scikit-learn
model on a DataFrame, and on an array of numbers. A path is used only if it predicts the probe's rows with the same bits
as MLflow.

Queued requests are merged into a batch only if the probe shows that a row's prediction does not depend on the other
rows. For models that multiply matrices this holds for whole blocks of rows only: the library computes the remaining
rows in another order, which changes the last bit. Their batches are padded to whole blocks (``pad``), so that a row has
the same prediction in every batch; see docs/decisions/0007. It may hold only up to some number of rows (``most``),
because the library uses yet another order above it: batches stay below that, and a larger request is predicted alone,
without padding. The probes are in ``probes``.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
    equals_mlflow,
    find_padding,
    make_probe_rows,
    make_probes,
    part,
)

SLOW_MS, QUICK_MS = 250.0, 25.0
INLINE_MS = 2.0
_LOG = logging.getLogger("modelops.gateway")


@dataclass(frozen=True)
class PredictionPath:
    """How a version predicts.

    ``name`` is array, frame or mlflow. ``merging`` says how requests are merged; None means never.
    ``milliseconds`` is the time for PROBE_ROWS rows; None means not measured. ``own_process`` says that it predicts in
    the version's process, not in the worker.
    """

    predict: Predict
    name: str
    merging: Merging | None
    milliseconds: float | None
    own_process: bool = False

    @property
    def inline(self) -> bool:
        """Whether a batch is so fast that a thread switch would cost more than it saves."""
        if self.own_process:
            return False
        return self.name == "array" and self.milliseconds is not None and self.milliseconds <= INLINE_MS

    def describe(self) -> dict[str, Any]:
        """Return it as the API shows it: path, most rows of a merged batch (0: never merged), milliseconds."""
        most = self.merging.most if self.merging else 0
        return {"path": self.name, "merged_rows": most, "probe_ms": self.milliseconds, "own_process": self.own_process}

    def known(self) -> "KnownPath":
        """Return what another process needs to predict in the same way."""
        return KnownPath(self.name, self.merging, self.milliseconds)


@dataclass(frozen=True)
class KnownPath:
    """A path that was chosen for a version's files, without the loaded model."""

    name: str
    merging: Merging | None
    milliseconds: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "KnownPath":
        """Return it from plain values; raises LookupError, TypeError or ValueError for others."""
        merging, milliseconds = values["merging"], values["milliseconds"]
        return cls(
            str(values["name"]),
            None if merging is None else Merging(int(merging["most"]), int(merging["pad"])),
            None if milliseconds is None else float(milliseconds),
        )


def choose_path(model: Any, folder: Path, inputs: Mapping[str, str], *, row_wise: bool) -> PredictionPath:
    """Return the fastest path that predicts a loaded MLflow model identically; ``row_wise`` False forbids merging.

    It is MLflow's own if there are no probe rows (no input example, and inputs that are not all floats), and for a
    model that takes over SLOW_MS: the probe's hundreds of predictions would delay its deployment too much.
    """
    narrow = narrow_inputs(folder)
    mlflow = _mlflow(model, inputs, narrow)
    rows = make_probe_rows(mlflow, folder, inputs)
    if not rows:
        _LOG.warning(
            "The model cannot be probed, so it is served on the slow MLflow path; log it with an input example"
        )
        return PredictionPath(mlflow, "mlflow", None, None)
    milliseconds = _milliseconds(mlflow, rows[0])
    if milliseconds > SLOW_MS:
        return PredictionPath(mlflow, "mlflow", None, milliseconds)
    limits = [most for most in LIMITS if milliseconds <= QUICK_MS or most == PROBE_ROWS] if row_wise else []
    probes = {most: make_probes(mlflow, rows, most) for most in limits}
    for name, predict in {**_shortcuts(model, inputs, narrow), "mlflow": mlflow}.items():
        merging = _find_merging(predict, probes)
        if merging or all(equals_mlflow(predict, mlflow, columns) for columns in rows):
            return PredictionPath(predict, name, merging, _milliseconds(predict, rows[0]))
    return PredictionPath(mlflow, "mlflow", None, milliseconds)


def restore_path(model: Any, folder: Path, inputs: Mapping[str, str], known: KnownPath) -> PredictionPath:
    """Return the path that ``choose_path`` chose for the same files in another process, without probing again."""
    narrow = narrow_inputs(folder)
    paths = {**_shortcuts(model, inputs, narrow), "mlflow": _mlflow(model, inputs, narrow)}
    return PredictionPath(paths[known.name], known.name, known.merging, known.milliseconds)


def _find_merging(predict: Predict, probes: Mapping[int, Sequence[Probe]]) -> Merging | None:
    """Return the largest batches that pass their probes, or None."""
    for most, tried in probes.items():
        pad = find_padding(predict, tried, most)
        if pad is not None:
            return Merging(most, pad)
    return None


def _mlflow(model: Any, inputs: Mapping[str, str], narrow: Narrow) -> Predict:
    return lambda columns: np.asarray(model.predict(to_frame(columns, inputs, narrow)))


def _shortcuts(model: Any, inputs: Mapping[str, str], narrow: Narrow) -> dict[str, Predict]:
    """Return the paths that avoid MLflow's checks, fastest first; only scikit-learn models have any."""
    flavour = model.metadata.flavors.get("python_function", {})
    if flavour.get("loader_module") != "mlflow.sklearn":
        return {}
    raw = getattr(model.get_raw_model(), flavour.get("predict_fn", "predict"))
    paths: dict[str, Predict] = {}
    if set(inputs.values()) <= NUMBERS:
        paths["array"] = lambda columns: np.asarray(raw(to_array(columns, inputs)))
    paths["frame"] = lambda columns: np.asarray(raw(to_frame(columns, inputs, narrow)))
    return paths


def _milliseconds(predict: Predict, rows: Columns) -> float:
    """Return the shortest of three timings of PROBE_ROWS rows, in milliseconds."""
    batch, timings = part(rows, 0, PROBE_ROWS), []
    for _ in range(3):
        started = time.perf_counter()
        predict(batch)
        timings.append((time.perf_counter() - started) * 1000)
    return min(timings)
