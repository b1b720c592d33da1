"""The retraining job: the same three steps as the assets, for one endpoint, from the launchpad."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.evaluate import evaluate
from modelops_pipelines.operations.improve.retrain import start_retraining, train_candidate
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.store.state.gates import Gate


class RetrainConfig(dg.Config):
    """Why to retrain; the history of retrainings keeps it."""

    reason: str = "asked for in Dagster"


@dg.op(description="Freeze the training set, train, judge. What is live does not change.")
def retrain_op(context: dg.OpExecutionContext, config: RetrainConfig, project: ProjectResource) -> None:
    """Run a whole retraining and record it as materialisations of the endpoint's assets."""
    with project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        record = start_retraining(stores, spec, config.reason)
        _tell(context, "training_set", {"dagster/row_count": record.rows, "content_hash": record.content_hash})
        version = train_candidate(stores, spec)
        _tell(context, "candidate", {"version": version.version})
        gate = evaluate(stores, spec, version.version)
        _tell(context, "evaluation", {"version": gate.version, "verdict": gate.verdict, **_known(gate)})
    context.log.info("version %s: %s: %s", version.version, gate.verdict, gate.numbers["reason"])


def retrain_job(endpoints: Sequence[str]) -> dg.JobDefinition:
    """Return the job for these endpoints."""

    @dg.job(
        name="retrain",
        description="Train and judge a candidate now. Choose the endpoint as the partition.",
        partitions_def=dg.StaticPartitionsDefinition(list(endpoints)),
        executor_def=dg.in_process_executor,
    )
    def retrain() -> None:
        retrain_op()

    return retrain


def _tell(context: dg.OpExecutionContext, asset: str, metadata: dict[str, object]) -> None:
    context.log_event(dg.AssetMaterialization([context.partition_key, asset], metadata=metadata))  # type: ignore[arg-type]


def _known(gate: Gate) -> dict[str, object]:
    return {name: value for name, value in gate.numbers.items() if value is not None}
