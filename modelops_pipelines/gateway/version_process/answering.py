"""What runs in a version's process: it loads the version, then answers on each of its channels in turn."""

import logging
import os
import pickle
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.foreign_text import ENDING, LONGEST, error_trace, is_ours, type_name
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.gateway.json_logging import log_as_json
from modelops_pipelines.operations.model_runtime.loading import Proven, load_and_prove, load_proven
from modelops_pipelines.operations.model_runtime.memory import private_bytes
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.operations.model_runtime.quoted_output import quote_output, take_output
from modelops_pipelines.operations.model_runtime.rows_under_way import RowsUnderWay, rows_under_way
from modelops_pipelines.operations.models.messages import encode_array, receive, send
from modelops_pipelines.store.registry.environments import environment_process
from modelops_pipelines.store.registry.environments.environment_model import RaisedError
from modelops_pipelines.store.registry.formats.contributions import Exact, Unfit
from modelops_pipelines.store.state.release.model_versions import ModelVersion

_MODEL_LOG = logging.getLogger("modelops.model")


@dataclass(frozen=True)
class Order:
    """The first message: which version to load, and what an earlier process has found out of it.

    Without ``strict`` a version whose classes are stated in two ways answers without classes; with ``has_served`` one
    that does not prove itself answers as it did before. ``to_stay`` says that it answers requests in this process,
    rather than only proving itself.
    """

    worker: str
    version: ModelVersion
    spec: EndpointSpec
    proven: Proven | None = None
    strict: bool = True
    has_served: bool = False
    to_stay: bool = False


@dataclass(frozen=True)
class Explaining:
    """Asks for the rows' exact contributions in place of their answers, given the version's reference rows."""

    reference: Columns | None


def answer_lanes(lanes: Sequence[socket.socket]) -> None:
    """Load the version that the first message names, tell how it predicts, and answer until the worker is gone."""
    _, content = receive(lanes[0])
    order: Order = pickle.loads(content)  # noqa: S301 - the worker wrote it
    log_as_json(f"{order.worker}/{order.spec.name}/{order.version.version}", take_output())
    quote_output(_MODEL_LOG.info)
    try:
        path, proven = _measured(order)
    except BaseException as error:  # noqa: BLE001 - a model's code may raise anything, to end the process too
        send(lanes[0], _failure(error))
        return
    send(lanes[0], {"kind": "loaded", **proven.as_json(), "confinement": environment_process.confinement()})
    for lane in lanes[1:]:
        threading.Thread(target=_answer_all, args=(lane, path), daemon=True).start()
    _answer_all(lanes[0], path)


def _measured(order: Order) -> tuple[PredictionPath, Proven]:
    """Load the version; return its path, and what was found out of it with the memory that it takes."""
    path, proven = _load(order)
    return path, replace(proven, bytes=_private_bytes()) if order.to_stay else proven


def _private_bytes() -> int:
    """Return the bytes that the end of this process frees, with that of the version's own environment."""
    return private_bytes() + environment_process.private_bytes()


def _load(order: Order) -> tuple[PredictionPath, Proven]:
    if order.proven is not None:
        return load_proven(order.version, order.spec, order.proven).path, order.proven
    model, proven = load_and_prove(order.version, order.spec, strict=order.strict, has_served=order.has_served)
    return model.path, proven


def _answer_all(lane: socket.socket, path: PredictionPath) -> None:
    """Answer the requests of one channel; the process ends when the worker has closed it."""
    try:
        while True:
            _, content = receive(lane)
            send(lane, *_reply(path, content))
    except (EOFError, OSError):
        os._exit(0)


def _reply(path: PredictionPath, content: bytes) -> tuple[Mapping[str, Any], bytes]:
    try:
        columns, params, question = pickle.loads(content)  # noqa: S301 - as above
    except BaseException as error:  # noqa: BLE001 - as above
        return _failure(error), b""
    with RowsUnderWay(columns):
        try:
            if isinstance(question, Explaining):
                return _contributions(path.explain(columns, question.reference))
            return encode_array(path.predict(columns) if params is None else path.predict_with(columns, params))
        except BaseException as error:  # noqa: BLE001 - as above
            return _failure(error), b""


def _contributions(found: Exact | Unfit) -> tuple[Mapping[str, Any], bytes]:
    if isinstance(found, Unfit):
        return {"kind": "unfit", "why": found.why}, b""
    head, body = encode_array(found.values)
    return {**head, "method": found.method, "scale": found.scale}, body


def _failure(error: BaseException) -> dict[str, Any]:
    """Return an exception as a reply: ours by its kind, a model's with its quoted traceback for the log."""
    if isinstance(error, ModelOpsError) and is_ours(error):
        message, remedy = (text[: 4 * LONGEST] for text in (error.message, error.remedy))
        return {"kind": "refused", "error": type(error).__name__, "message": message, "remedy": remedy}
    if isinstance(error, RaisedError):
        return {"kind": "failed", "error": error.name, "text": error.trace, "ending": False}
    text = error_trace(error, rows_under_way())
    return {"kind": "failed", "error": type_name(error), "text": text, "ending": isinstance(error, ENDING)}
