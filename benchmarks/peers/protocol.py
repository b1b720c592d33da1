"""The interface of a benchmarked server: how to start it, its request, and how to parse its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.project import Project

Row = Sequence[float]


class UnavailableError(Exception):
    """A server cannot be measured: it does not install, or does not start. The message gives the reason."""


@dataclass(frozen=True)
class Job:
    """A model to serve, registered and deployed in a separate project, with rows to predict.

    ``joblib`` is the same fitted estimator for servers that read no MLflow model; ``answers`` are its probabilities.
    """

    name: str
    project: Project
    version: ModelVersion
    rows: Sequence[Row]
    answers: Sequence[Row]
    joblib: Path
    key: str
    workers: int


@dataclass(frozen=True)
class Launch:
    """The command that starts a server."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ask:
    """A prediction request."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def wire(self) -> bytes:
        """The request as bytes of HTTP/1.1."""
        own = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**own, **self.headers}.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


class Peer(Protocol):
    """A server in one of its configurations; ``variant`` tells these apart."""

    @property
    def name(self) -> str:
        """The server's name."""

    @property
    def variant(self) -> str:
        """The name of this configuration; empty when there is only one."""

    def launch(self, job: Job, port: int) -> Launch:
        """Return how to serve the job's model on this port of loopback."""

    def ask(self, job: Job, rows: Sequence[Row]) -> Ask:
        """Return the request for these rows."""

    def read(self, content: bytes) -> Sequence[Row]:
        """Return the probabilities of each row from an answer's body."""
