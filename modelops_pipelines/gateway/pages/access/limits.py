"""The limits that hold for what a key reaches."""

from collections.abc import Sequence
from typing import Any, Final

from modelops_pipelines.core.access.api_keys import Key
from modelops_pipelines.core.access.teams import endpoints_of, owned_endpoints
from modelops_pipelines.core.endpoints.spec import EndpointSpec

MOST: Final = 100
"""Endpoints that are listed."""


def limits_of(key: Key, specs: Sequence[EndpointSpec]) -> list[dict[str, Any]]:
    """Return the limits of each endpoint that the key reaches, by name; of MOST of them."""
    reached = [spec for spec in specs if key.endpoints is None or spec.name in key.endpoints]
    if key.team is not None:
        own = endpoints_of([key.team], owned_endpoints((spec.name, spec.owners) for spec in specs))
        reached = [spec for spec in reached if spec.name in own]
    return [
        {
            "endpoint": spec.name,
            "per_key": spec.limits.per_key,
            "per_user": spec.limits.per_user,
            "whole": spec.limits.endpoint,
            "concurrent": spec.limits.concurrent,
            "deadline_seconds": spec.limits.deadline.total_seconds(),
            "body_mib": spec.limits.body_mib,
        }
        for spec in sorted(reached, key=lambda one: one.name)[:MOST]
    ]
