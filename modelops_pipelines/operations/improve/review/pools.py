"""Reads from the lake what the queue is filled from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.review.selection import Pool
from modelops_pipelines.core.tables.lake import FEEDBACK, LABELS, SHADOW_LOG, typed_for
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores


def answered_of(stores: Stores, spec: EndpointSpec, day: date) -> pa.Table:
    """Return the day's answered predictions, with labels, feedback and another version's answers, in a fixed order."""
    with _opened(stores, spec, [day]) as connected:
        connected.execute(sql.named("label_now"))
        return connected.sql(sql.named("review_pool"), params={"day": day}).to_arrow_table()


def flagged_rows(stores: Stores, spec: EndpointSpec, feedback_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the predictions that this feedback is about, with the ids of that feedback."""
    with _opened(stores, spec, None) as connected:
        found = connected.sql(sql.named("review_flagged"), params={"feedback": list(feedback_ids)})
        rows: list[dict[str, Any]] = found.to_arrow_table().to_pylist()
    return rows


def pool_of(spec: EndpointSpec, rows: pa.Table) -> Pool:
    """Return a day's rows as the core judges them."""
    columns = {name: rows.column(name).to_pylist() for name in rows.column_names}
    return Pool(
        task=spec.task,
        prediction=columns["prediction"],
        score=columns["score"],
        label=columns["label"],
        corrected=columns["corrected_label"],
        complaints=columns["complaints"],
        shadow=columns["shadow"],
        positive=spec.positive_label,
    )


@contextmanager
def _opened(stores: Stores, spec: EndpointSpec, days: Sequence[date] | None) -> Iterator[duckdb.DuckDBPyConnection]:
    tables = [log_table(stores, spec), *(typed_for(one, spec.task) for one in (LABELS, FEEDBACK, SHADOW_LOG))]
    with stores.lake.query(spec.name, tables, days) as connected:
        yield connected
