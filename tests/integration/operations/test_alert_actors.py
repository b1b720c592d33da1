"""Two processes act at random on the alerts of one state; afterwards every promise holds, by the tables."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fakes.alert_actor import FAILURES, RECEIVED, Actor
from tests.support.alert_promises import Received, Tables, broken_promises
from tests.support.told_alerts import alerted_stores

STEPS = 250
SECONDS = 200


def lines_of(folder: Path, name: str) -> list[list[object]]:
    lines = [json.loads(line) for line in (folder / "receipts.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def received_in(folder: Path) -> list[Received]:
    found = lines_of(folder, RECEIVED)
    return [Received(str(one[0]), str(one[1]), tuple(tuple(pair) for pair in one[2])) for one in found]  # type: ignore[attr-defined]


def test_two_processes_that_act_at_random_break_no_promise(tmp_path: Path) -> None:
    alerted_stores(tmp_path).alerts.find()
    started = time.time()
    command = [sys.executable, "-m", "tests.fakes.alert_actor", str(tmp_path)]
    running = [subprocess.Popen([*command, str(seed), str(STEPS), str(started)]) for seed in (1, 2)]
    assert [0, 0] == [process.wait(SECONDS) for process in running]
    actor = Actor(tmp_path, 3, started)
    assert [] == broken_promises(actor.stores, received_in(tmp_path))
    actor.drain()
    received = received_in(tmp_path)
    assert [] == broken_promises(actor.stores, received, drained=True)
    counted: Counter[tuple[object, object]] = Counter()
    for endpoint, rule, number in lines_of(tmp_path, FAILURES):
        counted[endpoint, rule] += int(str(number))
    for alert in actor.stores.alerts.find():
        counted[alert.endpoint, alert.rule] -= alert.count
    assert {0} == set(counted.values())
    happened = {one["event"] for one in Tables.of(actor.stores).events}
    assert happened >= {"opened", "resolved", "reopened", "flapping", "acknowledged", "silenced", "steady"}
    assert len(received) > len({one.message_id for one in received}) > STEPS // 20
