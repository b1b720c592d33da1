"""Traffic, failures and latency, counted from the log for the windows that changed; ``traffic`` sums them."""

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores


def measure_service(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    """Bring ``service_metrics`` up to date."""

    def compute(windows: Windows) -> pa.Table:
        parameters = {"size": spec.window, "windows": list(windows)}
        with stores.lake.query(spec.name, [log_table(stores, spec)], dates_of(windows)) as connected:
            return connected.sql(sql.named("service_metrics"), params=parameters).to_arrow_table()

    return recompute(stores, spec, SERVICE_METRICS, compute, backfill=backfill)
