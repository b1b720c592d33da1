"""The trial job: judges a version on trial, or a new champion, by the log and its labels; promotes or rolls it back."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.resources.project import ProjectResource


@dg.op(
    name="judge_trial",
    description="Compare errors, latency and labelled losses of challenger and champion; promote, roll back or wait.",
)
def judge_op(context: dg.OpExecutionContext, modelops_project: ProjectResource) -> None:
    """Judge the endpoint's trial."""
    from modelops_pipelines.operations.release import commands as releases
    from modelops_pipelines.operations.release.trials.ab_tests import running_result
    from modelops_pipelines.operations.release.trials.canary import advance_trial
    from modelops_pipelines.operations.release.trials.probation import judge_new_champion

    with modelops_project.stores() as stores:
        spec = endpoint_named(stores, context.partition_key)
        driven = advance_trial(stores, spec) or judge_new_champion(stores, spec)
        if driven is not None and driven.change is not None:
            releases.sync_registry(stores, spec)
        experiment = running_result(stores, spec)
    if driven is None:
        context.log.info("no version is on trial, and no new champion has labels that were not judged yet")
        return
    verdict = driven.verdict
    context.log.info("version %s: %s: %s", driven.version, verdict.verdict, verdict.reason)
    if driven.held:
        context.log.warning("held at its share: %s", driven.held)
    context.add_output_metadata(
        {
            "version": driven.version,
            "verdict": verdict.verdict,
            "reason": verdict.reason,
            "guards": dg.MetadataValue.json(dict(verdict.numbers)),
            "change": driven.change.sentence if driven.change else driven.held or "none: it continues",
            **({"ab_test": dg.MetadataValue.json(experiment.describe())} if experiment else {}),
        }
    )


def trial_job(endpoints: Sequence[str]) -> dg.JobDefinition:
    """Return the job for these endpoints."""
    about = (
        "Judge the version on trial, or a new champion: roll it back, promote it one step, or wait. "
        "Choose the endpoint as the partition."
    )
    partitions = dg.StaticPartitionsDefinition(list(endpoints))

    @dg.job(name="trial", description=about, partitions_def=partitions, executor_def=dg.in_process_executor)
    def trial() -> None:
        judge_op()

    return trial
