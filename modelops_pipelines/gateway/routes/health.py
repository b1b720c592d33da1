"""The gateway's health: named checks, and readiness, which depends on two of them.

A worker is ready when it can answer and capture. Without the state database or the registry it keeps serving the last
known state, reports that state's age, and is degraded.
"""

import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from modelops_pipelines.core.capture.health import Check
from modelops_pipelines.gateway.hot_path.durable_capture import Capture
from modelops_pipelines.gateway.supervision.board import Board
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.alerting.capture_watch import capture_health, watch_capture
from modelops_pipelines.store.stores import Stores

STALE_SECONDS = 10.0
WATCH_SECONDS = 5.0
PROBE_SECONDS = 2.0


class Health:
    """The health checks of this worker; ``watch`` runs those that are too slow for a request."""

    def __init__(self, stores: Stores, serving: Serving, capture: Capture, board: Board) -> None:
        """Check nothing yet: the first ``watch`` or ``report`` does."""
        self._stores, self._serving, self._capture, self._board = stores, serving, capture, board
        self._registry_ok_at: float | None = None
        self._registry_fault: str | None = None

    def watch(self) -> None:
        """Check the registry, and open or resolve the capture alerts; called every WATCH_SECONDS."""
        self._check_registry()
        specs = [served.spec for served in self._serving.endpoints()]
        watch_capture(self._stores, specs, self._stores.now())

    def is_ready(self) -> bool:
        """Return whether this worker can answer and capture."""
        checks = self._own_checks()
        return all(checks[name]["ok"] for name in ("capture", "endpoints"))

    def report(self) -> dict[str, Any]:
        """Return every check, and the status: degraded when one fails."""
        checks = self._own_checks() | {"registry": self._registry()} | self._capture_checks()
        status = "healthy" if all(check["ok"] for check in checks.values()) else "degraded"
        return {"status": status, "worker": self._serving.worker, "checks": checks}

    def _own_checks(self) -> dict[str, dict[str, Any]]:
        now = time.time()
        age, failed_at = self._serving.state_age(now), self._capture.failed_at
        endpoints = self._serving.endpoints()
        undeployed = [served.spec.name for served in endpoints if not served.state.variants]
        return {
            "state": {
                "ok": age is not None and age < STALE_SECONDS,
                "age_seconds": age,
                "fault": self._serving.state_fault(),
            },
            "capture": {"ok": failed_at is None, "failed_at": failed_at},
            "endpoints": {"ok": len(undeployed) < len(endpoints), "not_deployed": undeployed},
            "versions": self._versions(),
            "workers": self._workers(),
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
        found = [check for name in names for check in capture_health(settings, name, now).checks]
        kinds = {check.name: [other for other in found if other.name == check.name] for check in found}
        return {f"capture_{kind}": _worst(checks) for kind, checks in kinds.items()}


def registry_fault(uri: str) -> str | None:
    """Return the name of the error when the registry does not answer, else None; without MLflow's slow client."""
    try:
        if uri.startswith("sqlite:"):
            path = sa.make_url(uri).database
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PROBE_SECONDS)) as connected:
                connected.execute("SELECT 1 FROM registered_models LIMIT 1")
        elif uri.startswith(("http://", "https://")):
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PROBE_SECONDS):  # noqa: S310 - as set
                pass
    except (OSError, urllib.error.URLError, sqlite3.Error) as error:
        return type(error).__name__
    return None


def _worst(checks: Sequence[Check]) -> dict[str, Any]:
    """Return the check with the largest value relative to its threshold."""
    worst = max(checks, key=lambda check: check.value / check.threshold)
    return {"ok": worst.ok, "value": worst.value, "limit": worst.threshold, "message": worst.message}
