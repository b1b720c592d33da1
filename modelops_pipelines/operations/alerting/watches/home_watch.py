"""The alerts on the home as a whole: its disk is full soon, maintenance or backups do not run, a table has many files.

They are judged by the readings that maintenance and ``modelops doctor`` record. Each gateway worker watches, and so
does Dagster's alert sensor: one of them is enough, and a home whose Dagster is down is told that nothing maintains it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from modelops_pipelines.core.alerting.alerts import OPEN, PASSES_TO_RESOLVE, Alert, Verdict
from modelops_pipelines.core.maintenance.backups import check_backup
from modelops_pipelines.core.maintenance.growth import (
    HomeCheck,
    Limits,
    check_growth,
    check_maintained,
    check_runs,
    check_tables,
)
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock, apply_verdicts
from modelops_pipelines.store.stores import Stores

STORAGE = "storage"
"""The kind of these alerts."""
WHOLE_HOME = "(home)"
"""In the place of an endpoint's name, for what belongs to no endpoint; no endpoint can have this name."""
LIMITS = Limits()
_WATCH = Apart("The watch of the storage")
_ERRORS = ("disk_full", "maintenance")


def home_checks(stores: Stores, now: datetime, limits: Limits = LIMITS) -> list[tuple[datetime, HomeCheck]]:
    """Return each check of the home, with the time of what it judges. Reads three small files."""
    readings = stores.readings.read()
    ends = stores.maintenance_ends.read(now)
    checks = [
        (now.replace(hour=0, minute=0, second=0, microsecond=0), check_maintained(ends.tasks, ends.since, now, limits))
    ]
    backup = check_backup(stores.backups.read(), now)
    if backup is not None:
        checks.append((checks[0][0], backup))
    if readings:
        last = readings[-1]
        grown = check_growth(readings, limits)
        found = [*([grown] if grown else []), *check_tables(last, limits), *check_runs(last, limits)]
        checks += [(last.at, check) for check in found]
    return checks


def watch_home(stores: Stores, now: datetime, limits: Limits = LIMITS) -> list[AlertChange]:
    """Open, count or resolve the alerts on the home; return what changed. Call it every few seconds.

    A failure is counted once for each reading, or each day without maintenance; the first reading that passes resolves
    its alert. While nothing changes, a call costs three small files and one read of the state.
    """
    checks = {(check.endpoint or WHOLE_HOME, check.name): (at, check) for at, check in home_checks(stores, now, limits)}
    opened = {(a.endpoint, a.rule): a for a in stores.alerts.find(None, OPEN) if a.kind == STORAGE}
    changes: list[AlertChange] = []
    for endpoint in sorted({endpoint for endpoint, _ in (*checks, *opened)}):
        due = _due(endpoint, checks, opened, now)
        if not due:
            continue
        with _WATCH.alone(endpoint), alerts_lock(stores, endpoint, seconds=0):
            changes += apply_verdicts(stores, endpoint, due, now)
    return changes


def _due(
    endpoint: str,
    checks: Mapping[tuple[str, str], tuple[datetime, HomeCheck]],
    opened: Mapping[tuple[str, str], Alert],
    now: datetime,
) -> list[Verdict]:
    due: list[Verdict] = []
    for name in sorted({name for one, name in (*checks, *opened) if one == endpoint}):
        at, check = checks.get((endpoint, name), (now, None))
        due += _verdicts(name, at, check, opened.get((endpoint, name)))
    return due


def _verdicts(name: str, at: datetime, check: HomeCheck | None, alert: Alert | None) -> Iterable[Verdict]:
    """Return the verdicts to apply: none where nothing is new, a pass as often as resolving needs."""
    if check is None:
        gone = Verdict(name, STORAGE, "warning", True, None, None, 1, text(at), "It is not measured any more")
        return [gone] * PASSES_TO_RESOLVE
    severity = "error" if name in _ERRORS else "warning"
    verdict = Verdict(name, STORAGE, severity, check.ok, check.value, check.limit, 1, text(at), check.message)
    if check.ok:
        return [verdict] * PASSES_TO_RESOLVE if alert is not None else []
    return [] if alert is not None and alert.data_window == verdict.window else [verdict]
