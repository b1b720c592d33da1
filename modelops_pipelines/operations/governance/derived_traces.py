"""What is derived from erased rows: removed with them, so that no category or extreme value of theirs stays.

Dagster's assets compute the removed windows again: they are marked. References of training sets stay, as the sets do.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.derivations import DERIVATIONS
from modelops_pipelines.core.tables.lake import DAILY_PROFILES, PROFILES
from modelops_pipelines.core.windows import LENGTH, hours_of, window_of
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.eraser import LakeEraser
from modelops_pipelines.store.stores import Stores

DERIVED: tuple[Table, ...] = tuple(table for one in DERIVATIONS for table in (one.table, *one.companions))
_REPORT = re.compile(r"drift-(\d{4}-\d\d-\d\d)T\d\d\.html")


def remove_derived(eraser: LakeEraser, spec: EndpointSpec, windows: Sequence[datetime]) -> None:
    """Remove the windows' rows from every derived table, and all history of these tables from the disk."""
    starts = {*windows, *hours_of(windows, spec.window), *(window_of(one, "day") for one in windows)}
    mine = pc.field("window_start").isin(pa.array(sorted(starts), pa.timestamp("us", "UTC")))
    for table in DERIVED:
        eraser.delete(spec.name, table.name, mine)
        eraser.purge(spec.name, table.name)


def remove_references(
    stores: Stores, eraser: LakeEraser, spec: EndpointSpec, first_by_version: Mapping[str, datetime], mark: str
) -> None:
    """Remove versions' references that were taken from windows of the log with erased rows, and profiles on their bins.

    ``first_by_version`` has the first erased event time of each version. The windows of the log are marked for ``mark``
    before, as they are to be profiled again.
    """
    removed = [
        version
        for version, first in first_by_version.items()
        if (last := _last_window(stores, spec, version)) and first < last + LENGTH[spec.window]
    ]
    if removed:
        stores.touched_windows.mark(spec.name, [mark], _logged_windows(stores, spec))
    for version in removed:
        stores.references.remove(spec.model_name, version)
        for table in (PROFILES, DAILY_PROFILES):
            eraser.delete(spec.name, table.name, pc.field("model_version") == version)


def remove_reports(stores: Stores, spec: EndpointSpec, windows: Iterable[datetime]) -> None:
    """Remove reports that show erased rows: the health page, and drift reports from the first window on.

    A later drift report shows the days before as its reference.
    """
    first = min((window.date().isoformat() for window in windows), default=None)
    folder = stores.settings.reports / spec.name
    if first is None:
        return
    (folder / "health.html").unlink(missing_ok=True)
    for path in folder.glob("drift-*.html"):
        match = _REPORT.fullmatch(path.name)
        if match and match[1] >= first:
            path.unlink()


def _last_window(stores: Stores, spec: EndpointSpec, version: str) -> datetime | None:
    reference = stores.references.read(spec.model_name, version)
    return reference.last_window if reference else None


def _logged_windows(stores: Stores, spec: EndpointSpec) -> list[datetime]:
    with stores.lake.query(spec.name, [log_table(stores, spec)]) as connected:
        return [row[0] for row in connected.execute(sql.named("log_windows"), {"size": spec.window}).fetchall()]
