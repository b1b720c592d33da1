"""The Dagster code location: one set of assets per endpoint YAML, and the shared jobs, sensors and schedules."""

import dagster as dg

from modelops_pipelines.components.model_endpoint import endpoint_definitions, fault_definitions, shared_definitions
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.store.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of every endpoint of the project in the current folder.

    A file with a fault is shown as an asset of its own, and is that endpoint's affair: the configuration that it served
    with last defines its other assets. Raises OnboardingError only when the folder does not exist.
    """
    found = read_configurations(load_settings())
    faults = [fault_definitions(fault) for fault in found.faulty]
    endpoints = [endpoint_definitions(spec) for spec in found.specs]
    return dg.Definitions.merge(*endpoints, *faults, shared_definitions(found.specs))
