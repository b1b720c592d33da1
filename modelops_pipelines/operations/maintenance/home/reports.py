"""Drift reports past their retention; the newest of each endpoint stays."""

from collections.abc import Iterator
from datetime import datetime

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.maintenance.retention_periods import cutoff
from modelops_pipelines.operations.maintenance.tasks import audited
from modelops_pipelines.store.stores import Stores


def delete_reports(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete the HTML reports that were drawn longer ago than ``retain_reports``."""
    before = cutoff(stores.settings.retain_reports, now)
    if before is None:
        return
    for folder in sorted(path for path in stores.settings.reports.glob("*") if path.is_dir()):
        drawn = sorted((path.stat().st_mtime, path) for path in folder.glob("*.html"))
        old = [path for at, path in drawn[:-1] if at < before.timestamp()]
        if not old:
            continue
        size = sum(path.stat().st_size for path in old)
        effect = Effect("reports", "drift reports", len(old), size, "past its retention", folder.name)
        if not dry_run:
            with audited(stores, effect, now):
                for path in old:
                    path.unlink(missing_ok=True)
        yield effect
