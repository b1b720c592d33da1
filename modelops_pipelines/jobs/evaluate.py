"""The job that judges a registered version with the gate, whoever trained it; for one endpoint, started by hand."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.assets.improve import step_metadata
from modelops_pipelines.core.evaluation.gate import FAIL, describe_verdict
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_version
from modelops_pipelines.resources.project import ProjectResource


class EvaluateConfig(dg.Config):
    """The version to judge."""

    version: str


@dg.op(
    name="evaluate_version",
    description="Judge a version against the champion on the evaluation days; fails when the gate fails.",
)
def evaluate_op(context: dg.OpExecutionContext, config: EvaluateConfig, modelops_project: ProjectResource) -> None:
    """Judge a version and record the verdict. The live version does not change."""
    with modelops_project.stores() as stores:
        step = evaluate_version(stores, endpoint_named(stores, context.partition_key), config.version)
    verdict = describe_verdict(step.record.verdict, step.record.numbers)
    if step.record.verdict == FAIL:
        raise dg.Failure(f"Version {config.version}: {verdict}", metadata=step_metadata(step), allow_retries=False)
    context.log.info("version %s: %s", config.version, verdict)
    context.add_output_metadata(step_metadata(step))


def evaluate_job(endpoints: Sequence[str]) -> dg.JobDefinition:
    """Return the job for these endpoints."""
    about = "Judge any registered version against the champion. Choose the endpoint as the partition."

    @dg.job(
        name="evaluate",
        description=about,
        partitions_def=dg.StaticPartitionsDefinition(list(endpoints)),
        executor_def=dg.in_process_executor,
    )
    def evaluate() -> None:
        evaluate_op()

    return evaluate
