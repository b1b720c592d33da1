"""The body of an answer to a prediction request: this project's own form, and the Open Inference Protocol's."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import orjson

from modelops_pipelines.core.errors import ModelError, PredictionError
from modelops_pipelines.store.registry.model_loader import describe_files
from modelops_pipelines.store.registry.signatures import output_names
from modelops_pipelines.store.state.release.model_versions import ModelVersion

_DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def answer_columns(version: ModelVersion, task: str) -> list[str] | None:
    """Return the names of the columns that a version answers: its classes, or a regression's outputs; None without."""
    if task != "regression":
        return version.classes
    try:
        return output_names(describe_files(version.folder)) or None
    except ModelError:  # its files are gone
        return None


def render_answer(  # noqa: PLR0913 - the parts of an answer
    output: list[Any],
    *,
    endpoint: str,
    version: str,
    variant: str,
    request_id: str,
    client: str | None,
    infer: bool,
    unanswered: Sequence[int] = (),
    explanations: Sequence[Mapping[str, Any]] | None = None,
) -> bytes:
    """Return the answer's body; raises PredictionError for an output that JSON cannot represent.

    ``output`` has a value, a list of values, or values by name, for each row, and None for the rows of
    ``unanswered``. ``explanations`` are those of the rows, None where they were not asked for. ``infer`` selects the
    Open Inference Protocol V2, where ``client`` is the caller's own id.
    """
    body: dict[str, Any] = {"predictions": output, "request_id": request_id, "model_version": version}
    body["variant"] = variant
    if infer:
        body = _inference_body(output, endpoint, version, variant, request_id, client)
    if unanswered:
        (body["parameters"] if infer else body)["unanswered"] = list(unanswered)
    if explanations is not None:
        body["explanations"] = list(explanations)
    try:
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise PredictionError(
            f"Version {version} returned a value that JSON cannot represent ({str(error)[:80]})",
            "Have the model return numbers or text",
        ) from None


def _inference_body(
    output: list[Any], endpoint: str, version: str, variant: str, request_id: str, client: str | None
) -> dict[str, Any]:
    """Return the protocol's body, with one tensor ``predictions``, or one for each name."""
    names = next((list(row) for row in output if isinstance(row, dict)), None)
    if names is None:
        tensors = [_tensor("predictions", output)]
    else:
        tensors = [_tensor(name, [None if row is None else row[name] for row in output]) for name in names]
    return {
        "model_name": endpoint,
        "model_version": version,
        "id": client or request_id,
        "parameters": {"request_id": request_id, "variant": variant},
        "outputs": tensors,
    }


def _tensor(name: str, output: list[Any]) -> dict[str, Any]:
    width = next((len(row) for row in output if isinstance(row, list)), None)
    flat = output if width is None else list(chain.from_iterable(row or [None] * width for row in output))
    shape = [len(output)] if width is None else [len(output), width]
    return {"name": name, "shape": shape, "datatype": _datatype(flat), "data": flat}


def _datatype(values: Sequence[Any]) -> str:
    known = (value for value in values if value is not None)
    return _DATATYPES.get(type(next(known, 0.0)), "BYTES")
