"""What a home takes and how it grows, as findings for ``modelops doctor``: each in words, and as numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from modelops_pipelines.core.errors import UnavailableError
from modelops_pipelines.core.maintenance.backups import HABIT, age_limit, age_of, check_backup
from modelops_pipelines.core.maintenance.growth import DAY, HomeCheck, Reading, growth_of
from modelops_pipelines.operations.alerting.watches.capture_watch import capture_health
from modelops_pipelines.operations.alerting.watches.home_watch import home_checks
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.maintenance.home.dagster_history import history_costs
from modelops_pipelines.operations.maintenance.home.sizes import read_sizes
from modelops_pipelines.platforms.one_up import read_states
from modelops_pipelines.platforms.process_costs import service_costs
from modelops_pipelines.store.stores import Stores

_MIB, _GIB = 1 << 20, 1 << 30
_SHOWN = 5


@dataclass(frozen=True)
class Figure:
    """One finding: whether it is within its limit, its sentence, and its numbers as JSON values."""

    ok: bool
    found: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


class HomeFigures:
    """The figures of one home now. The sizes are read once, and recorded as the day's reading."""

    def __init__(self, stores: Stores, now: datetime) -> None:
        """Read nothing yet."""
        self._stores, self._now = stores, now

    def all(self) -> dict[str, Callable[[], Figure]]:
        """Return what gives each figure, by its name, in the order in which they are shown."""
        return {
            "sizes": self.sizes,
            "growth": self.growth,
            "files": self.files,
            "waiting": self.waiting,
            "runs": self.runs,
            "memory": self.memory,
            "maintenance": self.maintenance,
            "backup": self.backup,
        }

    @cached_property
    def _reading(self) -> Reading:
        try:
            costs, self._fault = history_costs(self._stores.settings, self._now), None
        except UnavailableError as error:
            costs, self._fault = None, error
        return self._stores.readings.record(read_sizes(self._stores.settings, self._now, costs))

    @cached_property
    def _checks(self) -> list[HomeCheck]:
        _ = self._reading
        return [check for _, check in home_checks(self._stores, self._now)]

    def sizes(self) -> Figure:
        """Return the size of each part of the home."""
        parts = {name: size for name, size in self._reading.parts.items() if size}
        shown = ", ".join(f"{name} {_size(size)}" for name, size in sorted(parts.items(), key=lambda one: -one[1]))
        return Figure(True, f"{_size(self._reading.total)}: {shown}", {"bytes": self._reading.total, "parts": parts})

    def growth(self) -> Figure:
        """Return the growth a day, and when the disk is full."""
        check = self._check("disk_full")
        growth = growth_of(self._stores.readings.read())
        known = growth and {"bytes_a_day": growth.bytes_a_day, "since": growth.since, "parts_a_day": growth.parts}
        numbers = {"disk_free": self._reading.disk_free, "days_until_full": check.value, **(known or {})}
        if growth is None:
            numbers |= {"bytes_a_day": None, "reason": "readings of two days are needed"}
        return Figure(check.ok, check.message, numbers)

    def files(self) -> Figure:
        """Return the tables of the lake with the most files."""
        tables = self._reading.tables[:_SHOWN]
        failed = [check for check in self._checks if check.name == "table_files" and not check.ok]
        shown = ", ".join(f"{one.endpoint}/{one.table} {one.files}" for one in tables) or "no table has files"
        numbers = {"tables": [vars(one) for one in tables]}
        return Figure(not failed, failed[0].message if failed else f"most files: {shown}", numbers)

    def waiting(self) -> Figure:
        """Return how long the oldest captured row has waited; a failure only while ``up`` runs, which should ingest."""
        settings = self._stores.settings
        lags = [
            next(check for check in capture_health(settings, spec.name, self._now).checks if check.name == "lag")
            for spec in configured(settings)
        ]
        if not lags:
            return Figure(True, "no endpoint captures rows", {"seconds": None})
        worst = max(lags, key=lambda one: one.value)
        is_up = read_states(settings.home) is not None
        told = worst.message if is_up or worst.ok else f"{worst.message} (modelops up does not run)"
        return Figure(worst.ok or not is_up, told, {"seconds": worst.value, "limit": worst.threshold})

    def runs(self) -> Figure:
        """Return what Dagster's runs and ticks of the last day took."""
        cost = self._reading.runs
        if self._fault is not None:
            return Figure(False, str(self._fault))
        checks = [check for check in self._checks if check.name in ("runs", "ticks")]
        if cost is None or not checks:
            return Figure(True, "Dagster has not run here")
        return Figure(all(c.ok for c in checks), " ".join(c.message for c in checks), vars(cost))

    def memory(self) -> Figure:
        """Return the processes of ``modelops up``, their memory and their CPU."""
        costs = service_costs(self._stores.settings.home, self._now.timestamp())
        if not costs:
            return Figure(True, "modelops up does not run", {"processes": 0})
        shown = ", ".join(f"{one.service} {one.bytes / _MIB:.0f}" for one in costs)
        count, total = sum(one.processes for one in costs), sum(one.bytes for one in costs)
        cores = sum(one.cpu_seconds / one.seconds for one in costs if one.seconds > 0)
        found = f"{count} processes, {total / _MIB:.0f} MiB ({shown}), {cores:.2f} of a core since they started"
        services = [vars(one) for one in costs]
        return Figure(True, found, {"processes": count, "bytes": total, "cores": cores, "services": services})

    def maintenance(self) -> Figure:
        """Return when maintenance last succeeded."""
        check = self._check("maintenance")
        return Figure(check.ok, check.message, {"days": check.value})

    def backup(self) -> Figure:
        """Return the age of the newest backup; it is late by how often backups were taken before."""
        taken = self._stores.backups.read()
        age, limit = age_of(taken, self._now), age_limit(taken)
        if age is None:
            none = "no backup of this home was taken with modelops backup"
            return Figure(True, f"{none}: take one with: modelops backup TARGET", {"days": None, "reason": none})
        numbers = {"days": age / DAY, "limit": limit and limit / DAY, "at": taken[-1].at, "target": taken[-1].target}
        check = check_backup(taken, self._now)
        if check is None:
            found = f"The newest backup is {age / DAY:.1f} days old, in {taken[-1].target}"
            why = f"not judged: {len(taken)} of {HABIT} backups that tell how often one is taken"
            return Figure(True, f"{found} ({why}).", {**numbers, "reason": why})
        return Figure(check.ok, check.message, numbers)

    def _check(self, name: str) -> HomeCheck:
        return next(check for check in self._checks if check.name == name)


def _size(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / _MIB:.1f} MiB"
