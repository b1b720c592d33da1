"""What is to be told reaches a real receiver at least once under one id, whatever the receiver does."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.channels.outcome import DELIVERED as SENT
from modelops_pipelines.channels.outcome import Outcome
from modelops_pipelines.core.alerting.messages import DEAD, DELIVERED, PENDING
from modelops_pipelines.operations.alerting.configuration import alerting_configuration
from modelops_pipelines.operations.alerting.delivery.deliver import Deliverer, deliver_due
from modelops_pipelines.operations.alerting.delivery.tries import Tries, try_channel
from modelops_pipelines.store.state.alerting import messages
from modelops_pipelines.store.stores import Stores
from tests.support.receiver import DROPS, Receiver, receiving
from tests.support.telling import NOW, SECRET, Clock, events_in, project, tell, untold
from tests.support.waiting import wait_until

NIGHT = """\
channels:
  night: {{webhook: "{url}", secret: env:NIGHT_SECRET, allow_private: true}}
  other: {{webhook: "{url}/other", allow_private: true}}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def stores(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Stores:
    monkeypatch.setenv("NIGHT_SECRET", SECRET)
    return project(tmp_path, NIGHT.format(url=receiver.url))


def test_a_change_is_delivered_once_and_signed(stores: Stores, receiver: Receiver) -> None:
    event = tell(stores, "flights", "opened", ["night"], NOW)
    assert deliver_due(stores, NOW)
    assert deliver_due(stores, NOW)
    [got] = receiver.received
    [message] = stores.messages.recent()
    assert (DELIVERED, 1, got.id) == (message.status, message.attempts, message.message_id)
    assert [event] == events_in(got.body)
    assert got.headers["webhook-signature"].startswith("v1,")
    assert str(int(NOW.timestamp())) == got.headers["webhook-timestamp"]


def test_what_is_not_due_yet_or_withheld_is_not_told(stores: Stores, receiver: Receiver) -> None:
    tell(stores, "flights", "opened", ["night"], NOW + timedelta(seconds=3))
    deliver_due(stores, NOW)
    assert [] == receiver.received
    deliver_due(stores, NOW + timedelta(seconds=3))
    assert 1 == len(receiver.received)


def test_changes_of_an_endpoint_are_told_together_and_in_order(stores: Stores, receiver: Receiver) -> None:
    first = [tell(stores, "flights", what, ["night"], NOW) for what in ("opened", "acknowledged", "resolved")]
    other = tell(stores, "taxis", "opened", ["night"], NOW)
    deliver_due(stores, NOW)
    assert [first, [other]] == [events_in(got.body) for got in receiver.received]


@pytest.mark.parametrize("answer", [500, 503, 302, 401, 404, DROPS])
def test_a_failed_try_is_repeated_later_under_its_id(stores: Stores, receiver: Receiver, answer: int | str) -> None:
    receiver.answer, receiver.headers = answer, {"location": receiver.url} if answer == 302 else {}
    tell(stores, "flights", "opened", ["night"], NOW)
    clock = Clock()
    deliver_due(stores, clock())
    deliver_due(stores, clock())
    assert 1 == len(receiver.received)
    [waiting] = stores.messages.recent()
    assert (PENDING, 1) == (waiting.status, waiting.attempts)
    assert NOW + timedelta(seconds=2.5) <= waiting.due_at <= NOW + timedelta(seconds=5)
    receiver.answer, receiver.headers = 200, {}
    clock.move(seconds=5)
    deliver_due(stores, clock())
    assert 1 == len({got.id for got in receiver.received})
    assert 1 == len({got.body for got in receiver.received})
    assert 0 == untold(stores)


@pytest.mark.parametrize("answer", [400, 413, 422])
def test_a_message_that_is_refused_is_a_dead_letter_which_can_be_sent_again(
    stores: Stores, receiver: Receiver, answer: int
) -> None:
    receiver.answer = answer
    tell(stores, "flights", "opened", ["night"], NOW)
    deliver_due(stores, NOW)
    [dead] = stores.messages.dead()
    assert (DEAD, NOW) == (dead.status, dead.finished_at)
    assert f"the receiver answers {answer}" in str(dead.last_error)
    receiver.answer = 200
    assert [dead.message_id] == stores.messages.resend([dead.message_id], NOW)
    deliver_due(stores, NOW)
    assert [] == stores.messages.dead()
    assert {dead.message_id} == {got.id for got in receiver.received}


def test_a_message_that_fails_for_a_day_is_a_dead_letter(stores: Stores, receiver: Receiver) -> None:
    receiver.answer = 500
    tell(stores, "flights", "opened", ["night"], NOW)
    clock = Clock()
    tries = 0
    while not stores.messages.dead():
        deliver_due(stores, clock())
        tries += 1
        clock.move(minutes=5)
    [dead] = stores.messages.dead()
    assert timedelta(days=1) <= clock() - dead.created_at < timedelta(days=1, minutes=10)
    assert str(dead.last_error).startswith("given up after 1d: the receiver answers 500")
    assert tries < 300


def test_a_receiver_that_says_gone_gets_nothing_more_until_its_configuration_changes(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answer = 410
    tell(stores, "flights", "opened", ["night"], NOW)
    deliver_due(stores, NOW)
    tell(stores, "taxis", "opened", ["night"], NOW)
    deliver_due(stores, NOW)
    assert 1 == len(receiver.received)
    assert 2 == len(stores.messages.dead())
    monkeypatch.setenv("NIGHT_SECRET", "whsec_" + "A" * 40)
    receiver.answer = 200
    stores.messages.resend([one.message_id for one in stores.messages.dead()], NOW)
    deliver_due(stores, NOW)
    assert 0 == untold(stores)


def test_a_receiver_that_asks_to_wait_is_left_alone_so_long(stores: Stores, receiver: Receiver) -> None:
    receiver.answer, receiver.headers = 429, {"retry-after": "120"}
    for endpoint in ("flights", "taxis"):
        tell(stores, endpoint, "opened", ["night"], NOW)
    deliver_due(stores, NOW)
    assert [NOW + timedelta(seconds=120)] * 2 == [one.due_at for one in stores.messages.recent()]
    assert 1 == len(receiver.received)


def test_while_an_earlier_message_fails_the_later_changes_wait_and_are_told_together(
    stores: Stores, receiver: Receiver
) -> None:
    receiver.answer = 500
    clock = Clock()
    events = [tell(stores, "flights", "opened", ["night"], clock())]
    deliver_due(stores, clock())
    for what in ("acknowledged", "resolved", "reopened"):
        clock.move(minutes=10)
        events.append(tell(stores, "flights", what, ["night"], clock()))
        deliver_due(stores, clock())
    receiver.answer = 200
    for _ in range(2):
        clock.move(minutes=10)
        deliver_due(stores, clock())
    assert [[events[0]], events[1:]] == [events_in(got.body) for got in receiver.accepted()]


def test_a_receiver_that_hangs_holds_up_no_other(stores: Stores, receiver: Receiver) -> None:
    receiver.by_path = {"/alerts": "hangs"}
    tell(stores, "flights", "opened", ["night", "other"], NOW)
    deliverer = Deliverer(stores, clock=Clock())
    assert deliverer.turn()
    wait_until(lambda: any(got.path == "/alerts/other" for got in receiver.received), 30)
    wait_until(lambda: [DELIVERED] == [one.status for one in stores.messages.recent() if one.channel == "other"], 30)
    assert [PENDING] == [one.status for one in stores.messages.recent() if one.channel == "night"]
    assert not deliverer.is_idle()
    receiver.released.set()
    wait_until(deliverer.is_idle, 30)
    deliverer.close()


def test_a_storm_of_a_thousand_openings_is_told_in_groups_and_none_is_lost(stores: Stores, receiver: Receiver) -> None:
    events = [tell(stores, f"e{number}", "opened", ["night"], NOW) for number in range(1_000)]
    deliver_due(stores, NOW, seconds=60)
    told = [event for got in receiver.accepted() for event in events_in(got.body)]
    assert sorted(events) == sorted(told)
    assert 5 == len(receiver.received)


def test_a_message_on_many_endpoints_that_fails_does_not_stop_the_channel(stores: Stores, receiver: Receiver) -> None:
    for number in range(20):
        tell(stores, f"e{number}", "opened", ["night"], NOW)
    receiver.answer = 500
    deliver_due(stores, NOW)
    later = tell(stores, "flights", "opened", ["night"], NOW)
    receiver.answer = 200
    deliver_due(stores, NOW + timedelta(seconds=1))
    assert [[later]] == [events_in(got.body) for got in receiver.accepted()]


def test_much_that_waits_for_one_channel_hides_nothing_of_another(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MOST_WAITING", 5)
    receiver.by_path = {"/alerts": 500}
    for _ in range(3):
        for _ in range(6):
            tell(stores, "flights", "reopened", ["night"], NOW)
        deliver_due(stores, NOW)
    mine = tell(stores, "taxis", "opened", ["night", "other"], NOW)
    receiver.by_path = {}
    deliver_due(stores, NOW)
    assert [[mine], [mine]] == [events_in(got.body) for got in receiver.accepted()]


def test_a_channel_that_is_no_more_keeps_its_messages_and_says_so(stores: Stores) -> None:
    tell(stores, "flights", "opened", ["gone"], NOW)
    deliver_due(stores, NOW)
    [message] = stores.messages.recent()
    assert (PENDING, "there is no channel 'gone' in alerting.yaml") == (message.status, message.last_error)


def test_only_one_process_delivers_until_its_lease_runs_out(stores: Stores, receiver: Receiver) -> None:
    clock = Clock()
    first, second = (Deliverer(stores, clock=clock, owner=f"elsewhere:{n}:0") for n in (1, 2))
    assert first.turn()
    assert not second.turn()
    clock.move(seconds=31)
    assert second.turn()
    assert not first.turn()
    second.close()
    assert first.turn()


class SlowSend:
    """Sends that take until a test ends them."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended = threading.Event()

    def __call__(self, _channel: Any, message_id: str, _content: Any, _now: Any) -> Outcome:
        self.begun.append(message_id)
        assert self.ended.wait(30)
        return SENT


@pytest.mark.parametrize("owners", [("elsewhere:1:0", "elsewhere:2:0"), (None, None)])
def test_a_message_whose_sending_outlives_the_lease_or_its_turn_is_sent_once(
    stores: Stores, owners: tuple[str | None, str | None]
) -> None:
    tell(stores, "flights", "opened", ["night"], NOW)
    clock, send = Clock(), SlowSend()
    clock.move(minutes=1)
    first, second = (Deliverer(stores, clock=clock, owner=owner, send=send) for owner in owners)
    assert first.turn()
    wait_until(lambda: bool(send.begun), 20)
    clock.move(seconds=31)
    assert second.turn()
    wait_until(second.is_idle, 20)
    assert 1 == len(send.begun)
    send.ended.set()
    wait_until(first.is_idle, 20)
    assert second.turn()
    wait_until(second.is_idle, 20)
    [message] = stores.messages.recent()
    assert (DELIVERED, [message.message_id]) == (message.status, send.begun)


def test_a_message_that_was_sent_since_the_list_of_what_is_due_was_read_is_not_sent_again(stores: Stores) -> None:
    tell(stores, "flights", "opened", ["night"], NOW)
    clock, send = Clock(), SlowSend()
    clock.move(minutes=1)
    deliver_due(stores, clock(), seconds=0.0, send=send)  # gathers, and begins to send
    wait_until(lambda: bool(send.begun), 20)
    stale = stores.messages.due(clock())
    send.ended.set()
    wait_until(lambda: stores.messages.recent()[0].status == DELIVERED, 20)
    tries = Tries(stores, alerting_configuration(stores.settings), clock, lambda: True, send)
    try_channel(tries, "night", stale)
    assert 1 == len(stale) == len(send.begun)
