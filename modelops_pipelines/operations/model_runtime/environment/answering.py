"""A version's process in its own environment: MLflow loads it there, and it answers on each channel in turn."""

import json
import os
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.foreign_text import ENDING, error_text, error_trace, type_name
from modelops_pipelines.operations.model_runtime.memory import private_bytes
from modelops_pipelines.operations.model_runtime.quoted_output import ignore_known_warnings, quote_output
from modelops_pipelines.operations.model_runtime.rows_under_way import RowsUnderWay, rows_under_way
from modelops_pipelines.store.registry.environments.frames import receive_message, send_message
from modelops_pipelines.store.registry.environments.neutral_values import decode, encode

_MOST_NAMES = 60_000


@dataclass
class Told:
    """What the launcher tells: how it is confined, where names of modules go, and why MLflow could not be imported."""

    confinement: dict[str, str]
    names: socket.socket | None = None
    fault: str | None = None


class _Texts:
    """The texts of the rows under way, as columns; they are taken out only when somebody asks."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def values(self) -> list[list[Any]]:
        """Return the columns that hold no numbers."""
        given = self._given
        if hasattr(given, "columns"):
            return [given[name].tolist() for name in given if given[name].dtype == object]
        return []


def answer_lanes(lanes: Sequence[socket.socket], said: socket.socket, told: Told) -> None:
    """Load the version in the folder that the first message names, tell of it, and answer until the caller is gone."""
    said.setblocking(False)
    quote_output(lambda line: _say(said, line))
    ignore_known_warnings()
    order, _ = receive_message(lanes[0])
    before = frozenset(sys.modules)
    try:
        answer = _Answers(_loaded(str(order["folder"]), told.fault))
        buffers: list[bytes] = []
        classes = encode(answer.classes(), buffers)
    except BaseException as error:  # noqa: BLE001 - a model's code may raise anything, to end the process too
        send_message(lanes[0], {**_failure(error), "fault": told.fault})
        return
    send_message(lanes[0], {"kind": "loaded", "classes": classes, "confinement": told.confinement}, buffers)
    _tell_modules(told.names, before)
    for lane in lanes[1:]:
        threading.Thread(target=_answer_all, args=(lane, answer), daemon=True).start()
    _answer_all(lanes[0], answer)


def _say(said: socket.socket, line: str) -> None:
    """Hand on a line; it is lost where nobody reads: printing must not stop a model."""
    with suppress(OSError):
        said.send(line.encode(errors="replace")[:_MOST_NAMES])


def _loaded(folder: str, fault: str | None) -> Any:
    """Return the model in a folder; raises what MLflow raises, ImportError where MLflow itself has a fault."""
    if fault is not None:
        raise ImportError(fault)
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(folder, suppress_warnings=True)


def _tell_modules(names: socket.socket | None, before: frozenset[str]) -> None:
    """Tell the launcher which more modules of the environment were needed; those that a version brings along are not.

    As many as fit into one message: the first ones, which imported the others.
    """
    found: list[str] = []
    length = 0
    for name in [one for one in list(sys.modules) if one not in before]:
        origin = str(getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None) or "")
        length += len(name) + 4
        if origin.startswith(sys.prefix) and length < _MOST_NAMES:
            found.append(name)
    if names is not None:
        with names, suppress(OSError):
            names.send(json.dumps(found).encode())


class _Answers:
    """A loaded model's answers to requests."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def classes(self) -> Any:
        """Return the ``classes_`` of the model's own estimator as an array, None where it has none."""
        import numpy as np

        try:
            return np.asarray(self._raw().classes_)
        except Exception:  # noqa: BLE001 - a model's own code may raise anything; most kinds have no classes_
            return None

    def to(self, head: dict[str, Any], buffers: Sequence[Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Return the reply to one request."""
        if head["do"] == "memory":
            return {"kind": "memory", "bytes": private_bytes()}, []
        texts = _Texts(None)
        with RowsUnderWay(texts):
            try:
                given = texts._given = decode(head["given"], buffers)  # noqa: SLF001 - of this module
                params = decode(head.get("params"), buffers)
                replied: list[bytes] = []
                return {"kind": "answer", "output": encode(self._call(head, given, params), replied)}, replied
            except BaseException as error:  # noqa: BLE001 - as above
                return _failure(error), []

    def _call(self, head: dict[str, Any], given: Any, params: Any) -> Any:
        if head["do"] == "raw":
            return getattr(self._raw(), str(head["method"]))(given)
        if head["do"] == "impl":
            return self._model._model_impl.predict(given)  # noqa: SLF001 - MLflow calls it a stable interface
        return self._model.predict(given) if params is None else self._model.predict(given, params=params)

    def _raw(self) -> Any:
        return self._model.get_raw_model()


def _answer_all(lane: socket.socket, answers: _Answers) -> None:
    """Answer the requests of one channel; the process ends when the caller has closed it."""
    try:
        while True:
            head, buffers = receive_message(lane)
            send_message(lane, *answers.to(head, buffers))
    except (EOFError, OSError):
        os._exit(0)


def _failure(error: BaseException) -> dict[str, Any]:
    rows = rows_under_way()
    ending = next((kind.__name__ for kind in ENDING if isinstance(error, kind)), None)
    text, trace = error_text(error, rows), error_trace(error, rows)
    return {"kind": "failed", "error": type_name(error), "text": text, "trace": trace, "ending": ending}
