"""Routes on the endpoint's history of changes, on test runs of versions, and on archived versions."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field

from modelops_pipelines.gateway.http.guarded_router import CallerOf, EndpointName, Router
from modelops_pipelines.gateway.http.refused_versions import telling_why
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.routes.releases import Cursor, Limit, ReasonMessage, Version
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_ENDPOINT = "/endpoints/{endpoint}"
_VERSION = f"{_ENDPOINT}/versions/{{version}}"
VersionNumber = Annotated[Version, Path()]
TestedVersion = Annotated[Version, Query(description="runs of this version only")]
SuiteName = Annotated[str, Query(max_length=100, description="runs of this suite only")]
Runs = Annotated[int, Query(ge=1, le=100, description="number of newest runs, each with all its failures")]


class EventInfo(BaseModel):
    """A change in the endpoint's history."""

    number: int
    at: Moment
    actor: str
    action: str
    from_version: str | None
    to_version: str
    generation: int = Field(description="of the endpoint's desired state after it")
    reason: str
    gate: Literal["passed", "forced"] | None = Field(description="null where the gate was not asked")
    evidence: dict[str, Any] = Field(description="the numbers behind it, and what is live since")
    previous_hash: str
    hash: str = Field(description="SHA-256 of the event, with the hash of the event before it")


class EventsPage(BaseModel):
    """Changes, newest first, and the next page's cursor; null on the last page."""

    items: list[EventInfo]
    next_cursor: str | None


class FailedCase(BaseModel):
    """A case of a suite that the version failed."""

    case: str
    expected: str
    answered: str


class VersionTestInfo(BaseModel):
    """A run of a suite of stored cases on a version."""

    at: Moment
    version: str
    suite: str
    cases: int
    passed: int
    failed: int
    seconds: float = Field(description="time that the version took to answer all cases")
    inputs_hash: str = Field(description="SHA-256 of the cases: runs with the same hash can be compared")
    actor: str
    failures: list[FailedCase]


class ArchiveInfo(BaseModel):
    """Whether a version is archived, so that no endpoint of its model may serve it."""

    endpoint: str
    model_name: str
    version: str
    archived: bool
    changed: bool = Field(description="false when it was so already")


def add_version_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes."""

    @router.get(f"{_ENDPOINT}/events", role="read", response_model=EventsPage)
    def list_events(endpoint: EndpointName, limit: Limit = 100, cursor: Cursor | None = None) -> dict[str, Any]:
        """List the changes of the endpoint, newest first: actor, time, versions, reason and evidence."""
        from modelops_pipelines.operations.release.listing import history_page

        return vars(history_page(stores, serving.endpoint(endpoint).spec.name, cursor, limit))

    @router.get(f"{_ENDPOINT}/tests", role="read", response_model=list[VersionTestInfo])
    def list_tests(
        endpoint: EndpointName, limit: Runs = 10, version: TestedVersion | None = None, suite: SuiteName | None = None
    ) -> list[dict[str, Any]]:
        """List the newest runs of the endpoint's suites of stored cases on its versions, with the cases that failed."""
        found = stores.version_tests.newest(serving.endpoint(endpoint).spec.name, version, suite, limit)
        return [{**vars(run), "failed": run.failed} for run in found]

    @router.post(f"{_VERSION}/archive", role="operate", response_model=ArchiveInfo, error_statuses=(409,))
    def archive(
        endpoint: EndpointName, version: VersionNumber, caller: CallerOf, message: ReasonMessage | None = None
    ) -> ArchiveInfo:
        """Archive a version: no endpoint of its model may serve it. Refused while it is live, on trial or a shadow."""
        from modelops_pipelines.operations.release import commands as releases

        spec, reason = serving.endpoint(endpoint).spec, (message or ReasonMessage()).reason
        with telling_why():
            changed = releases.archive(stores, spec, version, actor=caller.name, reason=reason)
        about = {"endpoint": spec.name, "model_name": spec.model_name, "version": version}
        return ArchiveInfo(**about, archived=True, changed=changed)

    @router.post(f"{_VERSION}/restore", role="operate", response_model=ArchiveInfo, error_statuses=(409,))
    def restore(
        endpoint: EndpointName, version: VersionNumber, caller: CallerOf, message: ReasonMessage | None = None
    ) -> ArchiveInfo:
        """Make an archived version deployable again."""
        from modelops_pipelines.operations.release import commands as releases

        spec, reason = serving.endpoint(endpoint).spec, (message or ReasonMessage()).reason
        with telling_why():
            changed = releases.restore(stores, spec, version, actor=caller.name, reason=reason)
        about = {"endpoint": spec.name, "model_name": spec.model_name, "version": version}
        return ArchiveInfo(**about, archived=False, changed=changed)
