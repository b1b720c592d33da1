"""Finding an endpoint by its name."""

import logging

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import OnboardingError, UnknownError
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.store.stores import Stores

_LOG = logging.getLogger("modelops")


def endpoint_named(stores: Stores, name: str, *, newest: bool = False) -> EndpointSpec:
    """Return the endpoint of that name, whatever is wrong with others.

    While its own file has a fault, or was refused, it is the configuration that it served with last, and a warning says
    so; ``newest`` is for who makes a version for the refused one. Raises OnboardingError with that file's faults where
    it never served, UnknownError, naming those that exist.
    """
    found = read_configurations(stores.settings, newest=newest)
    fault = found.fault_of(name)
    spec = next((spec for spec in found.specs if spec.name == name), None)
    if spec is None and fault is not None:
        raise OnboardingError(fault.faults)
    if spec is None:
        known = ", ".join(sorted(found.names)) or "none"
        unclear = [str(one.path) for one in found.faulty if one.endpoint is None]
        also = f". Files with faults, whose endpoints are unclear: {', '.join(unclear)}" if unclear else ""
        raise UnknownError(
            f"There is no endpoint {name!r} (known: {known}{also})", "Correct the name, or add the endpoint's YAML"
        )
    if name in found.problems:
        _LOG.warning("Endpoint %s: %s", name, found.problems[name])
    return spec
