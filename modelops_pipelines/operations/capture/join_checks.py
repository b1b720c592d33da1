"""Checks that labels and feedback join the predictions that they refer to."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.operations.lake.endpoint_tables import log_table, stream_table
from modelops_pipelines.operations.lake.incremental import dates_of
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Joined:
    """How many predictions have a response in the partitions read, and how many of these the log lacks."""

    responses: int
    unmatched: int


def join_with_log(stores: Stores, spec: EndpointSpec, stream: str, windows: Collection[datetime]) -> Joined:
    """Count the predictions with responses on these windows' days that are not exactly one answered row of the log.

    A prediction may have any number of labels and of feedback. One that is still in the spool is unmatched until it is
    ingested. Days whose predictions were deleted, because they were past their retention, are left out.
    """
    kept = stores.lake.kept_from(spec.name, INFERENCE_LOG.name) if windows else None
    dates = [day for day in dates_of(list(windows)) if kept is None or day >= kept]
    if not dates:
        return Joined(0, 0)
    with stores.lake.query(spec.name, [log_table(stores, spec)], dates) as connected:
        stores.lake.attach(connected, "responses", spec.name, stream_table(stores, spec, stream), dates)
        responses, unmatched = connected.execute(sql.named("unmatched")).fetchall()[0]
    return Joined(responses, unmatched)
