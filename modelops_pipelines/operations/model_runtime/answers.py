"""The body of an answer to a prediction request: this project's own form, and the Open Inference Protocol's."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson

from modelops_pipelines.core.errors import PredictionError

_DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def render_answer(
    output: list[Any],
    *,
    endpoint: str,
    version: str,
    variant: str,
    request_id: str,
    client: str | None,
    infer: bool,
    unanswered: Sequence[int] = (),
) -> bytes:
    """Return the answer's body; raises PredictionError for an output that JSON cannot represent.

    ``output`` has a value, or a list of values, for each row, and None for the rows of ``unanswered``. ``infer``
    selects the Open Inference Protocol V2, where ``client`` is the caller's own id.
    """
    body: dict[str, Any] = {"predictions": output, "request_id": request_id, "model_version": version}
    body["variant"] = variant
    if infer:
        body = _inference_body(output, endpoint, version, variant, request_id, client)
    if unanswered:
        (body["parameters"] if infer else body)["unanswered"] = list(unanswered)
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
    """Return the protocol's body, with one tensor ``predictions``."""
    width = next((len(row) for row in output if isinstance(row, list)), None)
    flat = output if width is None else list(chain.from_iterable(row or [None] * width for row in output))
    shape = [len(output)] if width is None else [len(output), width]
    tensor = {"name": "predictions", "shape": shape, "datatype": _datatype(flat), "data": flat}
    return {
        "model_name": endpoint,
        "model_version": version,
        "id": client or request_id,
        "parameters": {"request_id": request_id, "variant": variant},
        "outputs": [tensor],
    }


def _datatype(values: Sequence[Any]) -> str:
    known = (value for value in values if value is not None)
    return _DATATYPES.get(type(next(known, 0.0)), "BYTES")
