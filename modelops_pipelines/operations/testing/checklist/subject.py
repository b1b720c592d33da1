"""What a checklist is about: a version of an endpoint, its place there, and the deployment that gave it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.core.release.deployment_states import Acknowledgement, Deployment
from modelops_pipelines.core.release.desired_state import SHADOW, DesiredState
from modelops_pipelines.core.release.event_log import Event, Placement, placement
from modelops_pipelines.operations.alerting.rules.effective_rules import with_runtime_rules
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.testing.checklist.answered import Answered, answered_around
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

MOST_DEPLOYMENTS = 1000
"""Deployments of the endpoint among which the version's newest is looked for."""


@dataclass(frozen=True)
class Subject:
    """The version, and what is known of it. What several items need is read once.

    ``known`` is None for a version that the registry has, and that was not recorded here yet. ``place`` is None while
    it has no place on the endpoint, ``attempt`` while it was never deployed.
    """

    stores: Stores
    spec: EndpointSpec
    version: str
    known: ModelVersion | None
    state: DesiredState
    events: Sequence[Event]
    place: Placement | None
    attempt: Deployment | None
    now: datetime

    @property
    def served(self) -> Placement | None:
        """Its place, where it answers callers: not while it is a shadow, or without any."""
        return None if self.place is None or self.place.role == SHADOW else self.place

    @property
    def since(self) -> datetime | None:
        """When it began to answer callers in its role; None while it does not."""
        return None if self.served is None else self.served.by.at

    @property
    def unserved(self) -> str:
        """Why nothing can be said of its answers, where it does not answer callers."""
        if self.place is not None:
            return f"version {self.version} is the shadow: it answers no caller"
        return f"version {self.version} is not deployed on the endpoint"

    @cached_property
    def with_rules(self) -> EndpointSpec:
        """The endpoint with the alert rules in force, those made at run time too."""
        return with_runtime_rules(self.stores, self.spec)

    @cached_property
    def workers(self) -> Sequence[Acknowledgement]:
        """What each living gateway worker reports of the endpoint."""
        return self.stores.deployments.acknowledgements(self.spec.name, self.now)

    @cached_property
    def answered(self) -> Answered:
        """What the log has of requests around the time when it began to answer callers, which it must have."""
        if self.served is None:
            raise AssertionError(self.unserved)
        return answered_around(self.stores, self.spec, self.version, self.served, self.now)


def subject_of(stores: Stores, spec: EndpointSpec, version: str | None = None) -> Subject:
    """Return the version as the subject of a checklist; without one, that of the newest deployment.

    Raises UnknownError for a version that neither the state nor the registry has, and where none was ever deployed,
    ConflictError for an endpoint that is served elsewhere, RegistryError when a version that was not recorded here has
    to be asked for, and the registry does not answer.
    """
    require_served_here(spec, "a deployment")
    state = stores.deployments.desired(spec.name)
    attempts = stores.deployments.attempts([spec.name], limit=MOST_DEPLOYMENTS)
    wanted = version or (attempts[0].version if attempts else state.challenger or state.champion)
    if wanted is None:
        raise UnknownError(
            f"No version was ever deployed on endpoint {spec.name!r}",
            f"Name the one that is to be: modelops checklist {spec.name} --version VERSION",
        )
    known = stores.deployments.version(spec.model_name, wanted)
    if known is None:
        stores.registry.listed(spec.model_name, wanted)
    events = stores.deployments.events(spec.name)
    attempt = next((one for one in attempts if one.version == wanted), None)
    place = placement(events, wanted)
    return Subject(stores, spec, wanted, known, state, events, place, attempt, stores.now())
