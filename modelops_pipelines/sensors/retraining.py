"""The sensor that starts a retraining: after a signal, with enough new labels, a cool-down and a budget."""

from collections.abc import Sequence

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from modelops_pipelines.assets.improve import REASON_TAG
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.improve.retraining.decisions import decide_retrainings
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.resources.run_scope import KIND_TAG
from modelops_pipelines.sensors.common import (
    CALM_TICK_SECONDS,
    ENDPOINT_TAG,
    RETRAINING_ASSETS,
    assets_of,
    is_running,
    sensor_result,
)
from modelops_pipelines.sensors.run_requests import NO_FAULT, REQUEST_TAG, was_lost

KIND = "retraining"


def retraining_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor that starts retrainings."""

    @dg.sensor(
        name="retraining",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=CALM_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a retraining on a quality alert, harmful drift or an old champion, within a budget.",
    )
    def retraining(
        context: dg.SensorEvaluationContext, modelops_project: ProjectResource
    ) -> dg.SensorResult | dg.SkipReason:
        requests: list[dg.RunRequest] = []
        reasons: dict[str, str] = {}
        with modelops_project.stores() as stores:
            maybe_lost = _lost_once(context)
            for spec, decision in decide_retrainings(stores, specs):
                lost = _lost_request(context, spec) if spec.name in maybe_lost else None
                if (decision.start or lost) and is_running(context, spec.name, KIND):
                    reasons[spec.name] = f"{decision.reason}; a retraining is in progress"
                elif lost:
                    requests.append(lost)
                elif decision.start:
                    watermark = stores.ingest_progress.of(spec.name).watermark
                    requests.append(_request(spec.name, decision.reason, f"retrain {spec.name} {watermark}"))
                else:
                    reasons[spec.name] = decision.reason
        return sensor_result(context, requests, reasons)

    return retraining


def _lost_once(context: dg.SensorEvaluationContext) -> set[str]:
    """Return the endpoints of which any retraining was ever lost: few, and found by one query."""
    tags = {KIND_TAG: KIND, RUN_FAILURE_REASON_TAG: sorted(NO_FAULT)}
    runs = context.instance.get_runs(RunsFilter(tags=tags, statuses=[DagsterRunStatus.FAILURE]))
    return {run.tags.get(ENDPOINT_TAG, "") for run in runs}


def _lost_request(context: dg.SensorEvaluationContext, spec: EndpointSpec) -> dg.RunRequest | None:
    """Return the request of the endpoint's newest retraining when its run was killed; one that began counts as due.

    Its start is on record already, so the cool-down alone would put the next one off.
    """
    if spec.retraining is None or not spec.retraining.automatic:
        return None
    wanted = RunsFilter(tags={ENDPOINT_TAG: spec.name, KIND_TAG: KIND})
    for record in filter(was_lost, context.instance.get_run_records(wanted, limit=1)):
        tags = record.dagster_run.tags
        if REQUEST_TAG in tags:
            return _request(spec.name, tags.get(REASON_TAG, "its run was killed"), tags[REQUEST_TAG])
    return None


def _request(endpoint: str, reason: str, key: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=key,
        asset_selection=assets_of(endpoint, RETRAINING_ASSETS),
        tags={ENDPOINT_TAG: endpoint, REASON_TAG: reason, KIND_TAG: KIND},
    )
