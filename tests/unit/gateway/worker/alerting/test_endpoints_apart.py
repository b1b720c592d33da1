"""One endpoint that cannot be watched keeps no watch of a worker from the others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec, Slo
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.gateway.worker.alerting.count_watch import CountWatch
from modelops_pipelines.gateway.worker.alerting.row_watch import RowWatch
from modelops_pipelines.gateway.worker.alerting.slo_watch import SloWatch
from modelops_pipelines.gateway.worker.live_metrics import SharedMetrics
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.alerting.watches.row_faults import RowFaults
from modelops_pipelines.store.stores import Stores
from tests.fakes.live_seconds import steady
from tests.support.project import Project, make_project

NOON, SECOND = datetime(2026, 3, 20, 12, tzinfo=UTC), timedelta(seconds=1)


class Watched:
    """Two endpoints of a project, and a clock; the alerts of the first, ``aaa``, cannot be locked."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.stores = NOON, project.stores
        monkeypatch.setattr(Stores, "now", lambda _: self.now)
        slo = Slo("availability", 0.99)
        specs = [replace(project.spec, name=name, slos=(slo,)) for name in ("aaa", "pay")]
        self.served = [ServedEndpoint(spec, DesiredState(spec.name), {}) for spec in specs]
        (self.stores.settings.home / "locks" / "aaa.alerts.lock").mkdir(parents=True)

    def endpoints(self) -> Sequence[ServedEndpoint]:
        return self.served

    def raised(self) -> set[str]:
        return {alert.endpoint for alert in self.stores.alerts.find()}


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(make_project(tmp_path / "project"), monkeypatch)


def test_errors_of_the_next_endpoint_are_told_and_the_fault_too(watched: Watched) -> None:
    watch = CountWatch(watched.stores, watched.endpoints, SharedMetrics(watched.stores.settings.home / "live", "w"))
    faults = 0
    for _ in range(20):
        for served in watched.served:
            for _ in range(10):
                served.live.add(watched.now.timestamp(), 1, 500, 5.0)
        watched.now += SECOND
        try:
            watch.look()
        except OSError:
            faults += 1
    assert {"pay"} == watched.raised()
    assert faults > 0


def test_objectives_of_the_next_endpoint_are_told(watched: Watched) -> None:
    watch = SloWatch(watched.stores, watched.endpoints, lambda _: steady(NOON, 30, 100, failing=40))
    with pytest.raises(OSError, match="aaa"):
        watch.look()
    assert {"pay"} == watched.raised()


class Counts(CountWatch):
    """Counts by which every endpoint always has a new request."""

    def newest(self, endpoint: str) -> int:
        return 1 + len(endpoint)

    def with_rules(self, spec: EndpointSpec) -> EndpointSpec:
        return spec


def test_rows_of_the_next_endpoint_are_read(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    monkeypatch.setattr(RowFaults, "judge", lambda _, __, spec, *___, **____: judged.append(spec.name))
    folder = watched.stores.settings.spool / "aaa" / "predictions"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(folder)
    counts = Counts(watched.stores, watched.endpoints, SharedMetrics(watched.stores.settings.home / "live", "w"))
    with pytest.raises(OSError, match="symbolic links"):
        RowWatch(watched.stores, watched.endpoints, counts).look()
    assert ["pay"] == judged
