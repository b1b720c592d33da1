"""The hourly schedule: brings every endpoint up to date even when a sensor missed something, or is switched off."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.capture.pending_work import pending_work
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.monitoring_runs import History, run_requests, under_way


def cadence_schedule(specs: Sequence[EndpointSpec]) -> dg.ScheduleDefinition:
    """Return the schedule of all endpoints' monitoring. An endpoint without anything to do costs nothing."""

    @dg.schedule(
        name="cadence",
        cron_schedule="7 * * * *",
        job_name=IMPLICIT_ASSET_JOB_NAME,  # a target would define one more job of all assets, at each load
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour: ingests what is pending of any endpoint and recomputes the windows that changed, "
        "without the pauses of the sensor 'new_data'.",
    )
    def cadence(context: dg.ScheduleEvaluationContext, project: ProjectResource) -> list[dg.RunRequest] | dg.SkipReason:
        with project.stores() as stores:
            works = pending_work(stores, specs)
        busy = under_way(context.instance) if works else set()
        due = {name: work for name, work in works.items() if name not in busy}
        if not due:
            return dg.SkipReason(f"0 of {len(specs)} endpoint(s) have something to do; {len(busy)} are in progress")
        hour = context.scheduled_execution_time.isoformat()
        requests = run_requests(History(context.instance), specs, due, "hourly cadence")
        return [one.with_replaced_attrs(run_key=f"{one.run_key} at {hour}") for one in requests]

    return cadence
