"""What a version's signature says: its inputs as column types, and the kind of its output. Read as data."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.output_kinds import LABELS, PROBABILITIES, SCORES, UNKNOWN

COLUMN_TYPES = {
    "double": "float",
    "float": "float",
    "long": "int",
    "integer": "int",
    "string": "text",
    "boolean": "bool",
    "datetime": "timestamp",
}


def inputs_of(described: Mapping[str, Any], what: str) -> dict[str, str]:
    """Return the signature's inputs as column types, in order."""
    signature = described.get("signature") or {}
    columns: Sequence[Mapping[str, Any]] = json.loads(signature.get("inputs") or "[]")
    inputs: dict[str, str] = {}
    for column in columns:
        kind = COLUMN_TYPES.get(str(column.get("type")))
        if kind is None or "name" not in column:
            raise ModelError(
                f"Model {what} has an input {column.get('name', '(without a name)')!r} of type {column.get('type')!r}",
                f"Log it with a signature of named columns of type {', '.join(COLUMN_TYPES)}",
            )
        inputs[str(column["name"])] = kind
    if not inputs:
        raise ModelError(f"Model {what} has no signature", "Log it with signature=infer_signature(inputs, predictions)")
    return inputs


def output_of(described: Mapping[str, Any]) -> str:
    """Return the kind of the version's output, from its flavour and its signature's outputs."""
    flavors = described.get("flavors") or {}
    if (flavors.get("python_function") or {}).get("predict_fn") == "predict_proba":
        return PROBABILITIES
    outputs: list[Mapping[str, Any]] = json.loads((described.get("signature") or {}).get("outputs") or "[]")
    if len(outputs) != 1:
        return PROBABILITIES if len(outputs) > 1 else UNKNOWN
    tensor = outputs[0].get("tensor-spec") or {}
    shape, kind = tensor.get("shape") or [-1], str(tensor.get("dtype") or outputs[0].get("type"))
    if len(shape) > 1 and shape[1] != 1:
        return PROBABILITIES
    return SCORES if kind.startswith(("float", "double")) else LABELS
