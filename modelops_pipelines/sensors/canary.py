"""The sensor that starts the trial job while a version is on trial, or a new champion on probation."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState
from modelops_pipelines.core.release.guards import pace
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import ENDPOINT_TAG, KIND_TAG, TICK_SECONDS, is_running, sensor_result
from modelops_pipelines.store.stores import Stores

KIND = "trial"


def trials_sensor(specs: Sequence[EndpointSpec], trial: dg.JobDefinition) -> dg.SensorDefinition:
    """Return the sensor that starts the trial job for every version on trial."""

    @dg.sensor(
        name="trials",
        job=trial,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the trial job for each version on trial, 20 times per soak, at least every 10 minutes; "
        "for a new champion with new labels 20 times in the first 'guard: {watch: ...}', then every 10 minutes.",
    )
    def trials(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        requests, reasons = [], []
        with project.stores() as stores:
            states = {state.endpoint: state for state in stores.deployments.all_desired()}
            for spec in specs:
                state = states.get(spec.name)
                every = _time_between(stores, spec, state)
                if state is None or every is None:
                    reasons.append(f"{spec.name}: no version is on trial, and no new champion has new labels")
                elif is_running(context, spec.name, KIND):
                    reasons.append(f"{spec.name}: a trial run is in progress")
                else:
                    interval = int(stores.now().timestamp() // every.total_seconds())
                    requests.append(_request(spec.name, state.generation, interval))
        return sensor_result(context, requests, reasons)

    return trials


def _time_between(stores: Stores, spec: EndpointSpec, state: DesiredState | None) -> timedelta | None:
    """Return the time between two judgements of the endpoint's trial or probation; None when it has neither."""
    from modelops_pipelines.operations.release.trials.probation import probation_due
    from modelops_pipelines.operations.release.trials.questions import is_asked

    if state is not None and is_asked(stores, spec.name):
        return pace(spec.promotion.soak)  # until the answer is known
    if state is None or state.status != ACTIVE:
        return None
    return probation_due(stores, spec, state) if state.challenger is None else pace(spec.promotion.soak)


def _request(endpoint: str, generation: int, interval: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"trial {endpoint} {generation} {interval}",
        partition_key=endpoint,
        tags={ENDPOINT_TAG: endpoint, KIND_TAG: KIND},
    )
