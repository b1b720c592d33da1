"""Reports of an asset that no run made, past their retention: Dagster keeps them for ever. The newest stays.

They have no run that maintenance could delete. On SQLite such an event lies in two places: in the index that all runs
share, and in a file of the run without an id.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from dagster import AssetKey, DagsterInstance
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events

ALERTS = AssetKey(["modelops", "alerts"])
"""The asset of alerts, which the sensor `alerts` reports. A project around ours may well have an asset `alerts`."""


def expired_reports(instance: DagsterInstance, asset: AssetKey, before: datetime) -> tuple[int, int]:
    """Return the number of the asset's reports before a time, without the newest of all, and their bytes."""
    storage: Any = instance.event_log_storage
    size = sa.func.coalesce(sa.func.sum(sa.func.length(Events.c.event)), 0)
    with storage.index_connection() as connected:
        query = sa.select(sa.func.count(), size).where(*_past(connected, asset, before))
        count, total = connected.execute(query).one()
    return int(count), int(total)


def delete_reports(instance: DagsterInstance, asset: AssetKey, before: datetime) -> None:
    """Delete them."""
    storage: Any = instance.event_log_storage
    for database in (storage.index_connection(), storage.run_connection(RUNLESS_RUN_ID)):
        with database as connected:
            connected.execute(Events.delete().where(*_past(connected, asset, before)))


def _past(connected: Any, asset: AssetKey, before: datetime) -> tuple[Any, ...]:
    mine = (Events.c.run_id == RUNLESS_RUN_ID, Events.c.asset_key == asset.to_string())
    newest = connected.scalar(sa.select(sa.func.max(Events.c.id)).where(*mine)) or 0
    return (*mine, Events.c.id < newest, Events.c.timestamp < before.replace(tzinfo=None))
