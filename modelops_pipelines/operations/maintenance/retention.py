"""The task that deletes rows of the lake past their retention: whole days, by the date of their events."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.maintenance.tasks import Task
from modelops_pipelines.store.lake.maintenance.retirement import LakeRetirement
from modelops_pipelines.store.stores import Stores

NAME = "retention"
KIND = "lake rows"
_BEFORE = "rows deleted before"


def retire(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete the days of every configured endpoint that are past the retention of its YAML.

    Rows of an endpoint without YAML are kept. The files go with a later vacuum.
    """
    lake = LakeRetirement(stores.settings.lake)
    if not dry_run:
        _finish_committed(stores)
    for spec in read_configurations(stores.settings).specs:
        yield from _retire(stores, lake, spec, now, dry_run=dry_run)


def _retire(
    stores: Stores, lake: LakeRetirement, spec: EndpointSpec, now: datetime, *, dry_run: bool
) -> Iterator[Effect]:
    for table, kept in spec.retention.of_tables():
        for one in lake.expired(spec.name, table, now - kept):
            reason = f"older than {format_duration(kept)}"
            item = f"{table} date={one.day.isoformat()}"
            effect = Effect(KIND, item, one.rows, one.bytes, reason, spec.name, detail={"files": one.files})
            if not dry_run:
                before = stores.lake.rows_retired(spec.name, table)
                told = replace(effect, detail={**effect.detail, "table": table, _BEFORE: before})
                started = stores.deletions.start(told, now)
                rows = lake.retire(spec.name, table, one.day)  # some may have come since they were counted
                stores.deletions.finish(started.id, stores.now(), rows)
                effect = replace(effect, items=rows)
            yield effect


def _finish_committed(stores: Stores) -> None:
    """Finish the entries of a killed run whose commit is in their table, with the rows that it deleted."""
    for one in stores.deletions.unfinished(KIND):
        rows = stores.lake.rows_retired(str(one.endpoint), one.detail["table"]) - one.detail[_BEFORE]
        if rows > 0:
            stores.deletions.finish(one.id, stores.now(), rows)


TASK = Task(NAME, "delete rows of the lake that are past their retention", retire, (KIND,))
