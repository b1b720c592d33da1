"""What a running gateway has captured, as the log's rows."""

from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.capture.ingest import IngestReport, ingest
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from tests.support.project import Project
from tests.support.waiting import wait_until


def take_in(project: Project, spec: EndpointSpec) -> IngestReport:
    """Ingest what the gateway has captured for the endpoint until now."""
    spool = project.stores.settings.spool / spec.name / "predictions"
    wait_until(lambda: not list(spool.glob("*/*.open")), 20)
    return ingest(project.stores, spec, "predictions")


def log_of(project: Project, spec: EndpointSpec) -> list[dict[str, Any]]:
    """Ingest what there is; return the log's rows in order."""
    take_in(project, spec)
    table = log_table(project.stores, spec)
    with project.stores.lake.query(spec.name, [table]) as connected:
        found = connected.sql(f"SELECT * FROM {table.name} ORDER BY request_id, row_index")
        return [dict(row) for row in found.to_arrow_table().to_pylist()]
