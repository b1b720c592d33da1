"""A process that acts at random on the alerts of a home: ``python -m tests.fakes.alert_actor FOLDER SEED STEPS STARTED``.

It judges, acknowledges, resolves, silences, looks after alerts and delivers. Its clock runs SPEED times as fast, from
``STARTED`` on. What its receivers got, and the failures that it counted, are lines of JSON in ``receipts.jsonl``.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from modelops_pipelines.channels.outcome import Outcome, failed
from modelops_pipelines.core.alerting.alerts import OPEN, Verdict
from modelops_pipelines.core.alerting.configuration import Channel
from modelops_pipelines.core.errors import BusyError, ConflictError, UnknownError
from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge, end_silence, resolve, silence
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.stores import Stores
from tests.support.alert_verdicts import NOW
from tests.support.told_alerts import alerted_stores

SPEED = 600
ENDPOINTS = ("cancer", "flights")
RULES = {"pipeline": "error", "capture": "warning", "quiet_one": "error", "registry": "warning"}
PATTERNS = ("*", "pipe*", "c*", "registry")
PASSES = ([False], [False, False], [True], [True, True], [False, True, True], [True, None, True, False])
FAILURES, RECEIVED = "failures", "received"


class FastClock(Stores):
    """Real stores whose clock runs SPEED times as fast; ``ahead`` moves it."""

    started = 0.0
    ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the time that has passed since the start, SPEED times as long."""
        return NOW + self.ahead + timedelta(seconds=(time.time() - self.started) * SPEED)


class Actor:
    """Acts at random."""

    def __init__(self, folder: Path, seed: int, started: float) -> None:
        """Use the project in a folder."""
        self.stores = FastClock(alerted_stores(folder).settings)
        self.stores.started = started
        self._random, self._name, self._receipts = random.Random(seed), f"person {seed}", folder / "receipts.jsonl"

    def step(self) -> None:
        """Do one thing; what the other process made impossible meanwhile is left."""
        steps = (self._judge, self._look_after, self._deliver, self._take_on, self._end, self._hush, self._speak)
        [act] = self._random.choices(steps, (45, 15, 20, 8, 4, 8, 2))
        with suppress(BusyError, ConflictError, UnknownError):
            act()

    def drain(self) -> None:
        """End every silence, let what flaps become steady, and deliver all there is."""
        for one in self.stores.silences.not_over(self.stores.now()):
            end_silence(self.stores, one.id or 0, "ann")
        for span in (0, 3600, *[600] * 8):
            self.stores.ahead += timedelta(seconds=span + 5)
            look_after_alerts(self.stores, self.stores.now())
            self.stores.ahead += timedelta(seconds=5)
            deliver_due(self.stores, self.stores.now(), send=self._answer)

    def _judge(self) -> None:
        endpoint, rule = self._random.choice(ENDPOINTS), self._random.choice(sorted(RULES))
        passes = self._random.choice(PASSES)
        given = [Verdict(rule, rule, RULES[rule], passed, 1.0, 0.5, 9, "now", "m") for passed in passes]
        raise_alerts(self.stores, endpoint, given)
        self._note({FAILURES: [endpoint, rule, passes.count(False)]})

    def _look_after(self) -> None:
        look_after_alerts(self.stores, self.stores.now())

    def _deliver(self) -> None:
        deliver_due(self.stores, self.stores.now(), send=self._send)

    def _take_on(self) -> None:
        self._act(lambda number: acknowledge(self.stores, number, self._name, "on it"))

    def _end(self) -> None:
        self._act(lambda number: resolve(self.stores, number, self._name, "done"))

    def _act(self, do: Callable[[int], object]) -> None:
        opened = self.stores.alerts.find(None, OPEN)
        if opened:
            do(self._random.choice(opened).id or 0)

    def _hush(self) -> None:
        matchers = {self._random.choice(["rule", "endpoint"]): self._random.choice(PATTERNS)}
        until = self.stores.now() + timedelta(minutes=self._random.choice([20, 60, 240]))
        silence(self.stores, matchers, actor=self._name, reason="quiet", until=until)

    def _speak(self) -> None:
        made = self.stores.silences.not_over(self.stores.now())
        if made:
            end_silence(self.stores, self._random.choice(made).id or 0, self._name)

    def _send(self, channel: Channel, message_id: str, content: Mapping[str, Any], now: datetime) -> Outcome:
        """Be a receiver that does not answer, takes the message and then seems to fail, or takes it."""
        mood = self._random.random()
        if mood < 0.2:
            return failed("no answer")
        answer = self._answer(channel, message_id, content, now)
        return failed("the answer was lost") if mood < 0.4 else answer

    def _answer(self, channel: Channel, message_id: str, content: Mapping[str, Any], _: datetime) -> Outcome:
        changes = [(one["alert_id"], one["event_id"]) for one in content["changes"]]
        self._note({RECEIVED: [channel.name, message_id, changes]})
        return Outcome(is_delivered=True)

    def _note(self, line: Mapping[str, object]) -> None:
        opened = os.open(self._receipts, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(opened, json.dumps(line).encode() + b"\n")
        finally:
            os.close(opened)


def main(folder: str, seed: str, steps: str, started: str) -> None:
    """Act so many steps."""
    actor = Actor(Path(folder), int(seed), float(started))
    for _ in range(int(steps)):
        actor.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
