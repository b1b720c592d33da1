"""Endpoints: what serves, how, and since when; health of the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class Variant(Result):
    """A model version that serves the endpoint, with its share of the traffic in percent."""

    version: str
    role: str
    share: int


@dataclass(frozen=True)
class Endpoint(Result):
    """An endpoint, its variants, and its champion's signature; null while no champion is loaded."""

    name: str
    model_name: str | None
    """The registered model; null where others serve it."""
    served: str
    """Here, or elsewhere: others make the predictions, and send them."""
    task: str
    description: str
    generation: int
    status: str
    problem: str | None
    """Why this worker cannot serve it as it should; null if it can."""
    variants: tuple[Variant, ...]
    resident: bool
    """Whether its versions are in this worker's memory; else a request loads them."""
    inputs: Mapping[str, str] | None
    classes: tuple[str, ...] | None
    """In the order of the score columns; null while they are unknown."""
    to_add: str | None
    """What to add so that quality can be measured; null if nothing is missing."""
    training_set: str | None
    registered_at: str | None


@dataclass(frozen=True)
class PredictionPath(Result):
    """How the champion predicts: directly on an array or DataFrame, or through MLflow; and its batch size."""

    path: str
    merged_rows: int
    """Most rows of several requests in one batch; 0 if requests are never merged."""
    probe_ms: float | None
    """Time for 96 rows at load; null if not measured."""
    own_process: bool
    """True for a version that can execute code: it answers in a process of its own."""
    isolation: dict[str, str] | None = None
    """Of a version with an environment of its own: its process's network, files and processes; null without one."""


@dataclass(frozen=True)
class GateVerdict(Result):
    """A verdict of the gate, with its numbers."""

    verdict: str
    champion: str | None
    """The version that it was compared with."""
    at: datetime
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class NewestQuality(Result):
    """Quality metrics of one window, from the labels received so far; metrics of other tasks are null."""

    window_start: datetime
    predictions: int
    labelled: int
    coverage: float
    accuracy: float | None
    auc: float | None
    log_loss: float | None
    brier: float | None
    brier_skill: float | None
    mae: float | None
    rmse: float | None
    bias: float | None


@dataclass(frozen=True)
class Champion(Result):
    """A champion: since when it served, who made it champion, by which action, and the reason."""

    version: str
    since: datetime
    actor: str
    action: str
    reason: str


@dataclass(frozen=True)
class EndpointDetails(Endpoint):
    """An endpoint with details of its champion. A field is null without data, or while the store it is in is down."""

    version: str | None
    """The champion's version."""
    output: str | None
    """The kind of its predictions: probabilities, scores, labels or unknown."""
    trust: str | None
    """Why it loads although it can execute code; null if it needs no trust."""
    way: PredictionPath | None
    evaluation: GateVerdict | None
    """The gate's newest verdict on the champion."""
    quality: NewestQuality | None
    """The champion's newest window that has labels."""
    champions: tuple[Champion, ...] | None
    """The last 20 champions, newest first."""


@dataclass(frozen=True)
class Example(Result):
    """An example request body: a row of the champion's input example, or one generated from its signature."""

    dataframe_records: tuple[Mapping[str, Any], ...] = ()
    inputs: tuple[Any, ...] = ()
    """A row without names, where the inputs have none; then ``dataframe_records`` is empty."""
    params: Mapping[str, Any] | None = None
    """The example's parameters, where it has any."""


@dataclass(frozen=True)
class Readiness(Result):
    """Whether this worker can answer and capture."""

    status: str
    not_loaded: int
    """Active endpoints with a version that this worker cannot load."""
    not_resident: int
    """Active endpoints whose versions are loaded at their first request."""


@dataclass(frozen=True)
class EndpointReadiness(Result):
    """Whether this worker can answer for one endpoint, and capture."""

    status: str
    endpoint: str
    resident: bool
    """Whether it answers at once; else its first request waits for the load."""


@dataclass(frozen=True)
class HealthReport(Result):
    """Every health check; the status is degraded when one fails."""

    status: str
    worker: str
    checks: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class NewEndpoint(Result):
    """An endpoint's file: as it was written, or in a dry run as it would be."""

    endpoint: str
    file: str
    """Within the project."""
    yaml: str
    dry_run: bool
    """True when nothing was written."""
    sentence: str


@dataclass(frozen=True)
class RegisteredModel(Result):
    """A registered model of MLflow, with the endpoints in the key's scope that serve it."""

    name: str
    description: str
    updated_at: datetime
    newest_version: str | None
    endpoints: tuple[str, ...]


@dataclass(frozen=True)
class ModelVersion(Result):
    """A version of a registered model."""

    version: str
    registered_at: datetime
    description: str
