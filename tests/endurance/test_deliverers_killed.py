"""A receiver that is down for an hour and deliverers that are killed lose no message; repeats have one id."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.channels.signatures import sign
from modelops_pipelines.core.alerting.messages import LONGEST_PAUSE
from modelops_pipelines.store.stores import Stores
from tests.support.receiver import DROPS, HANGS, Receiver, receiving
from tests.support.telling import SECRET, events_in, project, tell, untold
from tests.support.waiting import wait_until

ENDPOINTS = ("flights", "taxis", "parcels")
EVENTS = ("opened", "acknowledged", "escalated", "resolved", "reopened")
BEHAVIOURS: tuple[int | str, ...] = (500, HANGS, 302, DROPS, 503, 200, 404)
HOUR = timedelta(hours=1)


class Deliverers:
    """Deliverers that are begun and killed one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @contextmanager
    def running(self, shift: timedelta) -> Iterator[None]:
        """Run one with its clock moved so far; kill it without a warning."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(shift.total_seconds(), file=self._process.stdin, flush=True)
        pid = int(self._process.stdout.readline())
        try:
            yield
        finally:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    monkeypatch.setenv("NIGHT_SECRET", SECRET)
    channel = f'webhook: "file:{tmp_path / "url"}", secret: env:NIGHT_SECRET, allow_private: true'
    return project(tmp_path, f"channels:\n  night: {{{channel}}}\n")


@pytest.fixture
def deliverers(tmp_path: Path, stores: Stores) -> Iterator[Deliverers]:
    assert stores.database
    command = [sys.executable, "-m", "tests.support.delivering", str(tmp_path)]
    pipes = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipes, stdout=pipes, text=True) as process:
        yield Deliverers(process)
        assert process.stdin is not None
        process.stdin.close()


def test_an_hour_of_a_bad_receiver_and_many_kills_lose_nothing(
    stores: Stores, deliverers: Deliverers, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = int(request.config.getoption("--deliverer-kills"))
    with receiving() as receiver:
        (tmp_path / "url").write_text(receiver.url)
        events = {name: [] for name in ENDPOINTS}  # type: dict[str, list[int]]
        for number in range(kills):
            shift = number * max(HOUR / kills, LONGEST_PAUSE)  # so something is due each time
            name = ENDPOINTS[number % len(ENDPOINTS)]
            events[name].append(tell(stores, name, EVENTS[number % len(EVENTS)], ["night"], stores.now() + shift))
            receiver.answer = BEHAVIOURS[number % len(BEHAVIOURS)]
            receiver.headers = {"location": receiver.url} if receiver.answer == 302 else {}
            before = len(receiver.received)
            with deliverers.running(shift):
                wait_until(lambda: len(receiver.received) > before, 60)  # noqa: B023 - it is called at once
        receiver.answer, receiver.headers = 204, {}
        receiver.released.set()
        with deliverers.running(shift + HOUR):
            wait_until(lambda: untold(stores) == 0, 60)
    _require_all(stores, receiver, events)


def _require_all(stores: Stores, receiver: Receiver, events: dict[str, list[int]]) -> None:
    """Nothing is lost or out of order; each message has one id and one body; each try is signed."""
    bodies = {(got.id, got.body) for got in receiver.received}
    messages = {message.message_id for message in stores.messages.recent(1_000)}
    assert len(messages) == len(bodies)
    assert messages == {message_id for message_id, _ in bodies}
    assert [] == stores.messages.dead()
    first: dict[str, list[int]] = {}
    for got in receiver.accepted():
        first.setdefault(got.id, events_in(got.body))
    for told in events.values():
        assert told == [event for found in first.values() for event in found if event in told]
    for got in receiver.received:
        seconds = int(got.headers["webhook-timestamp"])
        assert sign(SECRET, got.id, seconds, got.body) == got.headers["webhook-signature"]


def test_a_receiver_that_is_not_there_for_an_hour_gets_everything_afterwards(
    stores: Stores, deliverers: Deliverers, tmp_path: Path
) -> None:
    with receiving() as gone:
        (tmp_path / "url").write_text(gone.url)
    events = [tell(stores, name, "opened", ["night"], stores.now()) for name in ENDPOINTS]
    for minutes in (0, 1, 5, 20, 40):
        before = sum(message.attempts for message in stores.messages.recent())
        with deliverers.running(timedelta(minutes=minutes)):
            wait_until(lambda: sum(one.attempts for one in stores.messages.recent()) > before, 60)  # noqa: B023
    with receiving(gone.port) as back:
        with deliverers.running(HOUR):
            wait_until(lambda: untold(stores) == 0, 60)
        assert sorted(events) == sorted(event for got in back.received for event in events_in(got.body))
