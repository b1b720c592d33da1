"""The hourly schedule: brings every endpoint up to date even when a sensor missed something, or is switched off."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME

from modelops_pipelines.core.capture.joint_runs import PendingWork
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.capture.pending_work import pending_work
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.monitoring_runs import History, run_requests, under_way
from modelops_pipelines.sensors.run_requests import in_one_process


def cadence_schedule(specs: Sequence[EndpointSpec]) -> dg.ScheduleDefinition:
    """Return the schedule of all endpoints' monitoring. An endpoint without anything to do costs nothing."""

    @dg.schedule(
        name="cadence",
        cron_schedule="7 * * * *",
        job_name=IMPLICIT_ASSET_JOB_NAME,  # a target would define one more job of all assets, at each load
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour: ingests what is pending of any endpoint, reads label sources, and recomputes the "
        "windows that changed, without the pauses of the sensor 'new_data'.",
    )
    def cadence(
        context: dg.ScheduleEvaluationContext, modelops_project: ProjectResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        with modelops_project.stores() as stores:
            works = pending_work(stores, specs)
        hour = context.scheduled_execution_time.isoformat()
        works |= {one.endpoint: one for one in _source_readings(specs, hour) if one.endpoint not in works}
        busy = under_way(context.instance) if works else set()
        due = {name: work for name, work in works.items() if name not in busy}
        if not due:
            return dg.SkipReason(f"0 of {len(specs)} endpoint(s) have something to do; {len(busy)} are in progress")
        requests = run_requests(History(context.instance), specs, due, "hourly cadence")
        again = [one.with_replaced_attrs(run_key=f"{one.run_key} at {hour}") for one in requests]
        return in_one_process(context, again)

    return cadence


def _source_readings(specs: Sequence[EndpointSpec], hour: str) -> list[PendingWork]:
    """Return the hourly reading of label sources as work; none for endpoints without sources."""
    return [PendingWork(spec.name, 0, 0, 0, 0.0, f"label sources at {hour}") for spec in specs if spec.label_sources]
