"""Logs of services, rotated by size while their processes hold them open, and removed by age."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.maintenance.retention_periods import cutoff
from modelops_pipelines.operations.maintenance.tasks import audited
from modelops_pipelines.store.filesystem.log_rotation import OldLog, beyond_kept, large_logs, older_than, rotate
from modelops_pipelines.store.stores import Stores

_MIB = 1 << 20


def rotate_logs(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Rotate the logs that are larger than ``log_mib``; delete those past ``retain_logs``, and the oldest of too many.

    ``modelops up`` calls it every minute, so that a service that fails and fails again does not fill the disk in a day.
    """
    settings = stores.settings
    most, before = settings.log_mib * _MIB, cutoff(settings.retain_logs, now)
    expired = [] if before is None else older_than(settings.logs, before.timestamp())
    yield from _deleted(stores, now, expired, dry_run=dry_run)
    gone = {one.path for one in expired}
    yield from _deleted(
        stores, now, [one for one in beyond_kept(settings.logs, most) if one.path not in gone], dry_run=dry_run
    )
    large = [(path.name, path.stat().st_size) for path in large_logs(settings.logs, most)]
    rotated = {
        path.name for path in ([] if dry_run else rotate(settings.logs, most, settings.home / "locks" / "logs.lock"))
    }
    for name, size in large:
        if dry_run or name in rotated:
            yield Effect("log files", name, 1, size, f"larger than {settings.log_mib} MiB", action="rewrite")


def _deleted(stores: Stores, now: datetime, old: Iterable[OldLog], *, dry_run: bool) -> Iterator[Effect]:
    def log_of(one: OldLog) -> str:
        return one.path.stem

    for log, files in groupby(sorted(old, key=lambda one: one.path.name), log_of):
        gone = list(files)
        effect = Effect("log files", log, len(gone), sum(one.bytes for one in gone), gone[0].reason)
        if not dry_run:
            with audited(stores, effect, now):
                for one in gone:
                    one.path.unlink(missing_ok=True)
        yield effect
