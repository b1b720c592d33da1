"""The job and the schedule that reconcile MLflow's aliases with the live versions."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.resources.project import ProjectResource


def reconcile_job(specs: Sequence[EndpointSpec]) -> dg.JobDefinition:
    """Return the job over all endpoints."""

    @dg.op(
        name="reconcile_registry",
        description="Update MLflow's aliases; report or adopt aliases moved by hand.",
    )
    def reconcile_op(context: dg.OpExecutionContext, modelops_project: ProjectResource) -> None:
        from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
        from modelops_pipelines.operations.release.alias_sync import Reconciled, reconcile

        with modelops_project.stores() as stores:
            results = []
            for spec in specs:
                try:
                    results.append(reconcile(stores, spec, f"{context.run_id} {spec.name}", evaluate))
                except ModelOpsError as error:
                    results.append(Reconciled(spec.name, "failed", str(error)))
        for result in results:
            context.log.info("%s: %s: %s", result.endpoint, result.action, result.message)
        records = [dg.TableRecord({"endpoint": r.endpoint, "action": r.action, "message": r.message}) for r in results]
        if records:
            context.add_output_metadata({"endpoints": dg.MetadataValue.table(records)})

    @dg.job(
        name="reconcile",
        description="Reconcile MLflow's aliases with the live versions; report or adopt aliases moved by hand.",
        executor_def=dg.in_process_executor,
    )
    def reconcile_registry() -> None:
        reconcile_op()

    return reconcile_registry


def reconcile_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Return the job's schedule. Every ten minutes and not more often, because each run loads MLflow."""
    return dg.ScheduleDefinition(
        name="reconcile",
        job=job,
        cron_schedule="*/10 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every ten minutes: reconciles MLflow's aliases with the live versions.",
    )
