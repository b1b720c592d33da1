"""The Dagster code location: one set of assets per endpoint YAML, and the shared jobs, sensors and schedules."""

import dagster as dg

from modelops_pipelines.components.model_endpoint import endpoint_definitions, shared_definitions
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.store.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of every endpoint of the project in the current folder.

    A file with a fault is logged, and is that endpoint's affair: the configuration that it served with last defines its
    assets. Raises OnboardingError only when the folder does not exist.
    """
    found = read_configurations(load_settings())
    for fault in found.faulty:
        dg.get_dagster_logger("modelops").warning("Endpoint %s: %s", fault.name, fault.problem)
    specs = found.specs
    return dg.Definitions.merge(*(endpoint_definitions(spec) for spec in specs), shared_definitions(specs))
