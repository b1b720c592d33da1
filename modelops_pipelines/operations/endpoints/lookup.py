"""Finding an endpoint by its name."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.operations.endpoints.load import read_endpoints
from modelops_pipelines.store.stores import Stores


def endpoint_named(stores: Stores, name: str) -> EndpointSpec:
    """Return the endpoint of that name; raises UnknownError, naming those that exist."""
    specs = read_endpoints(stores.settings.endpoints)
    found = next((spec for spec in specs if spec.name == name), None)
    if found is None:
        known = ", ".join(spec.name for spec in specs) or "none"
        raise UnknownError(
            f"There is no endpoint {name!r} (known: {known})", "Correct the name, or add the endpoint's YAML"
        )
    return found
