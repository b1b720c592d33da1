"""Routes that add an endpoint: the registered models that it may be made for, and its file.

A caller gives none of the keys that run code or read files of the host, and no trust in pickles: these are for who can
change the project's files.
"""

import logging
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from modelops_pipelines.core.access.shared_models import ModelScope
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Served, Task, Window
from modelops_pipelines.core.errors import InputError, OnboardingError
from modelops_pipelines.gateway.access.endpoint_creation import require_own
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.http.guarded_router import NAME_LENGTH, CallerOf, Router
from modelops_pipelines.gateway.http.response_models import Moment
from modelops_pipelines.gateway.routes.releases import Cursor, Limit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.endpoints.add import Draft, NewEndpoint, draft_endpoint, require_unused
from modelops_pipelines.store.stores import Stores

MODEL_LENGTH, TEXT_LENGTH, DURATION_LENGTH = 200, 1000, 20
MOST_OWNERS, MOST_CLASSES = 20, 1000
ModelName = Annotated[str, Path(max_length=MODEL_LENGTH)]
Part = Annotated[str, Query(max_length=MODEL_LENGTH, description="models with this in their names only")]
Name = Annotated[StrictStr, Field(max_length=NAME_LENGTH)]
Duration = Annotated[StrictStr, Field(max_length=DURATION_LENGTH, examples=["48h"])]
Number = StrictFloat | StrictInt
_LOG = logging.getLogger("modelops.gateway")


class NewEndpointMessage(BaseModel):
    """A new endpoint, as keys of its YAML; what is left out has its default."""

    model_config = ConfigDict(extra="forbid")
    name: Name = Field(examples=["churn"])
    task: Task
    label: Name = Field(description="what turns out to be true, later: the name of the label")
    model_name: Annotated[StrictStr, Field(max_length=MODEL_LENGTH)] | None = Field(
        None, description="the registered model; none for an endpoint that is served elsewhere"
    )
    served: Served = "here"
    owners: Annotated[list[Name], Field(max_length=MOST_OWNERS)] = Field(
        default_factory=list, examples=[["team:risk"]], description="a key of a team has to name its own"
    )
    description: Annotated[StrictStr, Field(max_length=TEXT_LENGTH)] = ""
    label_horizon: Duration | None = Field(None, description="how long labels take")
    window: Window | None = None
    classes: Annotated[list[Name], Field(max_length=MOST_CLASSES)] = Field(
        default_factory=list, description="in the order of the model's scores"
    )
    positive_label: Name | None = None
    error_rate: Number | None = Field(None, description="share of failed requests from which an alert opens")
    latency_p95_ms: Number | None = Field(None, description="95th percentile from which an alert opens")
    dry_run: StrictBool = Field(default=False, description="answer what would be written, and write nothing")


class NewEndpointInfo(BaseModel):
    """The endpoint's file."""

    endpoint: str
    file: str = Field(description="within the project")
    yaml: str
    dry_run: bool = Field(description="true when nothing was written, and this is what would be")
    sentence: str


class ModelInfo(BaseModel):
    """A registered model of MLflow."""

    name: str
    description: str
    updated_at: Moment
    newest_version: str | None
    endpoints: list[str] = Field(description="those in the key's scope that serve it")


class ModelsPage(BaseModel):
    """Registered models by name, and the next page's cursor; null on the last page."""

    items: list[ModelInfo]
    next_cursor: str | None


class ModelVersionInfo(BaseModel):
    """A version of a registered model."""

    version: str
    registered_at: Moment
    description: str


class ModelVersionsPage(BaseModel):
    """Versions, newest first, and the next page's cursor; null on the last page."""

    items: list[ModelVersionInfo]
    next_cursor: str | None


def add_onboarding_routes(router: Router, serving: Serving, stores: Stores) -> None:
    """Add the routes. Workers of the gateway take a new endpoint up within seconds."""

    @router.get("/models", role="read", filters_teams=True, response_model=ModelsPage)
    def list_models(
        caller: CallerOf, search: Part = "", limit: Limit = 100, cursor: Cursor | None = None
    ) -> dict[str, Any]:
        """List the registered models of MLflow by name. A key of a team sees none that only other teams serve."""
        from modelops_pipelines.operations.release.registered_models import models_page

        return vars(models_page(stores, models_seen_by(caller, serving), search, cursor, limit))

    @router.get("/models/{model}/versions", role="read", filters_teams=True, response_model=ModelVersionsPage)
    def list_model_versions(
        model: ModelName, caller: CallerOf, limit: Limit = 100, cursor: Cursor | None = None
    ) -> dict[str, Any]:
        """List the versions of a registered model, newest first, whether or not an endpoint serves it."""
        from modelops_pipelines.operations.release.registered_models import model_versions_page

        return vars(model_versions_page(stores, models_seen_by(caller, serving), model, cursor, limit))

    @router.post(
        "/endpoints",
        role="operate",
        filters_teams=True,
        status_code=201,
        response_model=NewEndpointInfo,
        error_statuses=(404, 409),
    )
    def add_endpoint(message: NewEndpointMessage, caller: CallerOf) -> dict[str, Any]:
        """Add an endpoint: write its YAML into the project, for a model of the registry. A key of a team makes its own.

        A file is never replaced. Deploying a version is the next step.
        """
        given = message.model_dump(exclude={"dry_run"})
        try:
            draft = checked_draft(stores, serving, caller, NewEndpoint(**given))
        except OnboardingError as error:
            raise as_input(error) from error
        if not message.dry_run:
            write_draft(draft, caller)
        return describe_draft(draft, dry_run=message.dry_run)


def as_input(error: OnboardingError) -> InputError:
    """Return the faults of a body, by its fields: the file in which they would stand is not written."""
    problems = "; ".join(f"{one.culprit} {one.problem}" for one in error.faults)
    return InputError(problems, "; ".join(f"{one.culprit}: {one.fix}" for one in error.faults))


def models_seen_by(caller: Caller, serving: Serving) -> ModelScope:
    """Return which registered models the caller may know of."""
    from modelops_pipelines.operations.release.registered_models import scope_of

    return scope_of([served.spec for served in serving.endpoints()], caller.sees)


def checked_draft(stores: Stores, serving: Serving, caller: Caller, new: NewEndpoint) -> Draft:
    """Return the file of an endpoint that this caller may make; nothing is written.

    Raises what ``quick_draft`` and ``require_known_model`` raise.
    """
    draft = quick_draft(stores, caller, new)
    require_known_model(stores, serving, caller, draft.spec)
    return draft


def quick_draft(stores: Stores, caller: Caller, new: NewEndpoint) -> Draft:
    """Return the file of an endpoint that this caller may make, without asking the registry; nothing is written.

    Raises OnboardingError for values that are none, ForbiddenError for an endpoint that would not be of the caller's
    team, ConflictError for a name that is taken or was before.
    """
    require_own(caller, new.owners)
    draft = draft_endpoint(stores.settings, new.attributes())
    require_unused(stores, draft.spec.name)
    return draft


def require_known_model(stores: Stores, serving: Serving, caller: Caller, spec: EndpointSpec) -> None:
    """Raise UnknownError for a model that the registry does not have, and, as if it did not, for one to hide."""
    from modelops_pipelines.operations.release.registered_models import require_model

    if not spec.is_elsewhere:
        require_model(stores, models_seen_by(caller, serving), spec.model_name)


def write_draft(draft: Draft, caller: Caller) -> None:
    """Write the file, and log who did; raises ConflictError."""
    draft.write()
    _LOG.info("Endpoint %s was added by %s", draft.spec.name, caller.name)


def describe_draft(draft: Draft, *, dry_run: bool) -> dict[str, Any]:
    """Return what was written, or would be, with the file's path within the project."""
    file = draft.shown_path
    said = f"{file} {'would be' if dry_run else 'is'} written: endpoint {draft.spec.name}"
    return {"endpoint": draft.spec.name, "file": file, "yaml": draft.text, "dry_run": dry_run, "sentence": said}
