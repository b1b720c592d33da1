"""A version in its own environment as a model to call: like MLflow's pyfunc model, and loaded by that MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.foreign_text import ENDING, LONGEST, LONGEST_TRACE, QuotedError
from modelops_pipelines.store.registry.environments.environment_process import EnvironmentProcess, StartError
from modelops_pipelines.store.registry.environments.frames import FrameError
from modelops_pipelines.store.registry.environments.neutral_values import FrameToBe, NeutralError, decode, encode

_ENDING = {kind.__name__: kind for kind in ENDING}
_REMEDY = "Load it with mlflow.pyfunc.load_model where its requirements are installed to see where, then log it again"


class RaisedError(QuotedError):
    """What a model raised in its environment: ``name`` of its type, its text, and its traceback there, all quoted."""

    def __init__(self, name: str, text: str, trace: str) -> None:
        """Keep the traceback for the log."""
        super().__init__(text)
        self.name, self.trace = name, trace


@dataclass(frozen=True)
class Metadata:
    """What MLflow's metadata of a model says, as far as it is asked for here."""

    flavors: Mapping[str, Any]


class EnvironmentModel:
    """A version that answers in a process of its environment, which ends with this object."""

    frame_of = FrameToBe
    """What it takes as a DataFrame: pandas on this side would add its time to that of each request."""

    def __init__(
        self, environment: Path, folder: Path, flavors: Mapping[str, Any], name: str, memory: int | None
    ) -> None:
        """Load the version in the folder, whose files were judged. ``name`` is the version in errors.

        ``memory`` is the most bytes that it may set aside, None without a limit. Raises ModelError.
        """
        self.metadata = Metadata(flavors)
        try:
            self._process = EnvironmentProcess(environment, memory)
            head, buffers = self._process.ask({"folder": str(folder)})
        except (StartError, EOFError) as error:
            raise ModelError(
                f"The environment of {name} starts no process: {environment}",
                "Its Python may have been removed. Remove the folder, and deploy the version again",
            ) from error
        if head.get("kind") == "loaded":
            self._process.is_loaded = True
            self._process.confinement = {str(key): str(one) for key, one in dict(head["confinement"]).items()}
            self._classes = decode(head["classes"], buffers)
            return
        self._process.close()
        if head.get("fault") is not None:
            problem = f"MLflow cannot be imported in the environment of {name} ({str(head['fault'])[:LONGEST]})"
            raise ModelError(problem, "Log the model again with an mlflow that works with its other requirements")
        text = f"{name} cannot be loaded in its environment ({str(head.get('text'))[:LONGEST]})"
        raise ModelError(text, _REMEDY) from _raised(head)

    def predict(self, given: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the answer of the version's ``predict``; raises RaisedError, or what means to end the process."""
        return self._ask({"do": "predict"}, given, params)

    def get_raw_model(self) -> "RawModel":
        """Return the model itself, whose methods answer in the environment."""
        return RawModel(self._ask, self._classes)

    @property
    def _model_impl(self) -> "Implementation":
        return Implementation(self._ask)

    def _ask(self, head: dict[str, Any], given: Any, params: Mapping[str, Any] | None = None) -> Any:
        buffers: list[bytes] = []
        sent = {**head, "given": encode(given, buffers)}
        if params is not None:
            sent["params"] = encode(dict(params), buffers)
        try:
            reply, received = self._process.ask(sent, buffers)
            if reply.get("kind") == "answer":
                return decode(reply["output"], received)
        except (FrameError, NeutralError, LookupError) as error:
            raise RaisedError("FrameError", f"it sent {error}", str(error)) from error
        kind = _ENDING.get(str(reply.get("ending")))
        if kind is not None:
            raise kind from _raised(reply)
        raise _raised(reply)


class RawModel:
    """A model's own object, such as a scikit-learn estimator: a method that is not there raises when it is called."""

    def __init__(self, ask: Any, classes: Any) -> None:
        """Have ``classes_`` where the model has them."""
        self._ask = ask
        if classes is not None:
            self.classes_ = classes

    def predict(self, given: Any) -> Any:
        """Return the answer of the method of this name."""
        return self._ask({"do": "raw", "method": "predict"}, given)

    def __getattr__(self, name: str) -> Any:
        """Return the method of this name; it is called in the environment."""
        if not name.startswith("predict"):
            raise AttributeError(name)
        return lambda given: self._ask({"do": "raw", "method": name}, given)


class Implementation:
    """What MLflow calls a model's implementation."""

    def __init__(self, ask: Any) -> None:
        """Ask by this."""
        self._ask = ask

    def predict(self, given: Any) -> Any:
        """Return its answer."""
        return self._ask({"do": "impl"}, given)


def _raised(head: Mapping[str, Any]) -> RaisedError:
    name, text, trace = (str(head.get(key)) for key in ("error", "text", "trace"))
    return RaisedError(name[:100], text[:LONGEST], trace[:LONGEST_TRACE])
