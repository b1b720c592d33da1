"""Which rows a table does not hold yet, by their ids, found column by column: for rows that come past the spool."""

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import ELSEWHERE, EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.rows.ids import all_differ
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.stores import Stores


def new_rows(stores: Stores, spec: EndpointSpec, table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows whose id neither the table nor an earlier row has, in order, without those of erased requests.

    Only the days of the rows are read: an id stands for its event time.
    """
    rows = _first_of_each(rows, table.key[0])
    erased = ErasedRequests(stores.database)
    if len(rows) and erased.has_any(spec.name):
        gone = erased.among(spec.name, rows.column("prediction_id").to_pylist())
        rows = rows.filter(pa.array([not one for one in gone], pa.bool_()))
    known = _known(stores, spec, table, rows)
    return rows.filter(pc.invert(pc.is_in(rows.column(table.key[0]), known))) if len(known) else rows


def new_predictions(stores: Stores, spec: EndpointSpec, rows: pa.Table) -> pa.Table:
    """Return the rows of the log with each prediction from elsewhere once; those of a gateway stay as they are."""
    foreign = pc.equal(rows.column("source"), ELSEWHERE)
    if not pc.any(foreign).as_py():
        return rows
    own, others = rows.filter(pc.invert(foreign)), rows.filter(foreign)
    return pa.concat_tables([own, new_rows(stores, spec, INFERENCE_LOG, others)])


def _first_of_each(rows: pa.Table, key: str) -> pa.Table:
    if all_differ(rows.column(key)):
        return rows
    numbered = pa.table({key: rows.column(key), "at": pa.array(range(len(rows)), pa.int64())})
    first = numbered.group_by(key).aggregate([("at", "min")]).column("at_min")
    return rows.take(first.take(pc.sort_indices(first)))


def _known(stores: Stores, spec: EndpointSpec, table: Table, rows: pa.Table) -> pa.ChunkedArray:
    """Return those of the rows' ids that the table holds."""
    key, dates = table.key[0], sorted(rows.column("date").unique().to_pylist())
    ids = rows.column(key)
    if not dates or not stores.lake.files(spec.name, table.name, dates):
        return ids.slice(0, 0)
    with stores.lake.query(spec.name, [table], dates) as connected:
        connected.execute(sql.id_view(key, table.name))
        connected.register("given", pa.table({"id": ids}))
        return connected.sql(sql.named("known_of_given")).to_arrow_table().column("id")
