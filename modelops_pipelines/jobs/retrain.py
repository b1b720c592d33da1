"""The retraining job: the same three steps as the assets, for one endpoint, started by hand."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.assets.improve import step_shown
from modelops_pipelines.core.evaluation.gate import describe_verdict
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.state.improve.gates import Gate


class RetrainConfig(dg.Config):
    """The reason to retrain, recorded with the retraining."""

    reason: str = "requested in Dagster"


@dg.op(description="Freeze the training set, train and evaluate a candidate. The live version does not change.")
def retrain_op(context: dg.OpExecutionContext, config: RetrainConfig, modelops_project: ProjectResource) -> None:
    """Run a whole retraining and record it as materializations of the endpoint's assets."""
    with modelops_project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        for step in retrain(stores, spec, config.reason):
            shown = step_shown(stores, spec, step)
            context.log_event(dg.AssetMaterialization([spec.name, step.asset], metadata=shown))
    gate: Gate = step.record
    context.log.info("version %s: %s", gate.version, describe_verdict(gate.verdict, gate.numbers))


def retrain_job(endpoints: Sequence[str]) -> dg.JobDefinition:
    """Return the job for these endpoints."""

    @dg.job(
        name="retrain",
        description="Train and evaluate a candidate now. Choose the endpoint as the partition.",
        partitions_def=dg.StaticPartitionsDefinition(list(endpoints)),
        executor_def=dg.in_process_executor,
    )
    def retrain() -> None:
        retrain_op()

    return retrain
