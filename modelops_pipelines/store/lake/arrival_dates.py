"""Which days of a table hold what was received lately: event times may be of any past, and days are of event time."""

from datetime import date, datetime

from modelops_pipelines.store.lake.reader import Lake


def dates_received(lake: Lake, endpoint: str, table: str, since: datetime) -> list[date]:
    """Return the partitions with a row received from then on, by the files' statistics; a file without any counts."""
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
