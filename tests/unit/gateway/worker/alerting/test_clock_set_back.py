"""A clock that is set back stops no watch of a worker: what was counted ahead of it is forgotten."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.gateway.worker.alerting.count_watch import CountWatch
from modelops_pipelines.gateway.worker.live_metrics import LiveMetrics, SharedMetrics
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.store.stores import Stores
from tests.support.project import Project, make_project

NOON, SECOND, HOUR = datetime(2026, 3, 20, 12, tzinfo=UTC), timedelta(seconds=1), timedelta(hours=1)


class Worker:
    """Two workers of one endpoint: one watches, the other one publishes its counts; they have one clock."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.stores = NOON, project.stores
        monkeypatch.setattr(Stores, "now", lambda _: self.now)
        self.name, folder = project.spec.name, project.stores.settings.home / "live"
        self.served = ServedEndpoint(project.spec, DesiredState(project.spec.name), {})
        self.live, self.shared = LiveMetrics(), SharedMetrics(folder, "other")
        self.watch = CountWatch(self.stores, self.endpoints, SharedMetrics(folder, "watching"))

    def endpoints(self) -> Sequence[ServedEndpoint]:
        return [self.served]

    def answer(self, live: LiveMetrics, status: int, seconds: int = 20) -> None:
        """Answer ten requests a second with this status, and look after each second."""
        for _ in range(seconds):
            for _ in range(10):
                live.add(self.now.timestamp(), 1, status, 5.0)
            self.now += SECOND
            self.shared.publish([(self.name, self.live)], self.now.timestamp())
            self.watch.look()

    def raised(self) -> list[str]:
        return [alert.rule for alert in self.stores.alerts.find()]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(make_project(tmp_path / "project"), monkeypatch)


@pytest.mark.parametrize("by", ["itself", "another worker"])
def test_errors_after_the_clock_was_set_back_are_told(worker: Worker, by: str) -> None:
    live = worker.served.live if by == "itself" else worker.live
    worker.answer(live, 200)
    assert [] == worker.raised()
    worker.now -= HOUR
    worker.answer(live, 500)
    assert ["error_rate_now"] == worker.raised()
    assert worker.watch.newest(worker.name) < NOON.timestamp()


def test_an_alert_of_before_is_resolved_after_the_clock_was_set_back(worker: Worker) -> None:
    worker.answer(worker.served.live, 500)
    worker.now -= HOUR
    worker.answer(worker.served.live, 200, 60)
    assert ["resolved"] == [alert.status for alert in worker.stores.alerts.find()]


def test_requests_that_end_together_are_counted_in_the_newest_second() -> None:
    live = LiveMetrics()
    for second in (100.0, 99.0, 98.0, 100.0):
        live.add(second, 1, 200, 5.0)
    assert [(100, 4)] == [(one.second, one.requests) for one in live.since(0)]
    live.add(50.0, 1, 200, 5.0)
    assert [(50, 1)] == [(one.second, one.requests) for one in live.since(0)]


def test_what_others_published_ahead_of_the_clock_is_no_count_of_the_last_minutes(tmp_path: Path) -> None:
    live = LiveMetrics()
    for second in (100.0, 1_000.0):
        live.add(second, 1, 200, 5.0)
    SharedMetrics(tmp_path / "live", "other").publish([("pay", live)], 20_000.0)
    mine = SharedMetrics(tmp_path / "live", "mine")
    found = [[one.second for one in mine.read_others("pay", now, 20_000)] for now in (200.0, 20_000.0)]
    assert [[100], [100, 1_000]] == found
