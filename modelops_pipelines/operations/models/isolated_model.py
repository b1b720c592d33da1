"""A version as a model to call: scikit-learn's data in this process, all else in a process of its own.

So two versions, each with a module of the same name, run each its own code. The other process is ``model_process.py``.
For a version's answers to many rows, with a deadline: ``sandbox.py``. For serving: ``gateway.version_process``.
"""

import pickle
import signal
import socket
import subprocess
import sys
import time
import weakref
from contextlib import suppress
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.foreign_text import LONGEST, QuotedError
from modelops_pipelines.operations.model_runtime.quoted_output import quote_warnings
from modelops_pipelines.operations.models.child_process import end_child
from modelops_pipelines.operations.models.messages import ReplyError, decode_array, receive, send
from modelops_pipelines.operations.models.model_environment import model_environment
from modelops_pipelines.platforms.marked_processes import end_marked
from modelops_pipelines.store.registry import model_loader
from modelops_pipelines.store.registry.version_classes import for_endpoint, learned
from modelops_pipelines.store.state.release.model_versions import ModelVersion

if TYPE_CHECKING:
    import pandas as pd

SECONDS = 600.0
"""Seconds that a version has to load, and to answer one frame."""
CHILD = "modelops_pipelines.operations.models.model_process"
MARK = "MODELOPS_MODEL"
"""The variable that all the processes of one isolated model have, with a value of its own."""


def load_model(version: ModelVersion, spec: EndpointSpec) -> Any:
    """Return the version as a model whose ``predict`` takes a DataFrame; raises ModelError.

    It is MLflow's pyfunc model where the files are data only, else an ``IsolatedModel``.
    """
    if model_loader.needs_own_process(version, spec):
        return IsolatedModel(version, spec)
    quote_warnings()
    return model_loader.load_model(version, spec, data_only=True)


def version_of(model: Any, version: ModelVersion, spec: EndpointSpec) -> ModelVersion:
    """Return a loaded version with the classes that its record, the model and the endpoint's YAML agree on.

    Raises ModelError when two of them differ.
    """
    return for_endpoint(model.version if isinstance(model, IsolatedModel) else learned(version, model), spec)


class IsolatedModel:
    """A version that predicts in a process of its own, which ends with this object.

    ``seconds`` is how long the model itself took at the last call; None before the first. ``version`` is the version
    with what the model itself says of its classes.
    """

    def __init__(self, version: ModelVersion, spec: EndpointSpec) -> None:
        """Start the process and load the version; raises ModelError when that fails."""
        self._name = f"Version {version.version} of model {version.model_name!r}"
        mark = f"{token_hex(16)}\t"
        self._channel, self._process = _start(mark)
        self.seconds: float | None = None
        weakref.finalize(self, _end, self._channel, self._process, mark)
        try:
            send(self._channel, {}, pickle.dumps((version, spec)))
            head, _ = receive(self._channel)
            if head["kind"] == "loaded":
                self.version = replace(
                    version, classes=head["classes"], classes_from=head["classes_from"], output=str(head["output"])
                )
                return
            message, remedy = str(head["message"]), str(head["remedy"])
        except (OSError, EOFError, ReplyError, LookupError) as error:
            raise ModelError(f"{self._name} cannot be loaded ({self._why(error)})", "Log it again") from error
        raise ModelError(message, remedy)

    def predict(self, frame: "pd.DataFrame") -> Any:
        """Return the model's output as an array.

        What the model raises is a QuotedError here, with its type and text; the end of its process ChildProcessError.
        """
        try:
            send(self._channel, {}, pickle.dumps(frame))
            head, body = receive(self._channel)
            if head["kind"] != "failed":
                self.seconds = float(head["seconds"])
                return decode_array(head, body)
            text = str(head["text"])[:LONGEST]
        except (OSError, EOFError, ReplyError, LookupError, TypeError, ValueError) as error:
            raise ChildProcessError(self._why(error)) from error
        raise QuotedError(text)

    def _why(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"its process did not answer within {SECONDS:g} s"
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=5)
            how = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
            return f"its process ended ({how})"
        return "its process sent an unreadable reply"


def milliseconds(model: Any, frame: "pd.DataFrame") -> float:
    """Return how long the model itself takes to predict the frame, wherever it runs."""
    started = time.perf_counter()
    model.predict(frame)
    took = model.seconds if isinstance(model, IsolatedModel) and model.seconds else time.perf_counter() - started
    return 1000 * took


def _start(mark: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(SECONDS)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", CHILD, str(theirs.fileno())],
            env={**model_environment(), MARK: mark},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours, process


def _end(channel: socket.socket, process: subprocess.Popen[bytes], mark: str) -> None:
    """End the process, and what its model started, also in a session of its own."""
    channel.close()
    end_child(process)
    end_marked(mark, MARK)
