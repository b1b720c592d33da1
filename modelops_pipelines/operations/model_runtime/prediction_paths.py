"""Chooses how a version predicts: through MLflow, or on a faster path that a probe at load shows to be identical.

MLflow's ``predict`` spends most of its time on checks and on building a DataFrame. Two paths avoid it: the model itself
on a DataFrame, and a scikit-learn model on an array of numbers. A path is used only if it predicts the probe's rows
with the same bits as MLflow.

Queued requests are merged into a batch only if the probe shows that a row's prediction does not depend on the other
rows. For models that multiply matrices this holds for whole blocks of rows only: the library computes the remaining
rows in another order, which changes the last bit. Their batches are padded to whole blocks (``pad``), so that a row has
the same prediction in every batch; see docs/decisions/0007. It may hold only up to some number of rows (``most``),
because the library uses yet another order above it: batches stay below that, and a larger request is predicted alone,
without padding. The probes are in ``probes``.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.errors import InputError, NotReadyError
from modelops_pipelines.core.models.input_forms import COLUMNS, MATRIX, InputForm
from modelops_pipelines.core.models.output_forms import as_rows
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.operations.model_runtime.frames import NUMBERS, make_frame, to_array
from modelops_pipelines.operations.model_runtime.model_inputs import EXACT, form_of_files, to_model_input
from modelops_pipelines.operations.model_runtime.probe_rows import LIMITS, PROBE_ROWS, Predict, make_probe_rows, part
from modelops_pipelines.operations.model_runtime.probes import Merging, Probe, equals_mlflow, find_padding, make_probes
from modelops_pipelines.store.registry.formats.contributions import Exact, Unfit, explain_exactly
from modelops_pipelines.store.registry.formats.known_formats import FORMATS

SLOW_MS, QUICK_MS = 250.0, 25.0
INLINE_MS = 2.0
_FRAME_LOADERS = frozenset(f"mlflow.{form.name}" for form in FORMATS)
_EXPLAINED = frozenset(f"mlflow.{name}" for name in ("sklearn", "xgboost", "lightgbm", "catboost"))
"""Loaders of models whose library may know exact contributions."""
Explain = Callable[[Columns, Columns | None], Exact | Unfit]
_LOG = logging.getLogger("modelops.gateway")


def _unexplained(columns: Columns, reference: Columns | None) -> Exact | Unfit:  # noqa: ARG001 - an Explain
    return Unfit("its library has no exact contributions")


@dataclass(frozen=True)
class PredictionPath:
    """How a version predicts.

    ``name`` is array, frame or mlflow. ``merging`` says how requests are merged; None means never.
    ``milliseconds`` is the time for PROBE_ROWS rows; None means not measured. ``with_params`` predicts a request that
    has parameters of the signature: always through MLflow, which converts them and adds the defaults. ``own_process``
    says that it predicts in the version's process, not in the worker; ``confinement`` what the system took from that
    process, of a version with an environment of its own. ``explain`` returns exact contributions of rows, given the
    reference rows, or why there are none.
    """

    predict: Predict
    name: str
    merging: Merging | None
    milliseconds: float | None
    with_params: Callable[[Columns, Mapping[str, Any]], NDArray[Any]] | None = None
    own_process: bool = False
    confinement: Mapping[str, str] | None = None
    explain: Explain = _unexplained

    def predict_with(self, columns: Columns, params: Mapping[str, Any]) -> NDArray[Any]:
        """Return the predictions with these parameters; raises InputError on a path that takes none."""
        if self.with_params is None:
            raise InputError("This version takes no parameters", "Leave 'params' out")
        return self.with_params(columns, params)

    def without_model(self) -> "PredictionPath":
        """Return the path of a version that is not in memory: it says the same of itself, and answers nothing."""
        return replace(self, predict=_absent, with_params=_absent, explain=_absent)

    @property
    def inline(self) -> bool:
        """Whether a batch is so fast that a thread switch would cost more than it saves."""
        if self.own_process:
            return False
        return self.name == "array" and self.milliseconds is not None and self.milliseconds <= INLINE_MS

    def describe(self) -> dict[str, Any]:
        """Return it as the API shows it: path, most rows of a merged batch (0: never), milliseconds, isolation."""
        most = self.merging.most if self.merging else 0
        isolation = None if self.confinement is None else dict(self.confinement)
        process = {"own_process": self.own_process, "isolation": isolation}
        return {"path": self.name, "merged_rows": most, "probe_ms": self.milliseconds, **process}


def _absent(columns: Columns, more: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG001 - a path's signature
    raise NotReadyError("The version is not in memory", "Try again in a moment: it is being loaded")


ABSENT = PredictionPath(_absent, "unknown", None, None, _absent)
"""The path of a version that was not loaded yet."""


def choose_path(
    model: Any, folder: Path, inputs: Mapping[str, str], *, row_wise: bool, classes: Sequence[str] | None = None
) -> PredictionPath:
    """Return the fastest path that predicts a loaded MLflow model identically; ``row_wise`` False forbids merging.

    It is MLflow's own if there are no probe rows (no input example, and inputs that are not all floats), and for a
    model that takes over SLOW_MS: the probe's hundreds of predictions would delay its deployment too much. ``classes``
    is the order of a DataFrame's columns, where the model answers one.
    """
    ways = _Ways(model, inputs, form_of_files(folder), classes)
    return replace(_choose(ways, folder, row_wise=row_wise), with_params=ways.by_mlflow, explain=ways.explain)


def mlflow_path(
    model: Any, folder: Path, inputs: Mapping[str, str], classes: Sequence[str] | None = None
) -> PredictionPath:
    """Return MLflow's own path, without merging: how a version is tried before its path is chosen."""
    ways = _Ways(model, inputs, form_of_files(folder), classes)
    return PredictionPath(ways.by_mlflow, "mlflow", None, None, ways.by_mlflow, explain=ways.explain)


def named_path(
    name: str, model: Any, folder: Path, inputs: Mapping[str, str], classes: Sequence[str] | None
) -> PredictionPath:
    """Return the path of this name, which was chosen for the same files in another process; nothing is probed."""
    ways = _Ways(model, inputs, form_of_files(folder), classes)
    predict = {**ways.shortcuts(), "mlflow": ways.by_mlflow}[name]
    return PredictionPath(predict, name, None, None, ways.by_mlflow, explain=ways.explain)


def _choose(ways: "_Ways", folder: Path, *, row_wise: bool) -> PredictionPath:
    rows, varied = make_probe_rows(ways.by_mlflow, folder, ways.form)
    if not rows:
        _LOG.warning(
            "The model cannot be probed, so it is served on the slow MLflow path; log it with an input example"
        )
        return PredictionPath(ways.by_mlflow, "mlflow", None, None)
    milliseconds = _milliseconds(ways.by_mlflow, rows[0])
    if milliseconds > SLOW_MS:
        return PredictionPath(ways.by_mlflow, "mlflow", None, milliseconds)
    merges = row_wise and varied
    limits = [most for most in LIMITS if milliseconds <= QUICK_MS or most == PROBE_ROWS] if merges else []
    probes = {most: make_probes(ways.by_mlflow, rows, most) for most in limits}
    for name, predict in {**ways.shortcuts(), "mlflow": ways.by_mlflow}.items():
        merging = _find_merging(predict, probes)
        if merging or all(equals_mlflow(predict, ways.by_mlflow, columns) for columns in rows):
            return PredictionPath(predict, name, merging, _milliseconds(predict, rows[0]))
    return PredictionPath(ways.by_mlflow, "mlflow", None, milliseconds)


def _find_merging(predict: Predict, probes: Mapping[int, Sequence[Probe]]) -> Merging | None:
    """Return the largest batches that pass their probes, or None."""
    for most, tried in probes.items():
        pad = find_padding(predict, tried, most)
        if pad is not None:
            return Merging(most, pad)
    return None


@dataclass(frozen=True)
class _Ways:
    """The ways in which a loaded model can predict columns."""

    model: Any
    inputs: Mapping[str, str]
    form: InputForm
    classes: Sequence[str] | None

    def by_mlflow(self, columns: Columns, params: Mapping[str, Any] | None = None) -> NDArray[Any]:
        """Predict as MLflow's own server does; raises PredictionError for an answer that is no array of rows."""
        given = self._frame(columns)
        output = self.model.predict(given) if params is None else self.model.predict(given, params=dict(params))
        return self._read(output, columns)

    def explain(self, columns: Columns, reference: Columns | None) -> Exact | Unfit:
        """Return the library's own contributions of rows that have all columns; of other models, why there are none."""
        flavour = self.model.metadata.flavors.get("python_function", {})
        if flavour.get("loader_module") not in _EXPLAINED:
            return Unfit(f"MLflow loads it by {str(flavour.get('loader_module'))[:80]}, which knows no contributions")
        given = None if reference is None else self._frame(reference)
        return explain_exactly(self.model.get_raw_model(), self._frame(columns), given)

    def shortcuts(self) -> dict[str, Predict]:
        """Return the ways that avoid MLflow's checks, fastest first: of scikit-learn, and of the other data formats."""
        flavour = self.model.metadata.flavors.get("python_function", {})
        if flavour.get("loader_module") in _FRAME_LOADERS and self.form.layout == COLUMNS and not self.form.has_json:
            answering = self.model._model_impl  # noqa: SLF001 - MLflow calls it a stable interface
            return {"frame": lambda columns: self._read(answering.predict(self._frame(columns)), columns)}
        if flavour.get("loader_module") != "mlflow.sklearn":
            return {}
        if self.form.has_json or self.form.layout not in (COLUMNS, MATRIX):
            return {}
        raw = getattr(self.model.get_raw_model(), flavour.get("predict_fn", "predict"))
        paths: dict[str, Predict] = {}
        if set(self.inputs.values()) <= NUMBERS and not (self.form.layout == MATRIX and "int" in self.inputs.values()):
            exact = "int" in self.inputs.values()
            paths["array"] = lambda columns: self._by_array(raw, columns, exact=exact)
        if self.form.layout == COLUMNS:
            paths["frame"] = lambda columns: self._read(raw(self._frame(columns)), columns)
        return paths

    def _frame(self, columns: Columns) -> Any:
        return to_model_input(columns, self.form, getattr(self.model, "frame_of", make_frame))

    def _by_array(self, raw: Callable[[Any], Any], columns: Columns, *, exact: bool) -> NDArray[Any]:
        """Predict an array of numbers; by MLflow where a column is left out, or an integer is no float."""
        if len(columns) < len(self.inputs):
            return self.by_mlflow(columns)
        given = to_array(columns, self.inputs, self.form.narrow)
        if exact and (np.abs(given) >= EXACT).any():
            return self.by_mlflow(columns)
        return self._read(raw(given), columns)

    def _read(self, output: Any, columns: Columns) -> NDArray[Any]:
        return as_rows(output, len(next(iter(columns.values()))), self.classes)


def _milliseconds(predict: Predict, rows: Columns) -> float:
    """Return the shortest of three timings of PROBE_ROWS rows, in milliseconds."""
    batch, timings = part(rows, 0, PROBE_ROWS), []
    for _ in range(3):
        started = time.perf_counter()
        predict(batch)
        timings.append((time.perf_counter() - started) * 1000)
    return min(timings)
