"""What a version's signature says of its inputs: each input's column, kind, and how the model gets them all.

MLflow's signatures are of columns (named or not) or of tensors. An input is a column here, whatever the model gets. Of
a tensor without a name that is a matrix of at most MATRIX_COLUMNS numbers a row, each number is a column, so that it is
monitored as others are; any other tensor is one column, as are binary values, arrays, objects and maps: such a column
holds JSON text, and is not profiled.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.tables.feature_columns import column_of

COLUMNS, UNNAMED, MATRIX, TENSOR, TENSORS = "columns", "unnamed", "matrix", "tensor", "tensors"
"""The model gets a DataFrame with names or without, a matrix, another tensor, or tensors by their names."""
JSON = "json"
MATRIX_COLUMNS = 200
ONLY = "input"
"""The column of an only input without a name."""
COLUMN_TYPES: Mapping[str, str] = {
    "double": "float",
    "float": "float",
    "long": "int",
    "integer": "int",
    "string": "text",
    "boolean": "bool",
    "datetime": "timestamp",
    "binary": JSON,
    "array": JSON,
    "object": JSON,
    "map": JSON,
}
_NARROW = {"float": "float32", "integer": "int32"}
_LARGEST = 10_000_000
"""Numbers of the largest placeholder that is made for a tensor."""
_SCALARS: Mapping[str, Any] = {
    "double": 1.0,
    "float": 1.0,
    "long": 1,
    "integer": 1,
    "string": "text",
    "boolean": True,
    "datetime": "2026-01-31T12:00:00Z",
    "binary": "dGV4dA==",
}


@dataclass(frozen=True)
class Input:
    """One input: its column, its own name (None without one), its kind, and its declaration in the signature."""

    column: str
    name: str | None
    kind: str
    declared: Mapping[str, Any]
    required: bool = True

    @property
    def own(self) -> str:
        """The name by which a request knows it."""
        return self.column if self.name is None else self.name


@dataclass(frozen=True)
class InputForm:
    """All inputs, in order, and in which layout the model gets them.

    ``may_be_absent`` are the optional columns that a request may leave out: those without which the version answers.
    """

    inputs: tuple[Input, ...] = ()
    layout: str = COLUMNS
    dtype: str | None = None
    may_be_absent: frozenset[str] = frozenset()

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kinds by column."""
        return {one.column: one.kind for one in self.inputs}

    @cached_property
    def narrow(self) -> dict[str, str]:
        """The 32-bit columns with their NumPy types: MLflow does not convert numbers to 32 bits itself."""
        types = {one.column: _NARROW.get(str(one.declared.get("type"))) for one in self.inputs}
        return {column: kind for column, kind in types.items() if kind is not None}

    @cached_property
    def optional(self) -> frozenset[str]:
        """The columns that may hold nulls whatever their kind."""
        return frozenset(one.column for one in self.inputs if not one.required)

    @cached_property
    def columns_by_name(self) -> dict[str, str]:
        """The columns by the names that a request has."""
        return {one.own: one.column for one in self.inputs}

    @cached_property
    def is_plain(self) -> bool:
        """Whether a request's names are the columns' and none may be left out."""
        renamed = any(name != column for name, column in self.columns_by_name.items())
        return self.layout == COLUMNS and not (renamed or self.optional)

    @property
    def is_positional(self) -> bool:
        """Whether a request need not name the inputs."""
        return self.layout in {UNNAMED, MATRIX, TENSOR}

    @property
    def has_json(self) -> bool:
        """Whether there is a column of JSON text."""
        return JSON in self.kinds.values()

    def allowing(self, absent: Iterable[str]) -> "InputForm":
        """Return the form with these optional columns as those that a request may leave out."""
        return replace(self, may_be_absent=self.optional & frozenset(absent))


def form_of(declared: Sequence[Mapping[str, Any]], what: str) -> InputForm:
    """Return the form of a signature's inputs; raises ModelError that names an input which cannot be served.

    ``declared`` are the inputs as the signature's JSON has them, ``what`` names the version in errors.
    """
    if not declared:
        raise ModelError(f"Model {what} has no signature", "Log it with signature=infer_signature(inputs, predictions)")
    if any("tensor-spec" in one for one in declared):
        return _of_tensors(declared, what)
    names = [one.get("name") for one in declared]
    layout = COLUMNS if all(name is not None for name in names) else UNNAMED
    inputs = []
    for place, one in enumerate(declared):
        kind = COLUMN_TYPES.get(str(one.get("type")))
        if kind is None:
            raise ModelError(
                f"Model {what} has an input {_shown(one.get('name'))} of type {one.get('type')!r}",
                f"Log it with a signature of columns of type {', '.join(COLUMN_TYPES)}",
            )
        name = None if one.get("name") is None else str(one["name"])
        column = _place(place, len(declared)) if layout == UNNAMED else column_of(str(name))
        inputs.append(Input(column, None if layout == UNNAMED else name, kind, one, bool(one.get("required", True))))
    return _checked(InputForm(tuple(inputs), layout), what)


def plain_form(kinds: Mapping[str, str]) -> InputForm:
    """Return the form of required columns of these kinds, by name."""
    types = {"float": "double", "int": "long", "text": "string", "bool": "boolean", "timestamp": "datetime"}
    return InputForm(tuple(Input(name, name, kind, {"type": types.get(kind, "any")}) for name, kind in kinds.items()))


def placeholder(declared: Mapping[str, Any]) -> Any:
    """Return a value that fits a declaration, as a request has it."""
    if "tensor-spec" in declared:
        spec = declared["tensor-spec"]
        return _filled([abs(size) for size in spec["shape"][1:]], _zero(str(spec["dtype"])))
    kind = str(declared.get("type"))
    if kind == "array":
        return [placeholder(declared["items"])]
    if kind == "object":
        required = {name: one for name, one in declared["properties"].items() if one.get("required", True)}
        return {name: placeholder(one) for name, one in required.items()}
    if kind == "map":
        return {"key": placeholder(declared["values"])}
    return _SCALARS.get(kind)


def _of_tensors(columns: Sequence[Mapping[str, Any]], what: str) -> InputForm:
    for one in columns:
        _check_tensor(one, what)
    if len(columns) > 1 or columns[0].get("name") is not None:
        inputs = [Input(column_of(str(one["name"])), str(one["name"]), JSON, one) for one in columns]
        return _checked(InputForm(tuple(inputs), TENSORS), what)
    spec = columns[0]["tensor-spec"]
    dtype, inner = str(spec["dtype"]), [int(size) for size in spec["shape"][1:]]
    if len(inner) != 1 or not 0 < inner[0] <= MATRIX_COLUMNS or dtype not in _MATRIX_KINDS:
        return InputForm((Input(ONLY, None, JSON, columns[0]),), TENSOR)
    kind, narrow = _MATRIX_KINDS[dtype]
    declared = {"type": narrow}
    inputs = [Input(f"x{place}", None, kind, declared) for place in range(inner[0])]
    return InputForm(tuple(inputs), MATRIX, dtype)


_MATRIX_KINDS = {
    "float64": ("float", "double"),
    "float32": ("float", "float"),
    "int64": ("int", "long"),
    "int32": ("int", "integer"),
}


def _check_tensor(one: Mapping[str, Any], what: str) -> None:
    """Raise ModelError for a tensor whose first dimension is not the rows, or whose values JSON cannot hold."""
    spec = one.get("tensor-spec") or {}
    shape, dtype = list(spec.get("shape") or []), str(spec.get("dtype"))
    if not shape or shape[0] != -1:
        raise ModelError(
            f"Model {what} has an input {_shown(one.get('name'))} of shape {tuple(shape)}, whose first dimension is "
            "not the rows",
            f"Log it with a signature whose tensors have a shape of (-1, ...): TensorSpec(np.dtype('float32'), "
            f"{(-1, *shape[1:])})",
        )
    if dtype.rstrip("0123456789") not in {"float", "int", "uint", "bool", "str", "object"} or dtype == "float16":
        raise ModelError(
            f"Model {what} has an input {_shown(one.get('name'))} of dtype {dtype}",
            "Log it with a tensor of floats, integers, booleans or text",
        )


def _checked(form: InputForm, what: str) -> InputForm:
    names: Collection[str] = form.columns_by_name
    if len(names) != len(form.inputs):
        raise ModelError(f"Model {what} has two inputs of one name", "Log it with another name for each input")
    return form


def _place(place: int, count: int) -> str:
    return ONLY if count == 1 else f"x{place}"


def _shown(name: object) -> str:
    return "without a name" if name is None else repr(name)


def _zero(dtype: str) -> Any:
    if dtype.startswith(("str", "object")):
        return "text"
    return False if dtype == "bool" else 0.0 if dtype.startswith("float") else 0


def _filled(shape: Sequence[int], value: Any) -> Any:
    if prod(shape) > _LARGEST:
        return []
    for size in reversed(shape):
        value = [value] * size
    return value
