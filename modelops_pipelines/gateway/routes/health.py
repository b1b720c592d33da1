"""The gateway's health: named checks, each of which can fail, and readiness, which depends on fewer of them.

A worker is ready when it can answer and capture. The state database or the registry being away does not stop that:
it goes on with what it knew last, says how old that is, and is degraded.
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
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.alerting.capture_watch import capture_health, watch_capture
from modelops_pipelines.store.stores import Stores

STALE_SECONDS = 10.0
WATCH_SECONDS = 5.0
PROBE_SECONDS = 2.0


class Health:
    """What this worker knows of its own health; ``watch`` looks at what is too slow to look at for a request."""

    def __init__(self, stores: Stores, serving: Serving, capture: Capture) -> None:
        """Nothing is looked at before the first ``watch``."""
        self._stores, self._serving, self._capture = stores, serving, capture
        self._registry_seen_at: float | None = None
        self._registry_fault: str | None = None

    def watch(self) -> None:
        """Look whether the registry answers, and raise or resolve the alerts on capture; called every few seconds."""
        self._look_at_registry()
        specs = [served.spec for served in self._serving.endpoints()]
        watch_capture(self._stores, specs, self._stores.now())

    def is_ready(self) -> bool:
        """Return whether this worker can answer and capture."""
        checks = self._own_checks()
        return all(checks[name]["ok"] for name in ("capture", "endpoints"))

    def report(self) -> dict[str, Any]:
        """Return every check; it is degraded when one fails."""
        checks = self._own_checks() | {"registry": self._registry()} | self._arrival()
        status = "healthy" if all(check["ok"] for check in checks.values()) else "degraded"
        return {"status": status, "worker": self._serving.worker, "checks": checks}

    def _own_checks(self) -> dict[str, dict[str, Any]]:
        now = time.time()
        age, failed_at = self._serving.state_age(now), self._capture.failed_at
        endpoints = self._serving.endpoints()
        waiting = [served.spec.name for served in endpoints if not served.state.variants]
        return {
            "state": {"ok": age is not None and age < STALE_SECONDS, "age_seconds": age},
            "capture": {"ok": failed_at is None, "failed_at": failed_at},
            "endpoints": {"ok": len(waiting) < len(endpoints), "not_deployed": waiting},
        }

    def _look_at_registry(self) -> None:
        self._registry_fault = registry_fault(self._stores.settings.registry_uri)
        if self._registry_fault is None:
            self._registry_seen_at = time.time()

    def _registry(self) -> dict[str, Any]:
        """Return whether the registry answered lately; it is looked at here only when nobody has looked yet."""
        if self._registry_seen_at is None and self._registry_fault is None:
            self._look_at_registry()
        seen = self._registry_seen_at
        age = None if seen is None else time.time() - seen
        return {"ok": self._registry_fault is None, "age_seconds": age, "fault": self._registry_fault}

    def _arrival(self) -> dict[str, dict[str, Any]]:
        """Return whether what is captured arrives: the worst of all endpoints' checks of each kind."""
        now, settings = self._stores.now(), self._stores.settings
        names = [served.spec.name for served in self._serving.endpoints()]
        found = [check for name in names for check in capture_health(settings, name, now).checks]
        kinds = {check.name: [other for other in found if other.name == check.name] for check in found}
        return {f"capture_{kind}": _worst(checks) for kind, checks in kinds.items()}


def registry_fault(uri: str) -> str | None:
    """Return why the registry cannot be reached, without MLflow's client; None when it can."""
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
    """Return the check that failed, or the one that is closest to it."""
    worst = max(checks, key=lambda check: check.value / check.threshold)
    return {"ok": worst.ok, "value": worst.value, "limit": worst.threshold, "message": worst.message}
