"""The partitions of a table with recently received rows. Partitions are by event time, which may be long ago."""

from datetime import date, datetime

from modelops_pipelines.store.lake.reader import Lake


def dates_received(lake: Lake, endpoint: str, table: str, since: datetime) -> list[date]:
    """Return the partitions with rows received since then, by the files' statistics; files without them count too."""
    delta = lake.table(endpoint, table)
    if delta is None:
        return []
    files = delta.get_add_actions(flatten=True)
    days = [_day(day) for day in files.column("partition.date").to_pylist()]
    known = "max.received_at" in files.schema.names
    latest = files.column("max.received_at").to_pylist() if known else [None] * len(days)
    return sorted({day for day, last in zip(days, latest, strict=True) if last is None or last >= since})


def _day(given: date | str) -> date:
    return given if isinstance(given, date) else date.fromisoformat(given)
