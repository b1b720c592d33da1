"""Types x nulls x forms of a body: the model gets what MLflow gives it for the same DataFrame or tensors."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.output_kinds import LABELS
from modelops_pipelines.gateway.bodies.model_rows import in_types, read_csv_rows, read_inference, read_json_rows
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_files
from modelops_pipelines.operations.model_runtime.proof import prepare
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes.telling_models import as_sent, saved

SPEC = EndpointSpec("told", "told", "multiclass", "label")
pytestmark = pytest.mark.filterwarnings("ignore:.*Add type hints", "ignore:Any type hint", "ignore::FutureWarning")
TEXT = st.text("aé \"'\n,☃", max_size=4)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
FINITE_32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
LONG = st.integers(-(2**63), 2**63 - 1)
INTEGER = st.integers(-(2**31), 2**31 - 1)
MOMENT = st.integers(-8_520_336_000_000_000, 7_258_118_400_000_000).map(lambda micros: pd.Timestamp(micros, unit="us"))
POINT = Object([Property("x", DataType.double), Property("name", DataType.string, required=False)])
POINTS = st.fixed_dictionaries({"x": FINITE}, optional={"name": TEXT})


@dataclass(frozen=True)
class Column:
    """A type of column: its values, the type that pandas has of them, and whether a required one may hold nulls."""

    type: Any
    values: st.SearchStrategy[Any]
    pandas: str
    nulls: bool
    csv: bool = True


COLUMNS = {
    "double": Column("double", FINITE, "float64", nulls=True),
    "float": Column("float", FINITE_32, "float32", nulls=True),
    "long": Column("long", LONG, "int64", nulls=False),
    "integer": Column("integer", INTEGER, "int32", nulls=False),
    "string": Column("string", TEXT, "object", nulls=True, csv=False),
    "boolean": Column("boolean", st.booleans(), "bool", nulls=False),
    "datetime": Column("datetime", MOMENT, "datetime64[ns]", nulls=True),
    "binary": Column("binary", st.binary(max_size=5), "object", nulls=False, csv=False),
    "array": Column(Array("double"), st.lists(FINITE, max_size=3), "object", nulls=False, csv=False),
    "narrow array": Column(
        Array("float"),
        st.lists(FINITE_32, min_size=1, max_size=3).map(lambda one: np.array(one, dtype="float32")),
        "object",
        nulls=False,
        csv=False,
    ),
    "array of arrays": Column(
        Array(Array("long")), st.lists(st.lists(LONG, max_size=2), max_size=2), "object", nulls=False, csv=False
    ),
    "object": Column(POINT, POINTS, "object", nulls=False, csv=False),
    "array of objects": Column(Array(POINT), st.lists(POINTS, max_size=2), "object", nulls=False, csv=False),
    "map": Column(Map("string"), st.dictionaries(TEXT, TEXT, max_size=2), "object", nulls=False, csv=False),
}
NAMES = ("x", "date", "Score", "prediction", "feature:date", "a b")
"""Names of a column: also such as the log's own columns have."""


def loaded(folder: Path) -> tuple[Model, Any]:
    """Return a saved model as it is served, and in MLflow's own hands."""
    form = form_of_files(folder)
    known = ModelVersion("told", "1", str(folder), form.kinds, None, None, None, datetime.now(UTC), LABELS)
    model = mlflow.pyfunc.load_model(str(folder))
    return prepare(model, known, SPEC, folder), model


@dataclass
class Kept:
    """The models of this module, each saved once."""

    folder: Path
    models: dict[Any, tuple[Model, Any]] = field(default_factory=dict)

    def of(self, key: str, schema: Callable[[], Schema]) -> tuple[Model, Any]:
        if key not in self.models:
            self.models[key] = loaded(saved(self.folder / str(len(self.models)), schema()))
        return self.models[key]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("models"))


def answered(model: Model, read: Any) -> list[Any]:
    columns, count, _ = read
    typed, partial = in_types(columns, model)
    [outcome] = model.answer([Rows(typed, count, partial=partial)])
    if isinstance(outcome, Exception):
        raise outcome
    assert isinstance(outcome, Outcome)
    return outcome.output


def forms_of(columns: dict[str, list[Any]]) -> dict[str, bytes]:
    """Return the columns in MLflow's JSON forms."""
    names, rows = list(columns), list(zip(*columns.values(), strict=True))
    records = [dict(zip(names, row, strict=True)) for row in rows]
    bodies = {
        "dataframe_split": {"columns": names, "data": rows},
        "dataframe_records": records,
        "instances": records,
        "inputs": columns,
    }
    return {form: json.dumps({form: body}).encode() for form, body in bodies.items()}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("required", [True, False])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_column_reaches_the_model_as_mlflow_gives_it(kept: Kept, kind: str, required: Any, data: Any) -> None:
    column = COLUMNS[kind]
    name = NAMES[list(COLUMNS).index(kind) % len(NAMES)]
    inputs = [ColSpec("double", "first"), ColSpec(column.type, name, required=required)]
    model, model_of_mlflow = kept.of(f"{kind} {required}", lambda: Schema(inputs))
    values = data.draw(st.lists(column.values, min_size=1, max_size=4))
    nulls = column.nulls or (not required and kind not in ("long", "integer", "narrow array"))
    if nulls:
        values = [None if data.draw(st.integers(0, 3)) == 0 else value for value in values]
    dtype = "object" if kind == "boolean" and None in values else column.pandas
    numbers = [float(place) for place in range(len(values))]
    frame = pd.DataFrame({"first": numbers, name: _series(values, dtype)})
    expected = model_of_mlflow.predict(frame.copy(deep=True))
    sent = {"first": numbers, name: [as_sent(value) for value in values]}
    for form, body in forms_of(sent).items():
        assert expected == answered(model, read_json_rows(body, model)), form
    if column.csv:
        assert expected == answered(model, read_csv_rows(_csv(sent), model))
    if not required:
        left_out = model_of_mlflow.predict(frame[["first"]])
        for body in forms_of({"first": numbers}).values():
            assert left_out == answered(model, read_json_rows(body, model))


def _series(values: list[Any], dtype: str) -> pd.Series:
    if dtype != "object":
        return pd.Series(values, dtype=dtype)
    found = np.empty(len(values), dtype=object)
    found[:] = values if not any(isinstance(value, list | np.ndarray) for value in values) else None
    for place, value in enumerate(values):
        found[place] = value
    return pd.Series(found, dtype="object")


def _csv(columns: dict[str, list[Any]]) -> bytes:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(f'"{name}"' for name in columns)]
    lines += [",".join("" if value is None else str(value) for value in row) for row in rows]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("kind", ["long", "integer"])
def test_an_optional_integer_without_any_value_is_left_out_and_a_null_beside_values_is_refused_by_row(
    kept: Kept, kind: str
) -> None:
    inputs = [ColSpec("double", "first"), ColSpec(kind, "n", required=False)]
    model, model_of_mlflow = kept.of(f"nulls {kind}", lambda: Schema(inputs))
    expected = model_of_mlflow.predict(pd.DataFrame({"first": [1.0, 2.0]}))
    for body in forms_of({"first": [1.0, 2.0], "n": [None, None]}).values():
        assert expected == answered(model, read_json_rows(body, model))
    for body in forms_of({"first": [1.0, 2.0], "n": [7, None]}).values():
        with pytest.raises(InputError, match="'n' in row 1 is null beside integers"):
            answered(model, read_json_rows(body, model))


@pytest.mark.parametrize("kind", [name for name, column in COLUMNS.items() if not column.nulls])
def test_a_null_that_a_required_column_cannot_hold_is_refused_by_column_and_row(kept: Kept, kind: str) -> None:
    column = COLUMNS[kind]
    inputs = [ColSpec("double", "first"), ColSpec(column.type, "n")]
    model, _ = kept.of(f"required {kind}", lambda: Schema(inputs))
    for body in forms_of({"first": [1.0], "n": [None]}).values():
        with pytest.raises(InputError, match="'n' in row 0 is null"):
            answered(model, read_json_rows(body, model))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("binary", "no base64!"),
        ("binary", 7),
        ("array", "text"),
        ("array", ["text"]),
        ("array of arrays", [1]),
        ("narrow array", [1e39]),
        ("object", {"name": "without x"}),
        ("object", {"x": 1.0, "other": 2}),
        ("object", [1.0]),
        ("map", {"a": 1}),
    ],
)
def test_a_value_of_another_type_is_refused_by_column_and_row(kept: Kept, kind: str, value: Any) -> None:
    inputs = [ColSpec("double", "first"), ColSpec(COLUMNS[kind].type, "n")]
    model, _ = kept.of(f"required {kind}", lambda: Schema(inputs))
    good = as_sent({"binary": b"", "object": {"x": 1.0}, "map": {}}.get(kind, []))
    for body in forms_of({"first": [1.0, 2.0], "n": [good, value]}).values():
        with pytest.raises(InputError, match="'n' in row 1 is "):
            answered(model, read_json_rows(body, model))


def test_integers_of_a_javascript_client_are_floats_where_the_signature_says_so(kept: Kept) -> None:
    model, model_of_mlflow = kept.of(
        "widened", lambda: Schema([ColSpec(Array(POINT), "a"), ColSpec(Map("double"), "m")])
    )
    frame = pd.DataFrame({"a": [[{"x": 1.0}]], "m": [{"k": 2.0}]})
    expected = model_of_mlflow.predict(frame)
    for body in forms_of({"a": [[{"x": 1}]], "m": [{"k": 2}]}).values():
        assert expected == answered(model, read_json_rows(body, model))


@dataclass(frozen=True)
class Tensor:
    """A signature of tensors: dtype and shape of a row by name; None without one."""

    parts: dict[str | None, tuple[str, tuple[int, ...]]]

    def schema(self) -> Schema:
        return Schema([TensorSpec(np.dtype(kind), (-1, *shape), name) for name, (kind, shape) in self.parts.items()])


TENSORS = {
    "a matrix": Tensor({None: ("float64", (3,))}),
    "a narrow matrix": Tensor({None: ("float32", (3,))}),
    "a matrix of integers": Tensor({None: ("int64", (2,))}),
    "a matrix of narrow integers": Tensor({None: ("int32", (2,))}),
    "an embedding": Tensor({None: ("float32", (300,))}),
    "an image": Tensor({None: ("uint8", (2, 3, 3))}),
    "texts": Tensor({None: ("str", (2,))}),
    "flags": Tensor({None: ("bool", (2,))}),
    "numbers": Tensor({None: ("float64", ())}),
    "one by name": Tensor({"image": ("float32", (2, 2))}),
    "several": Tensor({"date": ("float32", (2,)), "ids": ("int64", (1,)), "score": ("float64", ())}),
    "of any length": Tensor({None: ("float64", (-1, 2))}),
}
PROTOCOL = {"float64": "FP64", "float32": "FP32", "int64": "INT64", "int32": "INT32", "uint8": "UINT8", "bool": "BOOL"}
"""Of the Open Inference Protocol; others are BYTES."""


@pytest.mark.parametrize("kind", TENSORS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_tensors_reach_the_model_as_mlflow_gives_them(kept: Kept, kind: str, rows: int, seed: int) -> None:
    tensor = TENSORS[kind]
    model, model_of_mlflow = kept.of(kind, tensor.schema)
    random = np.random.default_rng(seed)
    arrays = {name: _array(random, dtype, (rows, *shape)) for name, (dtype, shape) in tensor.parts.items()}
    only = arrays.get(None)
    expected = model_of_mlflow.predict(arrays if only is None else only)
    content: Any = {name: part.tolist() for name, part in arrays.items()} if only is None else only.tolist()
    records = [{name: part[row].tolist() for name, part in arrays.items()} for row in range(rows)]
    instances = records if only is None else only.tolist()
    for body in ({"inputs": content}, {"instances": instances}):
        assert expected == answered(model, read_json_rows(json.dumps(body).encode(), model))
    tensors = [
        {"name": name or "any", "shape": part.shape, "datatype": PROTOCOL.get(str(part.dtype), "BYTES"), "data": data}
        for name, part in arrays.items()
        for data in [part.ravel().tolist() if seed % 2 else part.tolist()]
    ]
    request = read_inference(json.dumps({"inputs": tensors}).encode(), model)
    assert expected == answered(model, (request.columns, request.rows, None))


def _array(random: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Any:
    sizes = [3 if size == -1 else size for size in shape]
    if dtype == "str":
        return np.array(random.integers(0, 99, sizes).astype(str).tolist())  # as wide as the longest text
    if dtype == "bool":
        return random.random(sizes) < 1 / 2
    if dtype.startswith("float"):
        return random.normal(size=sizes).astype(dtype)
    known = np.iinfo(dtype)
    return random.integers(known.min, known.max, sizes, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("an image", [[1]], "its shape is"),
        ("an image", np.full((2, 3, 3), 256).tolist(), "outside of uint8"),
        ("an image", np.full((2, 3, 3), 0.5).tolist(), "other values than integers"),
        ("an image", "text", "other values than integers"),
        ("an embedding", [1e39] * 300, "outside of float32"),
        ("an embedding", None, "null"),
        ("flags", [0, 1], "other values than true and false"),
    ],
)
def test_a_tensor_of_another_shape_or_type_is_refused_by_row(kept: Kept, kind: str, row: Any, said: str) -> None:
    tensor = TENSORS[kind]
    model, _ = kept.of(kind, tensor.schema)
    [(dtype, shape)] = tensor.parts.values()
    good = np.zeros(shape, dtype=dtype).tolist()
    with pytest.raises(InputError, match=f"'input' in row 1 is .*{said}"):
        answered(model, read_json_rows(json.dumps({"inputs": [good, row]}).encode(), model))


def test_a_list_of_texts_is_the_only_column_without_a_name(kept: Kept) -> None:
    model, model_of_mlflow = kept.of("a list of texts", lambda: Schema([ColSpec("string")]))
    expected = model_of_mlflow.predict(pd.DataFrame(["a", "b"]))
    for body in ({"inputs": ["a", "b"]}, {"instances": ["a", "b"]}, {"dataframe_split": {"data": [["a"], ["b"]]}}):
        assert expected == answered(model, read_json_rows(json.dumps(body).encode(), model))


@pytest.mark.parametrize(
    ("given_time", "naive"),
    [
        ("2026-01-31T12:00:00", "2026-01-31T12:00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00"),
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00"),
        ("2026-03-29T03:30:00+02:00", "2026-03-29T01:30:00"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00"),
        ("2026-01-31T12:00:00.123456-11:30", "2026-01-31T23:30:00.123456"),
    ],
)
def test_a_time_with_a_zone_is_the_same_moment_in_utc(kept: Kept, given_time: str, naive: str) -> None:
    model, model_of_mlflow = kept.of("times", lambda: Schema([ColSpec("datetime", "t")]))
    expected = model_of_mlflow.predict(pd.DataFrame({"t": pd.to_datetime([naive]).astype("datetime64[ns]")}))
    for body in forms_of({"t": [given_time]}).values():
        assert expected == answered(model, read_json_rows(body, model))
