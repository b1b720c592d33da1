"""From bad traffic to the webhook, with Dagster up and down; and what many endpoints and a storm of alerts cost.

``python -m benchmarks.alerting [--times 10] [--only delays|idle|storm] [--stacks up gateway] [--kinds ...]``.

*delays*: a project with one endpoint a try, ``modelops up`` or ``modelops gateway`` alone, 10 requests a second from
one caller, a receiver on loopback. After ordinary requests the traffic turns bad, and the clock runs until the receiver
has the signed message that the alert opened: every request fails; every answer takes twice what the rule allows; a
column is in another unit. For capture lag nothing is ingested any more (with Dagster up another process holds the
ingest's lock); its clock starts when the lag's limit of 60 s is passed.

*idle* and *storm*: 1,000 endpoints with 5 rules each: the CPU of one look at all of them with nothing new, and 1,000
alerts that open at once: how many messages tell them, and whether one is lost.
"""

import argparse
import fcntl
import json
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.alerting_model import DAWDLES, FAILS, GOOD
from benchmarks.alerting_project import Project, make_project
from examples.flights.receiver import Received, Receiver, receiving
from modelops_pipelines.operations.alerting.watches.capture_watch import capture_health

PER_SECOND = 10
ORDINARY_SECONDS, CALM_SECONDS = 20.0, 8.0
LONGEST = 120.0
START_SECONDS = 180.0
SECRET = b"a secret of this benchmark only!"
UNIT = 1000.0
STACKS = {"up": ("up", "--no-mlflow"), "gateway": ("gateway",)}
LAG = "capture lag"
KINDS = ("error burst", "latency", "unit fault", LAG)
_RULES = {"error burst": "error_rate", "latency": "latency", "unit fault": "data_quality", LAG: "capture"}


@dataclass
class Traffic:
    """One caller of an endpoint at a steady pace; what it sends can be changed at any time."""

    url: str
    mood: float = GOOD
    unit: float = 1.0
    sent: int = 0
    failed: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def turn(self, kind: str | None) -> float:
        """Send bad requests of a kind from now on, ordinary ones for None; return the time."""
        self.mood = {"error burst": FAILS, "latency": DAWDLES}.get(str(kind), GOOD)
        self.unit = UNIT if kind == "unit fault" else 1.0
        return time.monotonic()

    def run(self) -> None:
        """Send a request every tenth of a second, however long the answers take."""
        draw, due = np.random.default_rng(3), time.monotonic()
        while not self.stopped.is_set():
            x, y = draw.normal(size=2).tolist()
            row = {"x": x * self.unit, "y": y, "mood": self.mood}
            threading.Thread(target=self._send, args=(row,), daemon=True).start()
            due += 1 / PER_SECOND
            self.stopped.wait(max(0.0, due - time.monotonic()))

    def _send(self, row: dict[str, float]) -> None:
        self.sent += 1
        if not _answers(self.url, row):
            self.failed += 1


@contextmanager
def traffic(url: str) -> Iterator[Traffic]:
    """Send ordinary requests until the block ends, or is told otherwise."""
    sending = Traffic(url)
    thread = threading.Thread(target=sending.run, daemon=True)
    thread.start()
    try:
        yield sending
    finally:
        sending.stopped.set()
        thread.join()


def _answers(url: str, row: dict[str, float]) -> bool:
    body = json.dumps({"dataframe_records": [row]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with suppress(OSError), urllib.request.urlopen(request, timeout=30) as answer:
        return bool(answer.status == 200)
    return False


@dataclass(frozen=True)
class Delay:
    """The seconds from bad traffic to the webhook, None where no message came within LONGEST; the message's rule."""

    stack: str
    kind: str
    seconds: float | None
    signed: bool = False


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--only", choices=("delays", "idle", "storm"), default=None)
    parser.add_argument("--stacks", nargs="+", choices=tuple(STACKS), default=list(STACKS))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    given = parser.parse_args()
    if given.only in {None, "delays"}:
        _print_delays([one for stack in given.stacks for one in delays(stack, given.kinds, given.times)], given.times)
    if given.only in {None, "idle", "storm"}:
        from benchmarks.alerting_storm import print_idle, print_storm

        if given.only != "storm":
            print_idle(given.endpoints)
        if given.only != "idle":
            print_storm(given.endpoints)


def delays(stack: str, kinds: Sequence[str], times: int) -> list[Delay]:
    """Measure each kind so many times on a stack, each time on an endpoint that had no alert yet."""
    found: list[Delay] = []
    with tempfile.TemporaryDirectory(prefix="modelops-alerting-") as folder, receiving(SECRET) as receiver:
        project = make_project(Path(folder) / "project", times, receiver)
        with project.running(*STACKS[stack]):
            _await_answers(project)
            for endpoint in project.endpoints:
                for one in _of_endpoint(project, receiver, stack, kinds, endpoint):
                    found.append(one)
                    print(f"{stack} {endpoint} {one.kind}: {_shown(one.seconds)}", flush=True)
    return found


def _of_endpoint(
    project: Project, receiver: Receiver, stack: str, kinds: Sequence[str], endpoint: str
) -> Iterator[Delay]:
    since = len(receiver.received)
    with traffic(project.url(endpoint)) as sending, ThreadPoolExecutor(1) as pool:
        lag = pool.submit(_lag_begins, project, endpoint) if stack == "gateway" and LAG in kinds else None
        time.sleep(ORDINARY_SECONDS)
        for kind in [one for one in kinds if one != LAG]:
            yield _measured(receiver, sending, stack, kind, endpoint)
            time.sleep(CALM_SECONDS)
        if LAG in kinds:
            with nullcontext() if lag else _nothing_ingested(project, endpoint):
                began = lag.result() if lag else _lag_begins(project, endpoint)
                yield _delay(stack, LAG, began, receiver.wait(endpoint, LONGEST, rule=_RULES[LAG], since=since))


def _measured(receiver: Receiver, sending: Traffic, stack: str, kind: str, endpoint: str) -> Delay:
    since, began = len(receiver.received), sending.turn(kind)
    message = receiver.wait(endpoint, LONGEST, rule=_RULES[kind], event="opened", since=since)
    sending.turn(None)
    return _delay(stack, kind, began, message)


def _delay(stack: str, kind: str, began: float, message: Received | None) -> Delay:
    if message is None:
        return Delay(stack, kind, None)
    return Delay(stack, kind, message.monotonic - began, message.signed)


def _lag_begins(project: Project, endpoint: str) -> float:
    """Return the time at which the endpoint's capture lags by more than its limit."""
    stores, ends = project.stores, time.monotonic() + 2 * LONGEST
    while capture_health(stores.settings, endpoint, stores.now()).ok:
        if time.monotonic() > ends:
            message = f"{endpoint}: its capture does not lag"
            raise TimeoutError(message)
        time.sleep(0.05)
    return time.monotonic()


@contextmanager
def _nothing_ingested(project: Project, endpoint: str) -> Iterator[None]:
    """Hold the lock that an ingest needs."""
    lock = project.home / "locks" / f"{endpoint}.predictions.ingest.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _await_answers(project: Project) -> None:
    """Wait until the first endpoint answers: a request to another one would wait in its spool, and lag."""
    ends, url = time.monotonic() + START_SECONDS, project.url(project.endpoints[0])
    while not _answers(url, {"x": 0.0, "y": 0.0, "mood": GOOD}):
        if time.monotonic() > ends:
            message = f"the gateway does not answer: see {project.folder / 'services.log'}"
            raise TimeoutError(message)
        time.sleep(0.2)


def _print_delays(found: Sequence[Delay], times: int) -> None:
    print(f"\n{time.strftime('%Y-%m-%d')}; seconds from bad traffic to the webhook, {PER_SECOND} requests a second\n")
    print(
        f"| stack | kind | median of {times} | worst | messages signed | without a message |\n|---|---|---|---|---|---|"
    )
    for stack, kind in dict.fromkeys((one.stack, one.kind) for one in found):
        mine = [one for one in found if (one.stack, one.kind) == (stack, kind)]
        known = sorted(one.seconds for one in mine if one.seconds is not None)
        middle, worst = (statistics.median(known), known[-1]) if known else (None, None)
        signed = sum(one.signed for one in mine)
        print(f"| {stack} | {kind} | {_shown(middle)} | {_shown(worst)} | {signed} | {len(mine) - len(known)} |")


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"


if __name__ == "__main__":
    main()
