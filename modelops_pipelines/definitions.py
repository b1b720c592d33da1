"""The Dagster code location: one set of assets per endpoint YAML, and the shared jobs, sensors and schedules.

A run's process loads the endpoints of its run alone, as they were when the code server was loaded: a run costs the same
however many endpoints there are, and a file that changes meanwhile is no affair of its.
"""

import os
import warnings

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from modelops_pipelines.components.model_endpoint import (
    endpoint_definitions,
    fault_definitions,
    shared_definitions,
    shared_jobs,
)
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.endpoints.configurations import configured, read_configurations
from modelops_pipelines.operations.endpoints.snapshots import read_snapshot, write_snapshot
from modelops_pipelines.resources.run_process import collect_from_now_on
from modelops_pipelines.resources.run_scope import VARIABLE, RunScope
from modelops_pipelines.store.lake.pandas_later import leave_pandas_for_later
from modelops_pipelines.store.settings import Settings, load_settings

SNAPSHOT = "modelops/configurations"


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of every endpoint of the project in the current folder; in a run, those that it needs.

    A file with a fault is shown as an asset of its own, and is that endpoint's affair: the configuration that it served
    with last defines its other assets. Raises OnboardingError only when the folder does not exist.
    """
    settings = load_settings()
    scope = RunScope.read(os.environ.get(VARIABLE))
    if scope is not None:
        return _defined_for(scope, settings)
    found = read_configurations(settings)
    faults = [fault_definitions(fault) for fault in found.faulty]
    endpoints = [endpoint_definitions(spec) for spec in found.specs]
    built = dg.Definitions.merge(*endpoints, *faults, shared_definitions(found.specs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return built.with_reconstruction_metadata({SNAPSHOT: write_snapshot(settings, found.specs)})


def _defined_for(scope: RunScope, settings: Settings) -> dg.Definitions:
    """Return what a run needs: the assets of its endpoints, or no assets and the jobs."""
    if scope.monitoring:
        leave_pandas_for_later()
    specs = _specs(scope, settings)
    assets = [endpoint_definitions(spec) for spec in specs] if scope.assets else []
    built = dg.Definitions.merge(*assets, shared_jobs(specs))
    collect_from_now_on()
    return built


def _specs(scope: RunScope, settings: Settings) -> tuple[EndpointSpec, ...]:
    """Return the configurations of the run's endpoints as its code server had them; without those, as they are now."""
    context = DefinitionsLoadContext.get()
    if context.load_type == DefinitionsLoadType.RECONSTRUCTION:
        number = context.reconstruction_metadata.get(SNAPSHOT)
        known = read_snapshot(settings, str(number), scope.endpoints) if number else None
        if known is not None:
            return known
    return tuple(spec for spec in configured(settings) if scope.endpoints is None or spec.name in scope.endpoints)
