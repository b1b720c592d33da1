"""Models that answer in every way that people's models do: right ones in many forms, and such as no caller can use.

Each takes a column ``x`` of numbers and a column ``kind`` of text, and would answer from x alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

REGRESSION, BINARY = "regression", "binary_classification"
CLASSES = ("no", "yes")
"""The endpoint's positive class is the second."""
XS = (0.125, 0.75, 0.5, 0.25, 0.0)
FRAME = pd.DataFrame({"x": XS, "kind": ["a", "b", "a", "c", "a"]})
Output = Literal["double", "string", "matrix"]


@dataclass(frozen=True)
class Way:
    """A way of answering: what it makes of x, and what its refusal says; ``right`` are the values served for x, if any.

    ``unknown`` is the refusal when the version's classes are not known; the same unless given.
    """

    name: str
    task: str
    answer: Callable[[Any], Any]
    refused: str | None = None
    right: Callable[[Any], list[Any]] | None = None
    output: Output = "double"
    unknown: str | None = "the same"

    def refusal(self, *, classes: bool) -> str | None:
        """Return what the refusal says, None when it is served."""
        return self.refused if classes or self.unknown == "the same" else self.unknown


def _double(x: Any) -> list[Any]:
    return [2 * value for value in x.tolist()]


def _wrapped(x: Any) -> list[Any]:
    return [[2 * value] for value in x.tolist()]


def pairs(x: Any) -> list[Any]:
    return [[value, 2 * value] for value in x.tolist()]


def both(x: Any) -> list[Any]:
    return [[1 - value, value] for value in x.tolist()]


def _names(x: Any) -> list[Any]:
    return [CLASSES[int(value > 0.5)] for value in x.tolist()]


def _perhaps(x: Any) -> list[Any]:
    return ["perhaps"] * len(x)


def _tensor(x: Any) -> Any:
    class Local:  # local, so that it is pickled by value
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.asarray(2 * x, dtype=dtype)

    return Local()


def _raise(_: Any) -> Any:
    raise ValueError("out of stock")


def _ragged(x: Any) -> Any:
    return [[1.0] * (1 + index % 2) for index in range(len(x) + 1)][: len(x)] if len(x) > 1 else [[1.0], [1.0, 2.0]]


def _moments(x: Any) -> Any:
    return pd.Series(pd.to_datetime(["2026-01-01"] * len(x)))


def _labelled(x: Any, columns: Sequence[str]) -> Any:
    return pd.DataFrame(np.stack([1 - x, x], axis=1), columns=list(columns))


WAYS = (
    Way("an array", REGRESSION, lambda x: 2 * x, right=_double),
    Way("a list", REGRESSION, lambda x: (2 * x).tolist(), right=_double),
    Way("a Series", REGRESSION, lambda x: pd.Series(2 * x), right=_double),
    Way("a column", REGRESSION, lambda x: (2 * x).reshape(-1, 1), right=_wrapped),
    Way("a DataFrame of one column", REGRESSION, lambda x: pd.DataFrame({"price": 2 * x}), right=_wrapped),
    Way("a dict of one list", REGRESSION, lambda x: {"price": (2 * x).tolist()}, right=_double),
    Way("a tensor", REGRESSION, _tensor, right=_double),
    Way("narrow numbers", REGRESSION, lambda x: (2 * x).astype(np.float32), right=_double),
    Way("nothing", REGRESSION, lambda _: None, "nothing (None)"),
    Way("a generator", REGRESSION, lambda x: (value for value in x), "a generator"),
    Way("two columns", REGRESSION, lambda x: np.stack([x, 2 * x], axis=1), right=pairs),
    Way(
        "a classifier's probabilities",
        REGRESSION,
        lambda x: np.stack([1 - x, x], axis=1),
        "probabilities of its classes no, yes",
        right=both,
        unknown=None,
    ),
    Way(
        "a DataFrame of two", REGRESSION, lambda x: pd.DataFrame({"a": x, "b": x}), "a DataFrame with the columns a, b"
    ),
    Way("a dict of two lists", REGRESSION, lambda x: {"a": x, "b": x}, "a dict with the keys a, b"),
    Way("a cube", REGRESSION, lambda x: np.zeros((len(x), 2, 2)), "shape (1, 2, 2)"),
    Way("a row less", REGRESSION, lambda x: x[: max(1, len(x) - 1)], "shape (1,) for 2 rows"),
    Way("each value once", REGRESSION, np.unique, "an array of shape"),
    Way("six rows", REGRESSION, lambda _: np.zeros(6), "shape (6,) for 1 row"),
    Way("a number for one row", REGRESSION, np.squeeze, "shape ()"),
    Way("rows of several lengths", REGRESSION, _ragged, "a list that is no array"),
    Way("bytes", REGRESSION, lambda x: [b"2"] * len(x), "a value of type bytes"),
    Way("complex numbers", REGRESSION, lambda x: x + 1j, "a value of type complex128"),
    Way("times", REGRESSION, _moments, "a value of type datetime64"),
    Way("text for numbers", REGRESSION, lambda x: list(map(str, x)), "returned text"),
    Way("nulls", REGRESSION, lambda x: [None] * len(x), "a value of type null (None)"),
    Way("records", REGRESSION, lambda x: [{"price": value} for value in x], "a value of type dict"),
    Way("an error", REGRESSION, _raise, "ValueError: out of stock"),
    Way("an exit", REGRESSION, lambda _: (_ for _ in ()).throw(SystemExit(3)), "SystemExit"),
    Way("probabilities", BINARY, lambda x: np.stack([1 - x, x], axis=1), right=both, output="matrix"),
    Way("a DataFrame by position", BINARY, lambda x: _labelled(x, [0, 1]), right=both, output="matrix"),
    Way(
        "a DataFrame of the classes, in another order",
        BINARY,
        lambda x: _labelled(x, CLASSES)[["yes", "no"]],
        right=both,
        output="matrix",
        unknown="a DataFrame with the columns yes, no",
    ),
    Way("a DataFrame of others", BINARY, lambda x: _labelled(x, "ab"), "the columns a, b", output="matrix"),
    Way("scores", BINARY, lambda x: x, right=lambda x: x.tolist()),
    Way("labels", BINARY, _names, right=_names, output="string"),
    Way("another label", BINARY, _perhaps, "'perhaps'", right=_perhaps, output="string", unknown=None),
    Way("three columns", BINARY, lambda x: np.full((len(x), 3), 1 / 3), "3 probabilities", output="matrix"),
    Way("two answers", BINARY, lambda x: np.ones((len(x), 2)), "sum to 2", output="matrix"),
    Way("beyond 1", BINARY, lambda x: np.full((len(x), 2), 1.5), "outside 0 to 1", output="matrix"),
    Way("transposed", BINARY, lambda x: np.stack([1 - x, x]), "shape (2, 1) for 1 row", output="matrix"),
)


def model_of(way: Way) -> Any:
    """Return a pyfunc that answers in this way."""
    import mlflow

    answer = way.answer

    class Model(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return answer(model_input["x"].to_numpy(dtype=float))

    return Model()
