"""The origins of the rows of many training sets, as one view: few reads answer what all of them did with one source."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
from deltalake import ColumnProperties, WriterProperties

from modelops_pipelines.core.tables.training import TRAINING_ORIGINS, origins_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.reader import Lake, session
from modelops_pipelines.store.lake.writer import RISING

GROUP_ROWS = 1 << 15
"""Rows of a row group: what is read to find one label."""
LAYOUT = WriterProperties(
    compression="UNCOMPRESSED",
    max_row_group_size=GROUP_ROWS,
    column_properties={
        "row_id": ColumnProperties(dictionary_enabled=False, statistics_enabled="CHUNK", encoding="DELTA_BYTE_ARRAY"),
        "source_id": ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE"),
        **dict.fromkeys(("position", "event_time", "known_at"), RISING),
    },
)
"""How the table is written. It is ids, and numbers that rise: compression takes as long as all else, and makes it a
tenth smaller. A row's id begins as the one before; ids of labels have no order, so that knowing the smallest and the
largest one helps to find none."""


@contextmanager
def origins_of_sets(
    lake: Lake, endpoint: str, hashes: Sequence[str]
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Mapping[str, str]]]:
    """Open the origins of an endpoint's sets as the view ``training_origins``, with the ``filename`` of each row.

    Beside the connection are the sets that have the table: the content hash by file. There is no view without any.
    """
    with lake.reading(endpoint), session(lake.folder) as connected:
        found = {file: one for one in hashes for file in lake.files(endpoint, origins_table(one))}
        if found:
            relation = connected.read_parquet(list(found), union_by_name=True, filename=True)
            missing = [column for column in TRAINING_ORIGINS.columns if column.name not in relation.columns]
            view = relation.project(sql.with_nulls(missing))
            connected.execute(sql.temporary_view(TRAINING_ORIGINS.name, view))
        yield connected, found


def count_of_origin(lake: Lake, endpoint: str, content_hash: str, origin: str) -> int | None:
    """Return how many rows of a set have their label from an origin; None where the set has no table of origins."""
    with origins_of_sets(lake, endpoint, [content_hash]) as (connected, files):
        if not files:
            return None
        [(found,)] = connected.execute(sql.named("lineage_origin_count"), {"origin": origin}).fetchall()
        return int(found)


def label_sources(lake: Lake, endpoint: str, content_hash: str) -> Mapping[str, int]:
    """Return the rows of a set by the source of their label, most first; none without a table of origins."""
    with origins_of_sets(lake, endpoint, [content_hash]) as (connected, files):
        rows = connected.execute(sql.named("lineage_sources")).fetchall() if files else []
        return {str(name): int(count) for name, count in rows}
