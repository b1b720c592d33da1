"""The sensor that runs shadows on newly logged requests, at most once a minute each, without delaying monitoring."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import ACTIVE
from modelops_pipelines.core.tables.lake import SHADOW_LOG
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import CALM_TICK_SECONDS, LogReader
from modelops_pipelines.store.stores import Stores

SHADOW_TAG = "modelops/shadow"
SHADOWS = LogReader("shadow", SHADOW_TAG, (SHADOW_LOG.name,), "shadow")


def shadow_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor that runs every shadow."""

    @dg.sensor(
        name="shadows",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=CALM_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs each shadow on newly logged requests: one at a time, each at most once a minute.",
    )
    def shadow(
        context: dg.SensorEvaluationContext, modelops_project: ProjectResource
    ) -> dg.SensorResult | dg.SkipReason:
        with modelops_project.stores() as stores:
            marks = _marks(stores, specs)
            now = int(stores.now().timestamp())
        if not marks:
            return dg.SkipReason(f"0 of {len(specs)} endpoints have a shadow")
        return SHADOWS.next_run(context, marks, now)

    return shadow


def _marks(stores: Stores, specs: Sequence[EndpointSpec]) -> dict[str, str]:
    """Return a mark per endpoint with a shadow; it changes when there are new rows to compare."""
    states = {state.endpoint: state for state in stores.deployments.all_desired()}
    marks = {}
    for spec in specs:
        state = states.get(spec.name)
        if state is not None and state.shadow is not None and state.status == ACTIVE:
            marks[spec.name] = f"{state.generation} {stores.ingest_progress.of(spec.name).predictions}"
    return marks
