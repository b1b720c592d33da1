"""The watch of objectives in a worker: raises and resolves alerts from live counts, and leaves the state alone else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED
from modelops_pipelines.core.endpoints.spec import Slo
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.gateway.worker.alerting.slo_watch import SloWatch
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.alerting.life.raise_alerts import alerts_lock
from modelops_pipelines.store.state.alerting.alerts import Alerts
from modelops_pipelines.store.stores import Stores
from tests.fakes.lake_rows import write
from tests.fakes.live_seconds import LiveSecond, steady
from tests.support.project import Project, make_project

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
MINUTE, LOOK = timedelta(minutes=1), timedelta(seconds=10)


class Watching:
    """A watch of one endpoint whose clock and counts a test sets."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.counts = NOON, list[LiveSecond]()
        self.project = project
        monkeypatch.setattr(Stores, "now", lambda _: self.now)
        self.watch = self.begin()

    def begin(self) -> SloWatch:
        return SloWatch(self.project.stores, self.endpoints, self.recent)

    def endpoints(self) -> Sequence[ServedEndpoint]:
        spec = self.project.spec
        return [ServedEndpoint(spec, DesiredState(spec.name), {})]

    def recent(self, endpoint: str) -> Sequence[LiveSecond]:
        assert endpoint == self.project.spec.name
        return self.counts

    def look(self, after: timedelta) -> list[str]:
        """Look once, after so much time; return the states of the alerts."""
        self.now += after
        self.watch.look()
        return [alert.status for alert in self.project.stores.alerts.find(self.project.spec.name)]


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watching:
    """Return a watch of an endpoint that had three days without an error before the last hour."""
    project = make_project(tmp_path / "project")
    row = {"model_version": "1", "variant": "champion", "requests": 6000, "predictions": 6000, "client_errors": 0}
    row |= {"server_errors": 0, "latency_sum_ms": 1.0, "latency_counts": "{}"}
    earlier = [{**row, "window_start": NOON - n * timedelta(hours=1)} for n in range(2, 80)]
    write(project.stores, project.spec, SERVICE_METRICS, earlier)
    slo = Slo("availability", 0.99, owner="team:serving", runbook="https://wiki.example.com/down")
    project.spec = replace(project.spec, slos=(slo,))
    return Watching(project, monkeypatch)


def test_errors_open_an_alert_with_the_objectives_owner_and_runbook_and_it_resolves(watching: Watching) -> None:
    watching.counts = steady(NOON, 30, 100, failing=40)
    assert [OPEN] == watching.look(LOOK)
    [alert] = watching.project.stores.alerts.find(watching.project.spec.name, OPEN)
    assert ("slo_availability", "slo", "error") == (alert.rule, alert.kind, alert.severity)
    opened = watching.project.stores.alert_events.of(alert.id or 0)[0].detail
    assert ("team:serving", "https://wiki.example.com/down") == (opened["owner"], opened["runbook"])
    watching.counts += steady(NOON + 10 * MINUTE, 10, 100)
    assert [OPEN] == watching.look(10 * MINUTE)
    assert [RESOLVED] == watching.look(LOOK)


def test_a_watch_that_begins_resolves_what_another_one_raised(watching: Watching) -> None:
    watching.counts = steady(NOON, 30, 100, failing=40)
    watching.look(LOOK)
    watching.watch = watching.begin()
    watching.counts += steady(NOON + 10 * MINUTE, 10, 100)
    assert [[OPEN], [RESOLVED]] == [watching.look(10 * MINUTE), watching.look(LOOK)]


def test_while_all_is_well_the_state_is_not_read(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    watching.look(LOOK)
    monkeypatch.setattr(Alerts, "find", lambda *given: reads.append(given))
    watching.counts = steady(NOON, 60, 100)
    watching.now += MINUTE
    for _ in range(5):
        watching.watch.look()
        watching.now += LOOK
    assert [] == reads


def test_a_look_waits_for_nobody_and_the_next_one_tries_again(watching: Watching) -> None:
    watching.counts = steady(NOON, 30, 100, failing=40)
    with alerts_lock(watching.project.stores, watching.project.spec.name):
        assert [] == watching.look(LOOK)
    assert [OPEN] == watching.look(LOOK)
