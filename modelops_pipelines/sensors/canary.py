"""The sensor that starts the trial job while a version is on trial, or a new champion on probation."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState
from modelops_pipelines.core.release.guards import pace
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.resources.run_scope import KIND_TAG
from modelops_pipelines.sensors.common import ENDPOINT_TAG, TICK_SECONDS, is_running, sensor_result
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
    def trials(
        context: dg.SensorEvaluationContext, modelops_project: ProjectResource
    ) -> dg.SensorResult | dg.SkipReason:
        requests: list[dg.RunRequest] = []
        reasons: dict[str, str] = {}
        with modelops_project.stores() as stores:
            for spec, state in _to_look_at(stores, specs):
                every = _time_between(stores, spec, state) if state is not None else None
                if state is None or every is None:
                    reasons[spec.name] = "no version is on trial, and no new champion has new labels"
                elif is_running(context, spec.name, KIND):
                    reasons[spec.name] = "a trial run is in progress"
                else:
                    interval = int(stores.now().timestamp() // every.total_seconds())
                    requests.append(_request(spec.name, state.generation, interval))
        return sensor_result(context, requests, reasons)

    return trials


def _to_look_at(stores: Stores, specs: Sequence[EndpointSpec]) -> Iterator[tuple[EndpointSpec, DesiredState | None]]:
    """Yield each endpoint, with its state where it can have a trial, a question or a probation; by three reads.

    A champion is on probation for a time after it replaced another one.
    """
    from modelops_pipelines.operations.release.trials.questions import asked_endpoints

    states = {state.endpoint: state for state in stores.deployments.all_desired()}
    longest = max((max(spec.guard.probation, spec.guard.watch) for spec in specs), default=timedelta(0))
    replaced = stores.deployments.replaced_since(stores.now() - longest - timedelta(days=1))
    asked = asked_endpoints(stores)
    for spec in specs:
        state = states.get(spec.name)
        looked_at = state is not None and (state.challenger is not None or spec.name in replaced | asked)
        yield spec, state if looked_at else None


def _time_between(stores: Stores, spec: EndpointSpec, state: DesiredState) -> timedelta | None:
    """Return the time between two judgements of the endpoint's trial or probation; None when it has neither."""
    from modelops_pipelines.operations.release.trials.probation import probation_due
    from modelops_pipelines.operations.release.trials.questions import is_asked

    if is_asked(stores, spec.name):
        return pace(spec.promotion.soak)  # until the answer is known
    if state.status != ACTIVE:
        return None
    return probation_due(stores, spec, state) if state.challenger is None else pace(spec.promotion.soak)


def _request(endpoint: str, generation: int, interval: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"trial {endpoint} {generation} {interval}",
        partition_key=endpoint,
        tags={ENDPOINT_TAG: endpoint, KIND_TAG: KIND},
    )
