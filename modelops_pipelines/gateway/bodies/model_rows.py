"""Reads a body's rows for a version: by the names, the optional inputs and the layout of its signature.

A version of required, named columns takes the plain way, which asks nothing more of a row.
"""

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.models.input_forms import JSON, InputForm
from modelops_pipelines.core.models.typed_columns import Columns, typed_columns
from modelops_pipelines.gateway.bodies.csv import read_csv
from modelops_pipelines.gateway.bodies.mlflow_json import read_json
from modelops_pipelines.gateway.bodies.open_inference import InferRequest, read_infer
from modelops_pipelines.operations.model_runtime.loaded_model import Model

Body = tuple[Columns, int, object]


def read_json_rows(body: bytes, model: Model) -> Body:
    """Return the columns of an MLflow body by the request's names, the number of rows, and its parameters."""
    form = model.form
    if form.is_plain:
        return read_json(body, list(model.version.inputs))
    return read_json(body, list(form.columns_by_name), _optional(form), positional=form.is_positional)


def read_csv_rows(body: bytes, model: Model) -> Body:
    """Return the columns of a CSV body by the request's names, the number of rows, and no parameters."""
    form = model.form
    if form.is_plain:
        return *read_csv(body, model.version.inputs), None
    kinds = {name: form.kinds[column] for name, column in form.columns_by_name.items()}
    return *read_csv(body, kinds, _optional(form)), None


def read_inference(body: bytes, model: Model) -> InferRequest:
    """Return a request of the Open Inference Protocol."""
    form, inputs = model.form, model.version.inputs
    if form.is_plain:
        return read_infer(body, list(inputs), [name for name, kind in inputs.items() if kind == JSON])
    nested = [name for name, column in form.columns_by_name.items() if form.kinds[column] == JSON]
    return read_infer(body, list(form.columns_by_name), nested, _optional(form))


def _optional(form: InputForm) -> list[str]:
    """Return the optional inputs by the names that a request has."""
    return [name for name, column in form.columns_by_name.items() if column in form.optional]


def in_types(columns: Columns, model: Model) -> tuple[Columns, bool]:
    """Return the columns under their names in the log, in the signature's types, and whether optional ones are absent.

    Raises InputError for values of other types, and where a column is absent without which the version cannot answer.
    """
    form, inputs = model.form, model.version.inputs
    if form.is_plain:
        return typed_columns(columns, inputs), False
    named = form.columns_by_name
    kinds = {name: form.kinds[column] for name, column in named.items()}
    typed = {named[name]: values for name, values in typed_columns(columns, kinds, _optional(form)).items()}
    if len(typed) == len(inputs):
        return typed, False
    needed = [name for name, column in named.items() if column not in typed and column not in form.may_be_absent]
    if needed or not typed:
        raise InputError(
            f"Feature(s) {', '.join(needed or named)} missing: the version cannot answer without a value of them",
            "Send them (null where the value is not known, except for integers)",
        )
    return typed, True
