"""An ONNX model in memory: which columns go into which input, and which output is the answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.store.registry.formats.onnx_messages import OnnxFile

if TYPE_CHECKING:
    import pandas as pd

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
_PASSING = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze"})
"""Operators that a classifier's label passes on its way to the output, without becoming another."""
_LABELS = frozenset({"tensor(int64)", "tensor(string)"})
_FLOATS = frozenset({"tensor(float)", "tensor(double)"})
_PAIR, _MATRIX = 2, 2
Feed = dict[str, Any]


class OnnxModel:
    """A session of onnxruntime, with the classes that the file states.

    A classifier that gives a label and its probabilities answers the probabilities, a column for each of ``classes_``
    in their order. Any other model answers as in MLflow's hands, but keeps the rows of a matrix.
    """

    def __init__(self, session: Any, file: OnnxFile) -> None:
        """Take a session, and what its file holds."""
        self._session = session
        self._inputs = session.get_inputs()
        self._outputs = [(output.name, output.type, len(output.shape or [])) for output in session.get_outputs()]
        self._probabilities, self.classes_ = self._answer_of_classifier(file)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002 - as MLflow's own
        """Return the answer to a DataFrame, an array for a single input, or a dict of arrays by input."""
        answers = self._session.run([name for name, *_ in self._outputs], self._feed(data))
        if self._probabilities is not None:
            return self._as_matrix(answers[self._probabilities])
        if len(answers) == 1:
            return np.asarray(answers[0])
        return self._as_frame(answers)

    def get_raw_model(self) -> "OnnxModel":
        """Return this model: onnxruntime's session knows no classes."""
        return self

    def _answer_of_classifier(self, file: OnnxFile) -> tuple[int | None, list[Any] | None]:
        """Return which of two outputs holds the probabilities of the other, a label, and the classes; or neither.

        They are a map from class to probability for each row (``ZipMap``), or a matrix: of an operator that states
        classes, or named so. Distances and other scores beside a label are no probabilities.
        """
        for place, (name, kind, depth) in enumerate(self._outputs if len(self._outputs) == _PAIR else ()):
            label, other, other_depth = self._outputs[1 - place]
            if other not in _LABELS or other_depth >= _MATRIX:
                continue
            if kind.startswith("seq(map("):
                return place, _classes_made_with(file, name)
            classes = _classes_made_with(file, label, is_text=other == "tensor(string)")
            if kind in _FLOATS and depth == _MATRIX and (classes or "prob" in name.lower()):
                return place, classes
        return None, None

    def _as_matrix(self, answer: Any) -> Any:
        if isinstance(answer, np.ndarray):
            return answer
        classes = self.classes_ or list(answer[0])
        return np.array([[row[name] for name in classes] for row in answer], dtype=np.float32)

    def _as_frame(self, answers: list[Any]) -> "pd.DataFrame":
        """Return several outputs as MLflow does; raises PredictionError where they are not one value a row each."""
        import pandas as pd

        columns = {name: np.asarray(one).reshape(-1) for (name, *_), one in zip(self._outputs, answers, strict=True)}
        if len({len(values) for values in columns.values()}) > 1:
            raise PredictionError(
                f"The ONNX model has the outputs {', '.join(columns)[:200]}, which are not one answer a row",
                "Log it with a single output, or with a classifier's label and probabilities",
            )
        return pd.DataFrame(columns)

    def _feed(self, data: Any) -> Feed:
        if isinstance(data, dict):
            return {one.name: _typed(data[one.name], one) for one in self._inputs if one.name in data}
        if not hasattr(data, "columns"):
            return {self._inputs[0].name: _typed(data, self._inputs[0])}
        if len(self._inputs) > 1:
            return {one.name: _column(data, one) for one in self._inputs}
        return {self._inputs[0].name: _typed(_values(data), self._inputs[0])}


def _values(frame: "pd.DataFrame") -> Any:
    return frame.to_numpy()


def _column(frame: "pd.DataFrame", tensor: Any) -> Any:
    """Return a column by the input's name, as one column of a matrix where the input is one."""
    values = _typed(frame[tensor.name].to_numpy(), tensor)
    return values.reshape(-1, 1) if len(tensor.shape or []) == _MATRIX else values


def _typed(values: Any, tensor: Any) -> Any:
    """Return an array of the input's own type: MLflow converts doubles to floats only, and the rest fails there."""
    kind, array = _TYPES.get(tensor.type), np.asarray(values)
    return array if kind is None or array.dtype == kind else array.astype(kind)


def _classes_made_with(file: OnnxFile, output: str, *, is_text: bool | None = None) -> list[Any] | None:
    """Return the classes of the operator that makes an output, in the order of its scores; None where it states none.

    ``is_text`` is what they must be. Classes of other operators say nothing: the parts of a voting classifier count
    0, 1, ... whatever its labels are.
    """
    makers = {name: node for node in file.nodes for name in node.outputs}
    maker = makers.get(output)
    for _ in file.nodes:
        if maker is None or maker.operator not in _PASSING or not maker.inputs:
            break
        maker = makers.get(maker.inputs[0])
    found = [] if maker is None else maker.classes
    if not found or len(set(found)) < len(found):
        return None
    return None if is_text is not None and is_text != all(isinstance(one, str) for one in found) else list(found)
