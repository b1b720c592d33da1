"""The champion that a version is judged against."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, EvidenceError
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.store.stores import Stores


def champion_to_beat(stores: Stores, spec: EndpointSpec) -> str:
    """Return the endpoint's champion.

    Raises EvidenceError when nothing is live to compare with, ConflictError for an endpoint served elsewhere.
    """
    require_served_here(spec, "an evaluation")
    champion = stores.deployments.desired(spec.name).champion
    if champion is None:
        raise EvidenceError(f"Endpoint {spec.name!r} has no champion to compare with", "Deploy a first version")
    return champion


def check_challenges(stores: Stores, spec: EndpointSpec, version: str) -> None:
    """Raise ConflictError for a version that is the champion itself, EvidenceError without a champion.

    A retraining without new rows gives the champion again, which the gate fails; who names it asks for something else.
    """
    if champion_to_beat(stores, spec) == version:
        message = f"Version {version} is the champion of {spec.name!r}: there is nothing to compare it with"
        raise ConflictError(message, "Name another version")
