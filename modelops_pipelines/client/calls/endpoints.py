"""Endpoints, the registered models that they may be made for, and the health of the gateway."""

import json
from collections.abc import Iterable
from typing import Any

from modelops_pipelines.client.answers.endpoints import (
    Endpoint,
    EndpointDetails,
    EndpointReadiness,
    Example,
    HealthReport,
    ModelVersion,
    NewEndpoint,
    Readiness,
    RegisteredModel,
)
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.connection.call import Call, Retry, body_of
from modelops_pipelines.client.connection.operation import operation

_ENDPOINT = "/endpoints/{endpoint}"
_OR_UNHEALTHY = frozenset({200, 503})


class EndpointCalls:
    """Operations that show what is served, and what may be."""

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
    def models(
        self, search: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> Call[Listing[RegisteredModel]]:
        """List the registered models of MLflow by name, those with ``search`` in their names."""
        query = {"search": search, "limit": limit, "cursor": cursor}
        return Call("GET", "/models", many(RegisteredModel, "items", "next_cursor"), query=query)

    @operation
    def model_versions(self, model: str, *, limit: int = 100, cursor: str | None = None) -> Call[Listing[ModelVersion]]:
        """List the versions of a registered model, newest first, whether or not an endpoint serves it."""
        query, read = {"limit": limit, "cursor": cursor}, many(ModelVersion, "items", "next_cursor")
        return Call("GET", "/models/{model}/versions", read, {"model": model}, query)

    @operation
    def add_endpoint(  # noqa: PLR0913 - a parameter for each key
        self,
        name: str,
        *,
        task: str,
        label: str,
        model_name: str | None = None,
        served: str = "here",
        owners: Iterable[str] = (),
        description: str = "",
        label_horizon: str | None = None,
        window: str | None = None,
        classes: Iterable[str] = (),
        positive_label: str | None = None,
        error_rate: float | None = None,
        latency_p95_ms: float | None = None,
        dry_run: bool = False,
    ) -> Call[NewEndpoint]:
        """Add an endpoint for a registered model: write its YAML into the project. A file is never replaced.

        With ``served`` elsewhere it has no model. ``error_rate`` and ``latency_p95_ms`` are limits of its default alert
        rules. With ``dry_run`` nothing is written: the answer's ``yaml`` says what would be.
        """
        message: dict[str, Any] = {"name": name, "task": task, "label": label, "model_name": model_name}
        message |= {"served": served, "owners": list(owners), "description": description, "window": window}
        message |= {"label_horizon": label_horizon, "positive_label": positive_label, "classes": list(classes)}
        message |= {"error_rate": error_rate, "latency_p95_ms": latency_p95_ms, "dry_run": dry_run}
        return Call("POST", "/endpoints", one(NewEndpoint), content=body_of(message), retry=Retry.UNSENT)

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
