"""Random lives of alerts on a real state: verdicts, people, silences, time and deliveries; every promise holds."""

import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modelops_pipelines.channels.outcome import Outcome, failed
from modelops_pipelines.core.alerting.alerts import OPEN, Verdict
from modelops_pipelines.core.alerting.configuration import Channel
from modelops_pipelines.core.alerting.life import STEADY_AFTER
from modelops_pipelines.core.endpoints.alert_rules import SEVERITIES
from modelops_pipelines.operations.alerting.delivery.deliver import deliver_due
from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge, end_silence, resolve, silence
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from tests.support.alert_promises import Received, broken_promises
from tests.support.alert_verdicts import StoppedClock
from tests.support.told_alerts import MINUTE, alerted_stores

ENDPOINTS = ("cancer", "flights")
RULES = {"pipeline": "error", "capture": "warning", "quiet_one": "error", "registry": "warning"}
PATTERNS = ("*", "pipe*", "c*", "registry")
ACTORS = 2


class AlertLives(RuleBasedStateMachine):
    """Two processes' stores on one state; receivers that answer, fail, or take a message and then seem to fail."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        stores = alerted_stores(self.folder)
        self.actors = [stores, *(StoppedClock(stores.settings) for _ in range(ACTORS - 1))]
        self.received: list[Received] = []
        self.failures: dict[tuple[str, str], int] = {}
        self.wait(timedelta(seconds=1))

    def wait(self, span: timedelta) -> datetime:
        for stores in self.actors:
            stores.moment += span
        return self.actors[0].moment

    @rule(
        actor=st.integers(0, ACTORS - 1),
        endpoint=st.sampled_from(ENDPOINTS),
        name=st.sampled_from(sorted(RULES)),
        passes=st.lists(st.sampled_from([False, True, None]), min_size=3, max_size=9),
        severities=st.lists(st.sampled_from([None, *SEVERITIES]), min_size=9, max_size=9),
    )
    def judge(
        self, actor: int, endpoint: str, name: str, passes: list[bool | None], severities: list[str | None]
    ) -> None:
        severe = zip(passes, severities, strict=False)
        given = [Verdict(name, name, one or RULES[name], passed, 1.0, 0.5, 9, "now", "m") for passed, one in severe]
        raise_alerts(self.actors[actor], endpoint, given)
        self.failures[endpoint, name] = self.failures.get((endpoint, name), 0) + passes.count(False)

    @rule(actor=st.integers(0, ACTORS - 1), endpoint=st.sampled_from(ENDPOINTS), name=st.sampled_from(sorted(RULES)))
    def end_well(self, actor: int, endpoint: str, name: str) -> None:
        raise_alerts(self.actors[actor], endpoint, [Verdict(name, name, RULES[name], True, 0, 0.5, 9, "now", "m")] * 2)

    @rule(actor=st.integers(0, ACTORS - 1), chosen=st.integers(0, 20), note=st.sampled_from([None, "on it"]))
    def take_on(self, actor: int, chosen: int, note: str | None) -> None:
        self.act(chosen, lambda number: acknowledge(self.actors[actor], number, f"person {actor}", note))

    @rule(actor=st.integers(0, ACTORS - 1), chosen=st.integers(0, 20))
    def end_by_hand(self, actor: int, chosen: int) -> None:
        self.act(chosen, lambda number: resolve(self.actors[actor], number, f"person {actor}", "done"))

    def act(self, chosen: int, do: Callable[[int], object]) -> None:
        opened = self.actors[0].alerts.find(None, OPEN)
        if opened:
            do(opened[chosen % len(opened)].id or 0)

    @rule(
        actor=st.integers(0, ACTORS - 1),
        field=st.sampled_from(["rule", "endpoint", "severity"]),
        pattern=st.sampled_from(PATTERNS),
        minutes=st.sampled_from([2, 20, 200]),
    )
    def hush(self, actor: int, field: str, pattern: str, minutes: int) -> None:
        stores = self.actors[actor]
        silence(stores, {field: pattern}, actor="ann", reason="quiet", until=stores.now() + minutes * MINUTE)

    @rule(actor=st.integers(0, ACTORS - 1), chosen=st.integers(0, 9))
    def speak_again(self, actor: int, chosen: int) -> None:
        made = self.actors[actor].silences.not_over(self.actors[actor].now())
        if made:
            end_silence(self.actors[actor], made[chosen % len(made)].id or 0, "ben")

    @rule(seconds=st.sampled_from([1, 30, 600, 1000, 4000, 30000]))
    def pass_time(self, seconds: int) -> None:
        self.wait(timedelta(seconds=seconds))

    @rule(actor=st.integers(0, ACTORS - 1))
    def look_after(self, actor: int) -> None:
        look_after_alerts(self.actors[actor], self.actors[actor].now())

    @rule(actor=st.integers(0, ACTORS - 1), seed=st.integers(0, 99))
    def deliver(self, actor: int, seed: int) -> None:
        chance = random.Random(seed)

        def send(channel: Channel, message_id: str, content: Mapping[str, Any], _: datetime) -> Outcome:
            mood = chance.random()
            if mood < 0.2:
                return failed("no answer")
            self.take(channel, message_id, content)
            return failed("the answer was lost") if mood < 0.4 else Outcome(is_delivered=True)

        deliver_due(self.actors[actor], self.actors[actor].now(), send=send)

    def take(self, channel: Channel, message_id: str, content: Mapping[str, Any]) -> None:
        changes = tuple((one["alert_id"], one["event_id"]) for one in content["changes"])
        self.received.append(Received(channel.name, message_id, changes))

    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self, "received"):
            assert [] == broken_promises(self.actors[0], self.received)
            self.wait(timedelta(seconds=1))

    def teardown(self) -> None:
        if not hasattr(self, "received"):
            return
        self.drain()
        assert [] == broken_promises(self.actors[0], self.received, drained=True)
        counted = self.failures.copy()
        for alert in self.actors[0].alerts.find():
            counted[alert.endpoint, alert.rule] -= alert.count
        assert {0} >= set(counted.values())
        shutil.rmtree(self.folder)

    def drain(self) -> None:
        """End every silence, let what flaps become steady, and deliver all there is."""
        stores = self.actors[0]
        for one in stores.silences.not_over(stores.now()):
            end_silence(stores, one.id or 0, "ann")
        for span in (timedelta(0), STEADY_AFTER, *[10 * MINUTE] * 6):
            now = self.wait(span)
            look_after_alerts(stores, now)
            deliver_due(stores, self.wait(timedelta(seconds=5)), send=self.answer)

    def answer(self, channel: Channel, message_id: str, content: Mapping[str, Any], _: datetime) -> Outcome:
        self.take(channel, message_id, content)
        return Outcome(is_delivered=True)


AlertLives.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestAlertLives = AlertLives.TestCase
