"""What a version must be before an endpoint may serve it: of the model that the endpoint serves, with its classes."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.kept import keep, kept_of
from modelops_pipelines.operations.versions.environments import prepare_environment
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.registry.version_classes import for_endpoint
from modelops_pipelines.store.stores import Stores


def require_servable(stores: Stores, spec: EndpointSpec, version: str) -> str:
    """Read and record the version; return what was learned of a known one, empty if nothing was.

    Raises the error of one that the endpoint cannot serve.

    Of the first one, the configuration is kept, for when the endpoint's file gets a fault. Raises UnknownError,
    SchemaError, ConflictError for a version of another model than that of the versions served, and ModelError, also
    when a version of an isolated endpoint cannot have its environment.
    """
    kept = kept_of(stores.settings, spec.name)
    served = kept.spec if kept else None
    if served is not None:
        require_same_model(served, spec, stores.deployments.desired(spec.name))
    before = stores.deployments.version(spec.model_name, version)
    found = known_version(stores, spec, version)
    for_endpoint(found, spec)
    prepare_environment(found, spec)
    if kept is None:
        path = read_configurations(stores.settings).paths.get(spec.name)
        if path is not None:
            keep(stores.settings, spec, path)
    if before is None or before.classes == found.classes:
        return ""
    return f"its classes are now {', '.join(found.classes or []) or 'unknown'}, read from MLflow's tag"


def require_same_model(served: EndpointSpec, wanted: EndpointSpec, state: DesiredState) -> None:
    """Raise ConflictError when the wanted configuration names another model while versions of the served one are live.

    Their numbers would name other files.
    """
    if wanted.model_name == served.model_name or not state.variants:
        return
    raise ConflictError(
        f"Endpoint {wanted.name!r} serves versions of model {served.model_name!r}, and its YAML names model "
        f"{wanted.model_name!r}",
        f"Write 'model_name: {served.model_name}' again, add another endpoint for the other model, or end this one "
        f"first: modelops endpoint delete {wanted.name}",
    )
