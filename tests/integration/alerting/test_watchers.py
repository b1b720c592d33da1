"""The watchers look after each other, and a heartbeat outside says when neither works."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.operations.alerting.delivery.channel_watch import watch_channels
from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
from modelops_pipelines.operations.alerting.delivery.heartbeat import Heart
from modelops_pipelines.operations.alerting.delivery.watchers import DAGSTER, GATEWAY, Watcher
from modelops_pipelines.operations.alerting.watches.home_watch import WHOLE_HOME
from modelops_pipelines.store.stores import Stores
from tests.support.receiver import Receiver, receiving
from tests.support.telling import NOW, Clock, project, tell

FILE = """\
channels:
  night: {{webhook: "{url}", allow_private: true}}
heartbeat: {{url: "{url}/beat", every: 1m, allow_private: true}}
"""


class Moved(Stores):
    """Stores whose clock tests move."""

    clock = Clock()

    def now(self):  # type: ignore[no-untyped-def]
        return self.clock()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def stores(tmp_path: Path, receiver: Receiver) -> Moved:
    made = Moved(project(tmp_path, FILE.format(url=receiver.url)).settings)
    made.clock = Clock()
    return made


def opened(stores: Stores) -> list[tuple[str, str]]:
    return [(alert.rule, alert.kind) for alert in stores.alerts.find(WHOLE_HOME, OPEN)]


def pass_time(stores: Moved, watchers: list[Watcher], minutes: int) -> None:
    for _ in range(minutes * 6):
        stores.clock.move(seconds=10)
        for watcher in watchers:
            watcher.turn(stores, stores.now())


@pytest.mark.parametrize(("mine", "other"), [(GATEWAY, DAGSTER), (DAGSTER, GATEWAY)])
def test_the_one_that_works_says_that_the_other_one_stopped_and_that_it_is_back(
    stores: Moved, mine: str, other: str
) -> None:
    here, there = Watcher(mine), Watcher(other)
    pass_time(stores, [here, there], 5)
    assert [] == opened(stores)
    pass_time(stores, [here], 3)
    assert [(f"watchers_{other}", "watchers")] == opened(stores)
    pass_time(stores, [here, there], 1)
    assert [] == opened(stores)


def test_the_remedy_for_dagster_says_what_a_gateway_that_runs_alone_is_in_the_way_of(stores: Moved) -> None:
    here, there = Watcher(GATEWAY), Watcher(DAGSTER)
    pass_time(stores, [here, there], 1)
    pass_time(stores, [here], 5)
    [alert] = stores.alerts.find(WHOLE_HOME, OPEN)
    assert "Start it: modelops up (end a gateway that runs alone first" in alert.message


def test_a_gateway_that_runs_alone_misses_nobody(stores: Moved) -> None:
    pass_time(stores, [Watcher(GATEWAY)], 10)
    assert [] == opened(stores)


def test_one_that_has_just_started_gives_the_other_one_time(stores: Moved) -> None:
    pass_time(stores, [Watcher(DAGSTER)], 1)
    stores.clock.move(hours=8)
    here = Watcher(GATEWAY)
    pass_time(stores, [here], 1)
    assert [] == opened(stores)
    pass_time(stores, [here], 2)
    assert [("watchers_dagster", "watchers")] == opened(stores)


def test_one_that_slept_gives_the_other_one_time(stores: Moved) -> None:
    here, there = Watcher(GATEWAY), Watcher(DAGSTER)
    pass_time(stores, [here, there], 5)
    stores.clock.move(hours=8)
    here.turn(stores, stores.now())
    there.turn(stores, stores.now())
    assert [] == opened(stores)


def test_the_heartbeat_is_sent_while_a_watcher_works(stores: Moved, receiver: Receiver) -> None:
    heart, here = Heart(stores), Watcher(GATEWAY)
    assert not heart.turn(stores.now())
    for _ in range(6 * 10):
        pass_time(stores, [here], 0)
        stores.clock.move(seconds=10)
        here.turn(stores, stores.now())
        heart.turn(stores.now())
        heart.wait(30)
    sent = len(receiver.received)
    assert {("GET", "/alerts/beat")} == {(got.method, got.path) for got in receiver.received}
    assert 10 == sent
    stores.clock.move(minutes=10)
    assert not heart.turn(stores.now())


def test_a_heartbeat_that_is_refused_again_and_again_opens_an_alert_until_it_is_received(
    stores: Moved, receiver: Receiver
) -> None:
    heart, here = Heart(stores), Watcher(GATEWAY)

    def beat(times: int) -> None:
        for _ in range(times):
            stores.clock.move(minutes=1)
            here.turn(stores, stores.now())
            heart.turn(stores.now())
            heart.wait(30)

    receiver.answer = 500
    beat(3)
    assert [] == opened(stores)
    beat(1)
    assert [("heartbeat", "delivery")] == opened(stores)
    [alert] = stores.alerts.find(WHOLE_HOME, OPEN)
    assert "the heartbeat was not received 3 times in a row" in alert.message
    receiver.answer = 204
    beat(2)
    assert [] == opened(stores)


def test_a_faulty_file_and_a_channel_that_takes_nothing_open_alerts_and_resolve(
    stores: Moved, receiver: Receiver
) -> None:
    good = stores.settings.alerting_file.read_text()
    watch_channels(stores, stores.now())
    assert [] == opened(stores)
    stores.settings.alerting_file.write_text("channels: oops\n")
    watch_channels(stores, stores.now())
    watch_channels(stores, stores.now())
    assert [("alerting.yaml", "configuration")] == opened(stores)
    assert 1 == stores.alerts.find(WHOLE_HOME, OPEN)[0].count
    receiver.answer = 500
    tell(stores, "flights", "opened", ["night"], NOW)
    for _ in range(5):
        deliver_due(stores, stores.now())  # by what held before
        stores.clock.move(minutes=5)
    watch_channels(stores, stores.now())
    assert [("channel night", "delivery"), ("alerting.yaml", "configuration")] == opened(stores)
    receiver.answer = 200
    stores.settings.alerting_file.write_text(good)
    deliver_due(stores, stores.now() + timedelta(minutes=5))
    watch_channels(stores, stores.now())
    assert [] == opened(stores)


def test_a_channel_that_refuses_what_it_gets_has_an_alert_until_a_message_comes_through(
    stores: Moved, receiver: Receiver
) -> None:
    receiver.answer = 400
    tell(stores, "flights", "opened", ["night"], NOW)
    deliver_due(stores, stores.now())
    watch_channels(stores, stores.now())
    assert [("channel night", "delivery")] == opened(stores)
    [alert] = stores.alerts.find(WHOLE_HOME, OPEN)
    assert "its last message was given up: " in alert.message
    assert "modelops alert dead-letters --resend" in alert.message
    stores.clock.move(hours=2)
    watch_channels(stores, stores.now())
    assert [("channel night", "delivery")] == opened(stores)
    receiver.answer = 204
    tell(stores, "buses", "opened", ["night"], stores.now())
    deliver_due(stores, stores.now())
    watch_channels(stores, stores.now())
    assert [] == opened(stores)


def test_a_channel_whose_message_is_given_up_after_a_day_keeps_its_alert_until_it_is_sent_again(
    stores: Moved, receiver: Receiver
) -> None:
    receiver.answer = 500
    tell(stores, "flights", "opened", ["night"], NOW)
    while not stores.messages.dead():
        deliver_due(stores, stores.now())
        stores.clock.move(minutes=30)
    watch_channels(stores, stores.now())
    assert [("channel night", "delivery")] == opened(stores)
    receiver.answer = 204
    stores.messages.resend([letter.message_id for letter in stores.messages.dead()], stores.now())
    deliver_due(stores, stores.now())
    watch_channels(stores, stores.now())
    assert [] == opened(stores)
