"""The schedule that fills the review queues of the endpoints whose YAML asks for reviews, every day."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME

from modelops_pipelines.assets.review import REVIEW_QUEUE
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.sensors.common import ENDPOINT_TAG, assets_of
from modelops_pipelines.sensors.run_requests import in_one_process


def review_schedule(specs: Sequence[EndpointSpec]) -> dg.ScheduleDefinition:
    """Return the schedule. An endpoint without reasons to review costs nothing, and a tick reads nothing."""
    names = [spec.name for spec in specs if spec.review.reasons]

    @dg.schedule(
        name="review",
        cron_schedule="37 3 * * *",
        job_name=IMPLICIT_ASSET_JOB_NAME,  # a target would define one more job of all assets, at each load
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every night: puts predictions that people are to judge into the review queues.",
    )
    def review(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        if not names:
            return dg.SkipReason(f"0 of {len(specs)} endpoint(s) have reasons to review in their YAML")
        day = f"{context.scheduled_execution_time:%Y-%m-%d}"
        requests = [
            dg.RunRequest(
                run_key=f"review {name} {day}",
                asset_selection=assets_of(name, [REVIEW_QUEUE]),
                tags={ENDPOINT_TAG: name, "dagster/priority": "-10"},
            )
            for name in names
        ]
        return in_one_process(context, requests)

    return review
