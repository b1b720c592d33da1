"""The watch of live counts judges new requests only, from when a rule was made or its alert was resolved."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, Alert
from modelops_pipelines.core.release.desired_state import DesiredState
from modelops_pipelines.gateway.worker.alerting.count_watch import CountWatch
from modelops_pipelines.gateway.worker.live_metrics import SharedMetrics
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.alerting.life.act_on_alerts import resolve
from modelops_pipelines.operations.alerting.life.change_rules import add_rule
from modelops_pipelines.operations.alerting.life.raise_alerts import alerts_lock
from modelops_pipelines.store.stores import Stores
from tests.support.project import make_project

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
PER_SECOND = 10
RULE, ADDED = "error_rate_now", "added_now"


class Watching:
    """A watch of one endpoint whose clock and requests a test sets."""

    def __init__(self, stores: Stores, served: ServedEndpoint) -> None:
        self.now, self.stores, self.served = NOON, stores, served
        self.watch = CountWatch(stores, lambda: [served], SharedMetrics(stores.settings.home / "live", "one"))

    def ask(self, seconds: int, status: int = 200) -> None:
        """Answer requests for so long, and look after each second."""
        for _ in range(seconds):
            for _ in range(PER_SECOND):
                self.served.live.add(self.now.timestamp(), 1, status, 5.0)
            self.idle(1)

    def idle(self, seconds: int) -> None:
        """Look every second for so long."""
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.watch.look()

    def opened(self, rule: str = RULE) -> Sequence[Alert]:
        return [one for one in self.stores.alerts.find(self.served.spec.name, OPEN) if one.rule == rule]


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watching:
    project = make_project(tmp_path / "project")
    found = Watching(project.stores, ServedEndpoint(project.spec, DesiredState(project.spec.name), {}))
    monkeypatch.setattr(Stores, "now", lambda _: found.now)
    return found


def test_an_alert_resolves_after_two_minutes_of_good_requests(watching: Watching) -> None:
    watching.ask(60, 500)
    assert watching.opened()
    watching.ask(120)
    assert not watching.opened()


def test_without_requests_nothing_is_counted_and_nothing_resolved(watching: Watching) -> None:
    watching.ask(10, 500)
    [alert] = watching.opened()
    watching.idle(300)
    [later] = watching.opened()
    assert (alert.count, alert.last_seen_at) == (later.count, later.last_seen_at)


def test_too_many_requests_resolve_when_none_comes_any_more(watching: Watching) -> None:
    add_rule(watching.stores, watching.served.spec, {"kind": "throughput", "name": "many", "above": 2}, actor="ann")
    watching.ask(120)
    [alert] = watching.opened("many_now")
    assert alert.message.startswith("requests per second 10 is above 2 over ")
    watching.idle(400)
    assert not watching.opened("many_now")


def test_what_is_resolved_by_hand_is_not_raised_by_what_was_before(watching: Watching) -> None:
    watching.ask(60, 500)
    [alert] = watching.opened()
    resolve(watching.stores, alert.id or 0, "ann", "rolled back")
    watching.ask(60)
    assert not watching.opened()
    watching.ask(10, 500)
    assert watching.opened()


def test_a_new_rule_counts_from_its_addition(watching: Watching) -> None:
    watching.ask(60, 500)
    rule = {"kind": "error_rate", "name": "added", "above": 0}
    add_rule(watching.stores, watching.served.spec, rule, actor="ann")
    watching.watch = CountWatch(watching.stores, lambda: [watching.served], watching.watch._shared)  # it knows the rule
    watching.ask(60)
    assert not watching.opened(ADDED)
    watching.ask(10, 500)
    assert watching.opened(ADDED)


def test_a_look_that_waits_for_nobody_is_made_up_for_without_further_requests(watching: Watching) -> None:
    with alerts_lock(watching.stores, watching.served.spec.name):
        watching.ask(10, 500)
        assert not watching.opened()
    watching.idle(1)
    assert watching.opened()
