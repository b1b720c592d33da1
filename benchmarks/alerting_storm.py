"""A thousand endpoints with five rules each: the CPU of one look at all with nothing new, and all of them at once."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from benchmarks.alerting_project import ALERTING, SECRET_VARIABLE
from benchmarks.monitored_project import make_project, names
from examples.flights.receiver import Receiver, receiving
from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.delivery.channel_watch import watch_channels
from modelops_pipelines.operations.alerting.delivery.deliver import Deliverer
from modelops_pipelines.operations.alerting.delivery.watchers import GATEWAY, Watcher
from modelops_pipelines.operations.alerting.judges.quiet_hours import QuietHours
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.alerting.watches.capture_watch import watch_capture
from modelops_pipelines.operations.alerting.watches.configuration_watch import watch_configurations
from modelops_pipelines.operations.alerting.watches.home_watch import watch_home
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.load import ReadFiles
from modelops_pipelines.store.stores import Stores

SECRET = b"a secret of this benchmark only!"
LOOKS, PAUSE = 5, 1.1
LONGEST = 600.0


@dataclass
class Worker:
    """In place of a gateway's worker: its endpoints, and the looks that its watches ask to be called for."""

    served: Sequence[Any]
    worker: str = "benchmark"
    looks: dict[str, Callable[[], object]] = field(default_factory=dict)

    def endpoints(self) -> Sequence[Any]:
        """Return what it serves."""
        return self.served

    def repeat(self, name: str, look: Callable[[], object], seconds: float) -> None:  # noqa: ARG002 - its signature
        """Keep a look instead of calling it again and again."""
        self.looks[name] = look


def print_idle(endpoints: int) -> None:
    """Print the CPU seconds of each part of one look with nothing new."""
    with _project(endpoints) as (stores, _):
        found = {name: _cpu(look) for name, look in _looks(stores).items()}
        rules = sum(len(spec.alerts) for spec in read_configurations(stores.settings).specs)
    print(f"\n{time.strftime('%Y-%m-%d')}; one look at {endpoints:,} endpoints, {rules:,} rules, nothing new\n")
    print(f"| part | CPU s, the dearest of {LOOKS} |\n|---|---|")
    for name, seconds in [*found.items(), ("all", sum(found.values()))]:
        print(f"| {name} | {seconds:.3f} |")


def _looks(stores: Stores) -> dict[str, Callable[[], object]]:
    """Return what a watching worker and Dagster's alert sensor look at, by name."""
    from modelops_pipelines.gateway.worker.alerting.watches import Watches

    known_files = ReadFiles()
    specs = read_configurations(stores.settings, known_files=known_files).specs
    worker = Worker([_served(spec) for spec in specs])
    Watches(stores, cast("Any", worker)).start()
    deliverer, quiet_hours, watcher = Deliverer(stores), QuietHours(), Watcher(GATEWAY)
    watched = {f"gateway: {name}": look for name, look in worker.looks.items()}
    return watched | {
        "capture": lambda: watch_capture(stores, specs, stores.now()),
        "the YAML files": lambda: read_configurations(stores.settings, known_files=known_files),
        "configurations": lambda: watch_configurations(stores, {}, stores.now()),
        "home": lambda: watch_home(stores, stores.now()),
        "hours without requests": lambda: quiet_hours.judge(stores, specs, stores.now()),
        "channels": lambda: watch_channels(stores, stores.now()),
        "watchers": lambda: watcher.turn(stores, stores.now()),
        "escalations, silences": lambda: look_after_alerts(stores, stores.now()),
        "delivery": deliverer.turn,
    }


def _served(spec: EndpointSpec) -> Any:
    from modelops_pipelines.core.release.desired_state import DesiredState
    from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint

    return ServedEndpoint(spec, DesiredState(spec.name), {})


def _cpu(look: Callable[[], object]) -> float:
    """Return the CPU seconds of the dearest look after the first one, which reads what later ones know."""
    found = []
    for _ in range(LOOKS + 1):
        began = time.process_time()
        look()
        found.append(time.process_time() - began)
        time.sleep(PAUSE)
    return max(found[1:])


def print_storm(endpoints: int) -> None:
    """Open an alert on each endpoint at once, deliver, and print what the receiver got."""
    with _project(endpoints) as (stores, receiver):
        began, used = time.monotonic(), time.process_time()
        for name in names(endpoints):
            raise_alerts(stores, name, [_failure(stores)], source=None)
        opened, opened_cpu = time.monotonic() - began, time.process_time() - used
        began, used = time.monotonic(), time.process_time()
        _deliver(stores, receiver, endpoints)
        took, cpu = time.monotonic() - began, time.process_time() - used
        told = _told(receiver)
    lost = len(set(names(endpoints)) - set(told))
    print(f"\n{time.strftime('%Y-%m-%d')}; {endpoints:,} alerts open at once\n")
    print("| | |\n|---|---|")
    print(f"| opened in | {opened:.1f} s, {opened_cpu:.1f} CPU s |")
    print(f"| delivered in | {took:.1f} s, {cpu:.1f} CPU s |")
    print(f"| messages | {len(receiver.received)} |")
    print(f"| messages with a right signature | {sum(one.signed for one in receiver.received)} |")
    print(f"| alerts told | {len(set(told))} |\n| told twice | {len(told) - len(set(told))} |\n| lost | {lost} |")


def _failure(stores: Stores) -> Verdict:
    return Verdict("error_rate", "error_rate", "error", False, 0.5, 0.1, 100, text(stores.now()), "half of them fail")


def _deliver(stores: Stores, receiver: Receiver, endpoints: int) -> None:
    """Deliver as the gateway does, until every alert was told or nothing happens any more."""
    deliverer, ends = Deliverer(stores), time.monotonic() + LONGEST
    while len(set(_told(receiver))) < endpoints and time.monotonic() < ends:
        deliverer.turn()
        time.sleep(0.5)
    deliverer.close()


def _told(receiver: Receiver) -> list[str]:
    """Return the endpoints whose opening was told, one entry for each time."""
    changes = [change for one in list(receiver.received) for change in one.body["data"].get("changes", one.alerts)]
    return [str(change["endpoint"]) for change in changes if change["event"] == "opened"]


@contextmanager
def _project(endpoints: int) -> Iterator[tuple[Stores, Receiver]]:
    with tempfile.TemporaryDirectory(prefix="modelops-storm-") as folder, receiving(SECRET) as receiver:
        os.environ[SECRET_VARIABLE] = receiver.secret
        stores = make_project(Path(folder), endpoints)
        (Path(folder) / "alerting.yaml").write_text(ALERTING.format(url=receiver.url, secret=SECRET_VARIABLE))
        yield stores, receiver
        stores.database.close()
