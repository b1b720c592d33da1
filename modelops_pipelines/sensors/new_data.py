"""The sensor that starts monitoring runs on sealed segments and on pending windows.

A window is pending when the run that should compute it died, or when it has ended meanwhile.
"""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.capture.pending_work import pending_work
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import TICK_SECONDS
from modelops_pipelines.sensors.monitoring_runs import History, run_requests, under_way, why_not
from modelops_pipelines.sensors.run_requests import in_one_process
from modelops_pipelines.sensors.skip_reasons import summary


def new_data_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor that starts monitoring runs for all endpoints that have something to do."""

    @dg.sensor(
        name="new_data",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts monitoring runs when sealed segments or marked windows are pending: one for all endpoints "
        "that have any, up to 50 endpoints a run.",
    )
    def new_data(
        context: dg.SensorEvaluationContext, modelops_project: ProjectResource
    ) -> dg.SensorResult | dg.SkipReason:
        with modelops_project.stores() as stores:
            works, lag = pending_work(stores, specs), stores.settings.ingest_lag_seconds
        history, busy = History(context.instance), under_way(context.instance) if works else set()
        reasons: dict[str, str] = {}
        for spec in specs:
            work = works.get(spec.name)
            if work is None:
                reasons[spec.name] = "0 sealed segment(s), 0 pending window(s)"
            elif spec.name in busy:
                reasons[spec.name] = f"{work.describe()}; a run is in progress"
            elif not work.is_ripe(lag):
                reasons[spec.name] = f"{work.describe()}; more may join them for {lag:.0f} s"
            elif (reason := why_not(history, work)) is not None:
                reasons[spec.name] = reason
        due = {name: work for name, work in works.items() if name not in reasons}
        if not due:
            return dg.SkipReason(summary(reasons))
        requests = run_requests(history, specs, due, "new data")
        return dg.SensorResult(run_requests=in_one_process(context, requests))

    return new_data
