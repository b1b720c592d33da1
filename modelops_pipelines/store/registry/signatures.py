"""What a version's signature says: its inputs as column types, and the kind of its output. Read as data."""

import json
from collections.abc import Mapping
from typing import Any

from modelops_pipelines.core.models.input_forms import InputForm, form_of
from modelops_pipelines.core.models.output_kinds import LABELS, PROBABILITIES, SCORES, UNKNOWN


def inputs_of(described: Mapping[str, Any], what: str) -> dict[str, str]:
    """Return the signature's inputs as column types, in order; raises ModelError for one that cannot be served."""
    return input_form(described, what).kinds


def input_form(described: Mapping[str, Any], what: str) -> InputForm:
    """Return the form of the inputs that an MLmodel file declares; raises ModelError as ``form_of`` does."""
    signature = described.get("signature") or {}
    return form_of(json.loads(signature.get("inputs") or "[]"), what)


def output_names(described: Mapping[str, Any]) -> list[str]:
    """Return the names of the signature's outputs where there are several; none where one has no name."""
    outputs: list[Mapping[str, Any]] = json.loads((described.get("signature") or {}).get("outputs") or "[]")
    names = [one.get("name") for one in outputs]
    return [str(name) for name in names] if len(names) > 1 and None not in names else []


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
