"""A passed gate starts the promotion, where the endpoint's YAML lets it go without a person."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.improve.retrain import promotable_gate
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import ENDPOINT_TAG, TICK_SECONDS, told
from modelops_pipelines.store.state.improve.gates import Gate


def promotion_sensor(specs: Sequence[EndpointSpec], promote: dg.JobDefinition) -> dg.SensorDefinition:
    """Return the one sensor that promotes what passed its gate."""

    @dg.sensor(
        name="promotion",
        job=promote,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Promotes a candidate whose gate passed against the present champion.",
    )
    def promotion(project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        requests, reasons = [], []
        with project.stores() as stores:
            for spec in specs:
                gate = promotable_gate(stores, spec)
                if gate is None:
                    reasons.append(f"{spec.name}: no passed gate waits")
                else:
                    requests.append(_request(spec.name, gate))
        return told(requests, reasons)

    return promotion


def _request(endpoint: str, gate: Gate) -> dg.RunRequest:
    config = {"version": gate.version, "reason": f"gate passed: {gate.numbers['reason']}", "actor": "promotion sensor"}
    return dg.RunRequest(
        run_key=f"promote {endpoint} {gate.version} {gate.data_hash}",
        partition_key=endpoint,
        run_config={"ops": {"promote_version": {"config": config}}},
        tags={ENDPOINT_TAG: endpoint},
    )
