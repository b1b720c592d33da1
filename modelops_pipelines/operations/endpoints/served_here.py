"""Refuses what needs a model of ours on an endpoint whose predictions others make."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError


def require_served_here(spec: EndpointSpec, what: str) -> None:
    """Raise ConflictError for an endpoint that is served elsewhere; ``what`` is what was asked for, as 'a deploy'."""
    if spec.is_elsewhere:
        raise ConflictError(
            f"Endpoint {spec.name!r} is served elsewhere: there is no model here for {what}",
            f"Import its predictions (modelops log import {spec.name} SOURCE), or remove 'served' from its YAML and "
            "give it a 'model_name'",
        )
