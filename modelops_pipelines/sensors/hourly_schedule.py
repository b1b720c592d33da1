"""The hourly schedule: brings every endpoint up to date even when a sensor missed something."""

from collections.abc import Iterator, Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.sensors.common import ENDPOINT_TAG, assets_of


def cadence_schedule(specs: Sequence[EndpointSpec]) -> dg.ScheduleDefinition:
    """Return the schedule of all endpoints' monitoring."""

    @dg.schedule(
        name="cadence",
        cron_schedule="7 * * * *",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour, for every endpoint: ingests new data and recomputes the windows that changed.",
    )
    def cadence(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        hour = context.scheduled_execution_time.isoformat()
        for spec in specs:
            yield dg.RunRequest(
                run_key=f"cadence {spec.name} {hour}",
                asset_selection=assets_of(spec.name, spec.monitored),
                tags={ENDPOINT_TAG: spec.name, "modelops/reason": "hourly cadence"},
            )

    return cadence
