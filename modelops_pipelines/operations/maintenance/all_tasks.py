"""All tasks of maintenance, in the order in which they run."""

from modelops_pipelines.operations.maintenance.tasks import Task

TASKS: tuple[Task, ...] = ()
