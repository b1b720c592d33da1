"""What a clock that was moved, or a machine that slept, does to messages: they are neither held back nor given up."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.channels.outcome import DELIVERED, Outcome, failed
from modelops_pipelines.core.alerting.configuration import Channel
from modelops_pipelines.core.alerting.messages import DEAD, PENDING
from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
from tests.support.alert_verdicts import NOW, StoppedClock
from tests.support.told_alerts import MINUTE, alerted_stores, judge

TEAM = 'channels:\n  team: {webhook: "http://127.0.0.1:9/team"}\n'
DAY = timedelta(days=1)


@pytest.fixture
def stores(tmp_path: Path) -> StoppedClock:
    return alerted_stores(tmp_path, TEAM)


class Receiver:
    """Takes messages while it is up, and keeps the endpoints that they told of."""

    def __init__(self) -> None:
        """Be up."""
        self.is_up = True
        self.heard: list[str] = []

    def send(self, _: Channel, _id: str, content: Mapping[str, Any], _now: datetime) -> Outcome:
        """Take a message or fail."""
        if self.is_up:
            self.heard += [change["endpoint"] for change in content["changes"]]
        return DELIVERED if self.is_up else failed("down")


def deliver(stores: StoppedClock, receiver: Receiver, after: timedelta = timedelta(seconds=5)) -> None:
    stores.moment += after
    deliver_due(stores, stores.moment, send=receiver.send)


def test_messages_of_a_clock_that_was_ahead_hold_up_none_when_it_is_set_back(stores: StoppedClock) -> None:
    receiver = Receiver()
    stores.moment = NOW + DAY
    for passed in (False, True):
        for number in range(10):
            judge(stores, *[passed] * 2, endpoint=f"e{number}")
        deliver(stores, receiver)
    assert 20 == len(receiver.heard)
    stores.moment = NOW
    judge(stores, False, endpoint="pay")
    deliver(stores, receiver)
    assert "pay" == receiver.heard[-1]


def test_what_was_due_or_postponed_by_a_clock_that_was_ahead_is_told_at_once(stores: StoppedClock) -> None:
    receiver = Receiver()
    stores.moment = NOW + DAY
    judge(stores, False, endpoint="pay")
    receiver.is_up = False
    deliver(stores, receiver)
    judge(stores, False, endpoint="flights")
    stores.moment, receiver.is_up = NOW, True
    deliver(stores, receiver)
    assert ["flights", "pay"] == sorted(receiver.heard)


def test_a_machine_that_slept_gives_its_messages_the_rest_of_their_day(stores: StoppedClock) -> None:
    receiver = Receiver()
    receiver.is_up = False
    for endpoint in ("flights", "pay"):
        judge(stores, False, endpoint=endpoint)
    deliver(stores, receiver)
    deliver(stores, receiver, 2 * DAY)
    for _ in range(3):
        deliver(stores, receiver, 5 * MINUTE)
    assert [PENDING] * 2 == [one.status for one in stores.messages.recent()]
    for _ in range(24 * 12):
        deliver(stores, receiver, 5 * MINUTE)
    assert [DEAD] * 2 == [one.status for one in stores.messages.recent()]
