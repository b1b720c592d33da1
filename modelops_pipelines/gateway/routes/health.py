"""The gateway's health: named checks, and readiness, which depends on two of them.

A worker is ready when it can answer and capture, and has loaded what it loads before it is asked. Without the state
database or the registry it keeps serving the last known state, reports that state's age, and is degraded. A version
that is not in memory and loads at its first request is no fault; one that cannot be loaded is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from modelops_pipelines.core.capture.health import Check
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.supervision.board import Board
from modelops_pipelines.gateway.worker.alerting.watches import WATCHES
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.delivery.channel_watch import watch_channels
from modelops_pipelines.operations.alerting.delivery.watchers import GATEWAY, Watcher
from modelops_pipelines.operations.alerting.watches.capture_watch import capture_health, watch_capture, watch_refusals
from modelops_pipelines.operations.alerting.watches.configuration_watch import watch_configurations
from modelops_pipelines.operations.alerting.watches.home_watch import watch_home
from modelops_pipelines.store.registry.availability import registry_fault
from modelops_pipelines.store.stores import Stores

STALE_SECONDS = 10.0
WATCH_SECONDS = 5.0
PROBE_SECONDS = 2.0
READY, NOT_READY = "ready", "not ready"
MOST_NAMES = 50
"""Endpoints that are named as not in memory; the others are counted."""


class Health:
    """The health checks of this worker; ``watch`` runs those that are too slow for a request."""

    def __init__(self, stores: Stores, serving: Serving, capture: Capture, board: Board) -> None:
        """Check nothing yet: the first ``watch`` or ``report`` does."""
        self._stores, self._serving, self._capture, self._board = stores, serving, capture, board
        self._watcher, self._apart = Watcher(GATEWAY), Apart()
        self._registry_ok_at: float | None = None
        self._registry_fault: str | None = None

    def watch(self) -> None:
        """Check the registry; open or resolve alerts on capture, configurations and the home, every WATCH_SECONDS."""
        self._check_registry()
        stores, specs = self._stores, [served.spec for served in self._serving.endpoints()]
        watches: Mapping[str, Callable[[datetime], object]] = {
            "capture": lambda now: watch_capture(stores, specs, now),
            "refusals": lambda now: watch_refusals(stores, self._capture.refusals.take(), now),
            "configurations": lambda now: watch_configurations(stores, self._serving.configurations.problems(), now),
            "the home": lambda now: watch_home(stores, now),
            "channels": lambda now: watch_channels(stores, now),
            "watchers": lambda now: self._watcher.turn(stores, now),
        }
        for name, watch in watches.items():
            with self._apart.alone(name):
                watch(stores.now())
        self._apart.raise_first()

    def is_ready(self) -> bool:
        """Return whether this worker can answer and capture, and has loaded what it loads before it is asked."""
        return self._serving.is_warm and self._capture.failed_at is None and self._has_answering()

    def readiness(self) -> dict[str, Any]:
        """Return whether this worker is ready, and how many endpoints cannot be loaded, or are not in memory."""
        status = READY if self.is_ready() else NOT_READY
        return {"status": status, "not_loaded": len(self._unloaded()), "not_resident": len(self._not_resident())}

    def readiness_of(self, endpoint: str) -> dict[str, Any]:
        """Return whether this worker can answer for an endpoint; it loads nothing and says not why it cannot.

        Raises UnknownError.
        """
        served = self._serving.find(endpoint)
        if served is None:
            raise UnknownError(f"There is no endpoint {endpoint[:80]!r}", "Correct the name")
        can_answer = served.is_answering and served.unserved is None and served.load_fault is None
        is_ready = can_answer and not served.is_deploying and self._capture.failed_at is None
        status = READY if is_ready else NOT_READY
        return {"status": status, "endpoint": endpoint, "resident": can_answer and served.is_resident}

    def report(self) -> dict[str, Any]:
        """Return every check, and the status: degraded when one fails."""
        checks = self._own_checks() | {"registry": self._registry()} | self._capture_checks()
        status = "healthy" if all(check["ok"] for check in checks.values()) else "degraded"
        return {"status": status, "worker": self._serving.worker, "checks": checks}

    def _own_checks(self) -> dict[str, dict[str, Any]]:
        now = time.time()
        age, failed_at = self._serving.state_age(now), self._capture.failed_at
        unloaded, undeployed = self._unloaded(), self._undeployed()
        return {
            "state": {
                "ok": age is not None and age < STALE_SECONDS,
                "age_seconds": age,
                "fault": self._serving.state_fault(),
            },
            "capture": {"ok": failed_at is None, "failed_at": failed_at},
            "endpoints": {"ok": self._has_answering(), "not_deployed": undeployed},
            "champions": {"ok": not unloaded, "not_loaded": unloaded},
            "memory": self._memory(),
            "versions": self._versions(),
            "configurations": self._configurations(),
            "workers": self._workers(),
            "alerting": self._alerting(),
        }

    def _unloaded(self) -> dict[str, str]:
        """Return the active endpoints with a version that cannot be loaded, with the reason."""
        found = ((one.spec.name, one.unserved or one.load_fault) for one in self._serving.endpoints())
        return {name: str(why) for name, why in found if why is not None}

    def _undeployed(self) -> list[str]:
        return [one.spec.name for one in self._serving.endpoints() if not one.state.variants and one.unserved is None]

    def _has_answering(self) -> bool:
        """Return whether there is an endpoint with a version that serves, or could once the endpoint is started."""
        endpoints = self._serving.endpoints()
        return any(one.state.variants and one.unserved is None and one.load_fault is None for one in endpoints)

    def _not_resident(self) -> list[str]:
        """Return the endpoints whose versions load at the first request."""
        endpoints = self._serving.endpoints()
        return [one.spec.name for one in endpoints if not one.is_resident and one.load_fault is None]

    def _memory(self) -> dict[str, Any]:
        """Return what the versions in memory take, and who is not there; it fails when the pinned alone do not fit."""
        residents, absent, budget = (
            self._serving.residency.residents(),
            self._not_resident(),
            self._serving.residency.budget,
        )
        pinned = sum(one.bytes for one in residents if one.is_pinned)
        return {
            "ok": budget is None or pinned <= budget,
            "versions_mib": _mib(sum(one.bytes for one in residents)),
            "pinned_mib": _mib(pinned),
            "budget_mib": None if budget is None else _mib(budget),
            "not_resident": len(absent),
            "load_at_first_request": absent[:MOST_NAMES],
        }

    def _workers(self) -> dict[str, Any]:
        """Return how many workers of this gateway serve, and why one cannot start."""
        workers = self._board.read()
        if workers is None:
            return {"ok": True, "wanted": self._serving.workers, "serving": None, "problem": None}
        return {"ok": workers.serving >= workers.wanted, **vars(workers)}

    def _versions(self) -> dict[str, Any]:
        """Return the endpoints whose version this worker cannot serve, with the reason."""
        names = [served.spec.name for served in self._serving.endpoints()]
        failed = {name: why for name in names if (why := self._serving.failure(name)) is not None}
        return {"ok": not failed, "failed": failed}

    def _configurations(self) -> dict[str, Any]:
        """Return the endpoints, or files, whose newest configuration is not in force, with the reason."""
        problems = self._serving.configurations.problems()
        return {"ok": not problems, "problems": problems}

    def _alerting(self) -> dict[str, Any]:
        """Return what is wrong with this worker's watches of live counts and newest rows, and with delivery."""
        faults = self._serving.faults_of((*WATCHES, "delivery"))
        return {"ok": not faults, "faults": faults}

    def _check_registry(self) -> None:
        self._registry_fault = registry_fault(self._stores.settings.registry_uri)
        if self._registry_fault is None:
            self._registry_ok_at = time.time()

    def _registry(self) -> dict[str, Any]:
        """Return the last check of the registry; checks it here only if it was never checked before."""
        if self._registry_ok_at is None and self._registry_fault is None:
            self._check_registry()
        ok_at = self._registry_ok_at
        age = None if ok_at is None else time.time() - ok_at
        return {"ok": self._registry_fault is None, "age_seconds": age, "fault": self._registry_fault}

    def _capture_checks(self) -> dict[str, dict[str, Any]]:
        """Return the checks of lag, backlog and disk: for each kind, the worst of all endpoints."""
        now, settings = self._stores.now(), self._stores.settings
        names = [served.spec.name for served in self._serving.endpoints()]
        found: list[Check] = []
        unreadable: dict[str, str] = {}
        for name in names:
            try:
                found += capture_health(settings, name, now).checks
            except OSError as error:
                unreadable[name] = error.strerror or type(error).__name__
        kinds = {check.name: [other for other in found if other.name == check.name] for check in found}
        checks = {f"capture_{kind}": _worst(checks) for kind, checks in kinds.items()}
        return checks | {"capture_spools": {"ok": not unreadable, "unreadable": unreadable}}


def _mib(size: int) -> float:
    return round(size / (1024 * 1024), 1)


def _worst(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the check with the largest value relative to its threshold."""
    worst = max(checks, key=lambda check: check.value / check.threshold)
    return {"ok": worst.ok, "value": worst.value, "limit": worst.threshold, "message": worst.message}
