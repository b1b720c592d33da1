"""The tasks of this room, in the order in which they run: what frees room first, then what measures."""

from modelops_pipelines.operations.maintenance.home.dagster_history import prune_history
from modelops_pipelines.operations.maintenance.home.databases import shrink_databases
from modelops_pipelines.operations.maintenance.home.leftovers import remove_leftovers
from modelops_pipelines.operations.maintenance.home.log_files import rotate_logs
from modelops_pipelines.operations.maintenance.home.model_versions import delete_versions
from modelops_pipelines.operations.maintenance.home.reports import delete_reports
from modelops_pipelines.operations.maintenance.home.sizes import record_sizes
from modelops_pipelines.operations.maintenance.home.state_rows import delete_state_rows
from modelops_pipelines.operations.maintenance.tasks import Task

HOME_TASKS: tuple[Task, ...] = (
    Task(
        "dagster",
        "Dagster's runs, events and ticks",
        prune_history,
        ("Dagster runs", "Dagster ticks", "Dagster reports"),
    ),
    Task("models", "versions in MLflow that nobody will serve again", delete_versions, ("model versions",)),
    Task("reports", "HTML reports", delete_reports, ("reports",)),
    Task("logs", "logs of services", rotate_logs, ("log files",)),
    Task("leftovers", "drafts, copies and live metrics that nothing needs", remove_leftovers, ("leftovers",)),
    Task(
        "state", "verdicts, resolved alerts, trials and tests in the state database", delete_state_rows, ("state rows",)
    ),
    Task("databases", "free space in SQLite files", shrink_databases, ()),
    Task("sizes", "the reading of the home's sizes", record_sizes, ()),
)
