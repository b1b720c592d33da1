"""The process in which a version predicts for ``isolated_model.py``: it loads one version and answers frames.

``python -m modelops_pipelines.operations.models.model_process DESCRIPTOR``
"""

import os
import pickle
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.foreign_text import error_text
from modelops_pipelines.core.models.output_forms import as_rows
from modelops_pipelines.operations.model_runtime.answers import answer_columns
from modelops_pipelines.operations.model_runtime.quoted_output import quote_output, take_output
from modelops_pipelines.operations.models.messages import encode_array, receive, send
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.version_classes import for_endpoint, learned


def main(channel: socket.socket) -> None:
    """Load the version of the first message, then answer one frame after the other until the channel is closed."""
    output = take_output()
    quote_output(lambda line: output.write(f"{line}\n"))
    _, order = receive(channel)
    version, spec = pickle.loads(order)  # noqa: S301 - our own code wrote it
    try:
        model = load_model(version, spec)
        own = learned(version, model)
        named = for_endpoint(own, spec)
    except ModelOpsError as error:
        send(channel, {"kind": "refused", "message": error.message, "remedy": error.remedy})
        return
    send(channel, {"kind": "loaded", "classes": own.classes, "classes_from": own.classes_from, "output": own.output})
    while True:
        _, content = receive(channel)
        send(channel, *_answer(model, answer_columns(named, spec.task), content))


def _answer(model: Any, classes: Sequence[str] | None, content: bytes) -> tuple[Mapping[str, Any], bytes]:
    values: list[Any] = []
    try:
        given = pickle.loads(content)  # noqa: S301 - as above
        values = _texts(given)
        started = time.perf_counter()
        answered = model.predict(given)
        seconds = time.perf_counter() - started
        output = as_rows(answered, _rows(given), classes)
        head, body = encode_array(output)
    except BaseException as error:  # noqa: BLE001 - a model's code may raise anything, to end the process too
        return {"kind": "failed", "text": error_text(error, values)}, b""
    return {**head, "seconds": seconds}, body


def _texts(given: Any) -> list[Any]:
    """Return the values of a DataFrame's columns that are no numbers; arrays hold none that are quoted."""
    if not hasattr(given, "columns"):
        return []
    return [given[name].tolist() for name in given if given[name].dtype == object]


def _rows(given: Any) -> int:
    return len(next(iter(given.values()))) if isinstance(given, dict) else len(given)


if __name__ == "__main__":
    try:
        main(socket.socket(fileno=int(sys.argv[1])))
    except (EOFError, OSError):
        os._exit(0)  # the caller is gone; threads that the model has started are not waited for
    os._exit(0)
