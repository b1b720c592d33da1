"""The sensor that promotes a candidate that passed its gate, for endpoints with automatic promotion."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import describe_verdict
from modelops_pipelines.operations.improve.evaluation.candidates import held_gate, promotable_gate, with_untried_pass
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import CALM_TICK_SECONDS, ENDPOINT_TAG, sensor_result
from modelops_pipelines.store.state.improve.gates import Gate


def promotion_sensor(specs: Sequence[EndpointSpec], promote: dg.JobDefinition) -> dg.SensorDefinition:
    """Return the sensor that promotes candidates that passed the gate."""

    @dg.sensor(
        name="promotion",
        job=promote,
        minimum_interval_seconds=CALM_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Promotes a candidate that passed the gate against the current champion.",
    )
    def promotion(
        context: dg.SensorEvaluationContext, modelops_project: ProjectResource
    ) -> dg.SensorResult | dg.SkipReason:
        requests: list[dg.RunRequest] = []
        reasons = {spec.name: _why_none(None) for spec in specs}
        with modelops_project.stores() as stores:
            for spec in with_untried_pass(stores, specs):
                gate = promotable_gate(stores, spec)
                if gate is None:
                    reasons[spec.name] = _why_none(held_gate(stores, spec))
                else:
                    requests.append(_request(spec.name, gate))
        return sensor_result(context, requests, reasons)

    return promotion


def _why_none(held: Gate | None) -> str:
    if held is None:
        return "0 candidates to promote"
    return f"version {held.version} is not promoted automatically: {describe_verdict(held.verdict, held.numbers)}"


def _request(endpoint: str, gate: Gate) -> dg.RunRequest:
    config = {"version": gate.version, "reason": f"gate passed: {gate.numbers['reason']}", "actor": "promotion sensor"}
    return dg.RunRequest(
        run_key=f"promote {endpoint} {gate.version} {gate.data_hash}",
        partition_key=endpoint,
        run_config={"ops": {"promote_version": {"config": config}}},
        tags={ENDPOINT_TAG: endpoint},
    )
