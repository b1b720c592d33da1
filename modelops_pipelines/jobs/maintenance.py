"""The job that maintains the home, and its schedules: all of it every night, the lake's files every hour."""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from modelops_pipelines.core.maintenance.effects import Outcome
from modelops_pipelines.resources.project import ProjectResource

HOURLY = ["compaction", "vacuum"]
"""What keeps ingests and queries of the newest day fast."""
SHOWN_EFFECTS = 200


class MaintenanceConfig(dg.Config):
    """The tasks to run, by name; without names, all. A dry run shows what they would do."""

    only: list[str] = Field(default_factory=list)
    dry_run: bool = False


@dg.op(name="maintain", description="Compact the lake, remove old files, delete what is past its retention.")
def maintain_op(context: dg.OpExecutionContext, config: MaintenanceConfig, modelops_project: ProjectResource) -> None:
    """Run the tasks; a task that fails does not stop the others."""
    from modelops_pipelines.operations.maintenance.all_tasks import TASKS
    from modelops_pipelines.operations.maintenance.run import chosen, require_success, run_tasks

    with modelops_project.stores() as stores:
        outcomes = run_tasks(stores, chosen(TASKS, config.only), stores.now(), dry_run=config.dry_run)
        context.add_output_metadata(_tables(outcomes))
        require_success(outcomes)


@dg.job(
    name="maintenance",
    description="Compact the lake, remove old files, delete what is past its retention; every deletion is recorded.",
    executor_def=dg.in_process_executor,
)
def maintenance_job() -> None:
    """Maintain the home."""
    maintain_op()


def maintenance_schedules() -> list[dg.ScheduleDefinition]:
    """Return the schedules. Two runs never overlap: one waits for the other."""
    hourly = {"ops": {"maintain": {"config": {"only": HOURLY}}}}
    return [
        dg.ScheduleDefinition(
            name="maintenance",
            job=maintenance_job,
            cron_schedule="20 3 * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Every night: compacts the lake, deletes what is past its retention, removes old files.",
        ),
        dg.ScheduleDefinition(
            name="compaction",
            job=maintenance_job,
            cron_schedule="40 * * * *",
            run_config=hourly,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Every hour: joins the lake's small files, and removes those that were superseded.",
        ),
    ]


def _tables(outcomes: Sequence[Outcome]) -> dict[str, dg.MetadataValue | int]:
    """Return the tasks and their effects as two tables, and numbers that Dagster plots."""
    effects = [(outcome.task, effect) for outcome in outcomes for effect in outcome.effects]
    deleted = [effect for _, effect in effects if effect.action == "delete"]
    tasks: list[dict[str, str | int | float]] = [
        {"task": o.task, "changes": len(o.effects), "seconds": round(o.seconds, 1), "error": o.error or ""}
        for o in outcomes
    ]
    names = ("action", "kind", "endpoint", "item", "items", "bytes", "reason")
    rows = [{"task": task, **{name: getattr(effect, name) or "" for name in names}} for task, effect in effects]
    shown: dict[str, dg.MetadataValue | int] = {"tasks": dg.MetadataValue.table([dg.TableRecord(row) for row in tasks])}
    if rows:
        shown["changes"] = dg.MetadataValue.table([dg.TableRecord(row) for row in rows[:SHOWN_EFFECTS]])
    return {
        **shown,
        "changes_total": len(rows),
        "bytes_deleted": sum(effect.bytes for effect in deleted),
        "bytes_rewritten": sum(effect.bytes for _, effect in effects if effect.action == "rewrite"),
    }
