"""All tasks of maintenance, in the order in which they run."""

from modelops_pipelines.operations.maintenance import (
    compaction,
    deleted_feedback,
    retention,
    review_items,
    training_sets,
    vacuum,
)
from modelops_pipelines.operations.maintenance.home.tasks import HOME_TASKS
from modelops_pipelines.operations.maintenance.tasks import Task

TASKS: tuple[Task, ...] = (
    retention.TASK,
    deleted_feedback.TASK,
    review_items.TASK,
    training_sets.TASK,
    compaction.TASK,
    vacuum.TASK,
    *HOME_TASKS,
)
