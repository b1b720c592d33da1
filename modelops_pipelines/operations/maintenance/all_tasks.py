"""All tasks of maintenance, in the order in which they run."""

from modelops_pipelines.operations.maintenance import compaction, retention, training_sets, vacuum
from modelops_pipelines.operations.maintenance.tasks import Task

TASKS: tuple[Task, ...] = (retention.TASK, training_sets.TASK, compaction.TASK, vacuum.TASK)
