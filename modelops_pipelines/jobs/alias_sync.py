"""The job and the schedule that compare MLflow's aliases with what is live."""

from collections.abc import Sequence

import dagster as dg

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.resources.project import ProjectResource


def reconcile_job(specs: Sequence[EndpointSpec]) -> dg.JobDefinition:
    """Return the job over all endpoints."""

    @dg.op(name="reconcile_registry", description="Bring MLflow's aliases up to date; report or adopt moved ones.")
    def reconcile_op(context: dg.OpExecutionContext, project: ProjectResource) -> None:
        from modelops_pipelines.operations.release.alias_sync import Reconciled, reconcile

        with project.stores() as stores:
            found = []
            for spec in specs:
                try:
                    found.append(reconcile(stores, spec, f"{context.run_id} {spec.name}"))
                except ModelOpsError as error:
                    found.append(Reconciled(spec.name, "failed", str(error)))
        for one in found:
            context.log.info("%s: %s: %s", one.endpoint, one.action, one.message)
        records = [dg.TableRecord({"endpoint": f.endpoint, "action": f.action, "message": f.message}) for f in found]
        if records:
            context.add_output_metadata({"endpoints": dg.MetadataValue.table(records)})

    @dg.job(
        name="reconcile",
        description="Compare MLflow's aliases with what is live; report or adopt what was moved by hand.",
        executor_def=dg.in_process_executor,
    )
    def reconcile_registry() -> None:
        reconcile_op()

    return reconcile_registry


def reconcile_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Return its schedule: every ten minutes, for a run loads MLflow."""
    return dg.ScheduleDefinition(
        name="reconcile",
        job=job,
        cron_schedule="*/10 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every ten minutes: MLflow's aliases against what is live.",
    )
