"""Rows of a project's tables."""

from typing import Any

from modelops_pipelines.core.tables.lake import LABELS
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from tests.support.project import Project


def table_rows(project: Project, table: str) -> list[dict[str, Any]]:
    from modelops_pipelines.core.tables.lake import FEEDBACK, REJECTS

    known = {
        "inference_log": log_table(project.stores, project.spec),
        "labels": LABELS,
        "feedback": FEEDBACK,
        "rejects": REJECTS,
    }
    with project.stores.lake.query(project.spec.name, [known[table]]) as connected:
        rows: list[dict[str, Any]] = connected.table(table).to_arrow_table().to_pylist()
    return rows
