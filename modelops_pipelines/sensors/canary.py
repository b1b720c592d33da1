"""A version on trial is judged again and again until it is the champion or taken back."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import ACTIVE
from modelops_pipelines.core.release.guards import pace
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import ENDPOINT_TAG, KIND_TAG, TICK_SECONDS, is_running, told

KIND = "trial"


def trials_sensor(specs: Sequence[EndpointSpec], trial: dg.JobDefinition) -> dg.SensorDefinition:
    """Return the one sensor that has every trial judged."""

    @dg.sensor(
        name="trials",
        job=trial,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has each version on trial judged: every twentieth of its soak, at least every 10 minutes.",
    )
    def trials(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        requests, reasons = [], []
        with project.stores() as stores:
            states = {state.endpoint: state for state in stores.deployments.all_desired()}
            for spec in specs:
                state = states.get(spec.name)
                if state is None or state.challenger is None or state.status != ACTIVE:
                    reasons.append(f"{spec.name}: no version is on trial")
                elif is_running(context, spec.name, KIND):
                    reasons.append(f"{spec.name}: the trial is being judged")
                else:
                    turn = int(stores.now().timestamp() // pace(spec.promotion.soak).total_seconds())
                    requests.append(_request(spec.name, state.generation, turn))
        return told(requests, reasons)

    return trials


def _request(endpoint: str, generation: int, turn: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"trial {endpoint} {generation} {turn}",
        partition_key=endpoint,
        tags={ENDPOINT_TAG: endpoint, KIND_TAG: KIND},
    )
