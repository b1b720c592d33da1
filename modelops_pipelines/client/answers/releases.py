"""Changes of what is served, deployments, versions and the gate's verdicts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.endpoints import GateVerdict, Variant
from modelops_pipelines.client.answers.result import Result


@dataclass(frozen=True)
class Change(Result):
    """A change to the endpoint's desired state."""

    endpoint: str
    action: str
    from_version: str | None
    to_version: str
    share: int
    """Of the traffic, in percent."""
    generation: int
    workers: int
    """Gateway workers that serve it now."""
    seconds: float
    changed: bool
    """False when the endpoint was in this state already."""
    deployment_id: str | None
    note: str
    """That it was forced past the gate and why, or why a version left; else empty."""
    dry_run: bool
    """True when nothing was changed, and this is what would change."""
    sentence: str
    """The change in words."""


@dataclass(frozen=True)
class Deployment(Result):
    """A deployment: the version, the action, its status, and the error if it failed."""

    deployment_id: str
    requested_at: datetime
    endpoint: str
    version: str
    action: str
    share: int
    status: str
    actor: str
    reason: str
    error: str | None


@dataclass(frozen=True)
class Version(Result):
    """A version of the endpoint's registered model in MLflow, with its stage on this endpoint."""

    version: str
    registered_at: datetime
    training_set: str | None
    run_id: str | None
    description: str
    stage: str


@dataclass(frozen=True)
class PastState(Result):
    """The variants that an endpoint served at a moment."""

    endpoint: str
    at: datetime
    generation: int
    status: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Evaluation(GateVerdict):
    """A verdict of the gate on a version."""

    version: str
    held: tuple[str, ...]
    """Why a passed version waits for a person; empty when it does not."""


@dataclass(frozen=True)
class ChecklistItem(Result):
    """One item of a checklist, with its evidence."""

    phase: str
    """Before, during or after the deployment."""
    name: str
    state: str
    """Passed, failed or unknown: it cannot be judged, and 'evidence' says why."""
    evidence: str
    look: str
    """The command that shows more, on the gateway's host."""


@dataclass(frozen=True)
class Checklist(Result):
    """The checklist of a version of an endpoint, and how many of its items are in each state."""

    endpoint: str
    version: str
    role: str | None
    """Champion, challenger or shadow; null while the version is not deployed."""
    since: datetime | None
    """Since when it has this role."""
    at: datetime
    items: tuple[ChecklistItem, ...]
    passed: int
    failed: int
    unknown: int


@dataclass(frozen=True)
class Event(Result):
    """A change in the endpoint's history."""

    number: int
    at: datetime
    actor: str
    action: str
    from_version: str | None
    to_version: str
    generation: int
    """Of the endpoint's desired state after it."""
    reason: str
    gate: str | None
    """passed or forced; None where the gate was not asked."""
    evidence: dict[str, Any]
    """The numbers behind it, and what is live since."""
    previous_hash: str
    hash: str
    """SHA-256 of the event, with the hash of the event before it."""


@dataclass(frozen=True)
class FailedCase(Result):
    """A case of a suite that the version failed."""

    case: str
    expected: str
    answered: str


@dataclass(frozen=True)
class VersionTest(Result):
    """A run of a suite of stored cases on a version."""

    at: datetime
    version: str
    suite: str
    cases: int
    passed: int
    failed: int
    seconds: float
    """Time that the version took to answer all cases."""
    inputs_hash: str
    """SHA-256 of the cases: runs with the same hash can be compared."""
    actor: str
    failures: tuple[FailedCase, ...]


@dataclass(frozen=True)
class Archiving(Result):
    """Whether a version is archived, so that no endpoint of its model may serve it."""

    endpoint: str
    model_name: str
    version: str
    archived: bool
    changed: bool
    """False when it was so already."""
