"""Rows of the state database past their retention."""

from collections.abc import Iterator
from datetime import datetime

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.maintenance.retention_periods import cutoff
from modelops_pipelines.operations.maintenance.tasks import audited
from modelops_pipelines.store.stores import Stores


def delete_state_rows(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete rows older than ``retain_state``: of verdicts, resolved alerts, messages, silences, trials and tests.

    Sessions of people that are over go as well.
    The bytes are not known row by row: they are free in the file, which the task ``databases`` makes smaller.
    """
    before = cutoff(stores.settings.retain_state, now)
    if before is None:
        return
    for table, rows in stores.old_rows.count(before).items():
        effect = Effect("state rows", table, rows, 0, "past its retention")
        if not dry_run:
            with audited(stores, effect, now):
                stores.old_rows.delete(table, before)
        yield effect
