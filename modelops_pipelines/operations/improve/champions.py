"""The champion that a version is judged against."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, EvidenceError
from modelops_pipelines.store.stores import Stores


def champion_to_beat(stores: Stores, spec: EndpointSpec, version: str) -> str:
    """Return the endpoint's champion.

    Raises EvidenceError when nothing is live to compare with, ConflictError when the version is the champion itself.
    """
    champion = stores.deployments.desired(spec.name).champion
    if champion is None:
        raise EvidenceError(f"Endpoint {spec.name!r} has no champion to compare with", "Deploy a first version")
    if champion == version:
        message = f"Version {version} is the champion of {spec.name!r}: there is nothing to compare it with"
        raise ConflictError(message, "Name another version")
    return champion
