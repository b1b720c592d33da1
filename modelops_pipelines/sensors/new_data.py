"""The sensor that starts a monitoring run on sealed segments and on pending windows.

A window is pending when the run that should compute it died, or when it has ended meanwhile.
"""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.drift.schedule import is_due
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import ENDPOINT_TAG, TICK_SECONDS, assets_of, is_running, sensor_result
from modelops_pipelines.store.spool.segments import pending_segments
from modelops_pipelines.store.stores import Stores


def new_data_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor that starts monitoring runs for every endpoint."""

    @dg.sensor(
        name="new_data",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a monitoring run when sealed segments or marked windows are pending.",
    )
    def new_data(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        requests, reasons = [], []
        with project.stores() as stores:
            for spec in specs:
                segments = pending_segments(stores.settings.spool, spec.name)
                pending = max(0, stores.touched_windows.count(spec.name) - _not_yet_due(stores, spec))
                if not segments and not pending:
                    reasons.append(f"{spec.name}: 0 sealed segment(s), 0 pending window(s)")
                elif is_running(context, spec.name):
                    reasons.append(f"{spec.name}: {len(segments)} sealed segment(s); a run is in progress")
                else:
                    newest = f"pending {stores.touched_windows.newest(spec.name)}, {pending} in all"
                    identity = content_id(*segments) if segments else newest
                    requests.append(_request(spec, identity, len(segments), pending))
        return sensor_result(context, requests, reasons, after_faults=True)

    return new_data


def _not_yet_due(stores: Stores, spec: EndpointSpec) -> int:
    """Return the number of marked windows that have not ended yet."""
    now = stores.now()
    tables = [one.name for one in spec.derivations if one.when_ended]
    marks = [(table, window) for table in tables for window in stores.touched_windows.pending(spec.name, table).windows]
    return sum(not is_due(spec, table, window_of(window, spec.window), now) for table, window in marks)


def _request(spec: EndpointSpec, identity: str, segments: int, pending: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"new data {spec.name} {identity}",
        asset_selection=assets_of(spec.name, spec.monitored),
        tags={ENDPOINT_TAG: spec.name, "modelops/reason": f"{segments} segment(s), {pending} pending window(s)"},
    )
