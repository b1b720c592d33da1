"""The body of an answer to a prediction request: this project's own form, and the Open Inference Protocol's."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson

from modelops_pipelines.core.errors import PredictionError

_DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def render_answer(
    output: list[Any], *, endpoint: str, version: str, variant: str, request_id: str, client: str | None, infer: bool
) -> bytes:
    """Return the answer's body; raises PredictionError for an output that JSON cannot represent.

    ``output`` has a value, or a list of values, for each row. ``infer`` selects the Open Inference Protocol V2, where
    ``client`` is the caller's own id.
    """
    body = {"predictions": output, "request_id": request_id, "model_version": version, "variant": variant}
    if infer:
        body = _inference_body(output, endpoint, version, variant, request_id, client)
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
    wide = isinstance(output[0], list)
    flat = list(chain.from_iterable(output)) if wide else output
    shape = [len(output), len(output[0])] if wide else [len(output)]
    tensor = {"name": "predictions", "shape": shape, "datatype": _datatype(flat), "data": flat}
    return {
        "model_name": endpoint,
        "model_version": version,
        "id": client or request_id,
        "parameters": {"request_id": request_id, "variant": variant},
        "outputs": [tensor],
    }


def _datatype(values: Sequence[Any]) -> str:
    return _DATATYPES.get(type(values[0]), "BYTES") if values else "FP64"
