"""Training rows as a trainer and a model get them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.models.input_forms import InputForm
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, ROW_ID
from modelops_pipelines.operations.model_runtime.model_inputs import from_log
from modelops_pipelines.store.lake.utc_times import as_given_to_models

if TYPE_CHECKING:
    import pandas as pd


def as_frame(spec: EndpointSpec, rows: pa.Table) -> "pd.DataFrame":
    """Return training rows as a trainer gets them: features, and the label as a number where all labels are.

    Times are as a model gets them in serving: nanoseconds in UTC, without a zone.
    """
    frame = as_given_to_models(rows.drop_columns([ROW_ID, EVENT_TIME])).to_pandas()
    if spec.task != "regression":
        labels = frame[spec.label].astype(str)
        numeric = labels.str.fullmatch(r"-?\d+").all()
        frame[spec.label] = labels.astype("int64") if numeric else labels
    return frame


def with_own_names(spec: EndpointSpec, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return training rows with each feature under its own name, where the lake keeps it under another.

    Raises SchemaError for a feature that is named like the label: a trainer could not tell them apart.
    """
    own = {name: feature_of(name) for name in frame.columns if feature_of(name) != name}
    if spec.label in own.values():
        raise SchemaError(
            f"The feature {spec.label!r} of endpoint {spec.name!r} has the label's name",
            "Give the label another name: 'label' in the endpoint's YAML",
        )
    return frame.rename(columns=own) if own else frame


def served_input(frame: "pd.DataFrame", form: InputForm) -> Any:
    """Return features as the gateway gives them to a version whose inputs have this form; raises InputError."""
    kinds = set(form.kinds.values())
    if form.is_plain and not form.narrow and kinds <= {"float", "text", "timestamp"}:
        return as_model_input(frame)
    return from_log({name: _values(frame[name], kind) for name, kind in form.kinds.items()}, form)


def _values(column: "pd.Series[Any]", kind: str) -> list[Any]:
    """Return a column's values in their type, None for missing ones."""
    present = column.notna().tolist()
    convert = _CONVERTERS.get(kind)
    pairs = zip(column.tolist(), present, strict=True)
    if convert is None:
        return [value if there else None for value, there in pairs]
    return [convert(value) if there else None for value, there in pairs]


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {"int": int, "float": float, "bool": bool}


def as_model_input(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return features as they are served: every number as a float, so that it may be missing; text unchanged."""
    numbers = frame.select_dtypes("number").columns
    return frame.astype(dict.fromkeys(numbers, "float64"))
