"""The Dagster code location: one set of assets per endpoint YAML, and the shared jobs, sensors and schedules."""

import dagster as dg

from modelops_pipelines.components.model_endpoint import endpoint_definitions, shared_definitions
from modelops_pipelines.operations.endpoints.load import read_endpoints
from modelops_pipelines.store.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of every endpoint of the project in the current folder; raises OnboardingError."""
    specs = read_endpoints(load_settings().endpoints)
    return dg.Definitions.merge(*(endpoint_definitions(spec) for spec in specs), shared_definitions(specs))
