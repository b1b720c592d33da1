"""Endpoints, and the health of the gateway."""

import json

from modelops_pipelines.client.answers.endpoints import (
    Endpoint,
    EndpointDetails,
    EndpointReadiness,
    Example,
    HealthReport,
    Readiness,
)
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.connection.call import Call
from modelops_pipelines.client.connection.operation import operation

_ENDPOINT = "/endpoints/{endpoint}"
_OR_UNHEALTHY = frozenset({200, 503})


class EndpointCalls:
    """Operations that show what is served."""

    @operation
    def endpoints(self) -> Call[Listing[Endpoint]]:
        """List the endpoints in the key's scope, with the variants that each serves."""
        return Call("GET", "/endpoints", many(Endpoint))

    @operation
    def endpoint(self, endpoint: str) -> Call[EndpointDetails]:
        """Show one endpoint: its variants and shares, the champion's signature and quality, and past champions."""
        return Call("GET", _ENDPOINT, one(EndpointDetails), {"endpoint": endpoint})

    @operation
    def example(self, endpoint: str, *, row: int = 0) -> Call[Example]:
        """Return an example of a request: ``predict(endpoint, example.dataframe_records)``.

        ``row`` is the row of the model's input example, from 0; after the last comes the first.
        """
        return Call("GET", f"{_ENDPOINT}/example", one(Example), {"endpoint": endpoint}, {"row": row or None})

    @operation
    def health(self) -> Call[HealthReport]:
        """Return every health check with its numbers, also when one fails."""
        return Call("GET", "/health", _health, right=_OR_UNHEALTHY)

    @operation
    def ready(self, endpoint: str | None = None) -> Call[Readiness | EndpointReadiness]:
        """Return whether the gateway can answer and capture, or whether a request to the endpoint would be answered."""
        return Call("GET", "/health/ready", _readiness, query={"endpoint": endpoint}, right=_OR_UNHEALTHY)


def _health(content: bytes) -> HealthReport:
    return one(HealthReport)(content)


def _readiness(content: bytes) -> Readiness | EndpointReadiness:
    if "endpoint" in json.loads(content):
        return one(EndpointReadiness)(content)
    return one(Readiness)(content)
