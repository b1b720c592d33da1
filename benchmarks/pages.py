"""The pages of 100 endpoints with 30 days behind one: server time, CPU of a refresh, and 50 viewers beside predictions.

``python -m benchmarks.pages [--endpoints 100] [--viewers 50] [--seconds 30] [--world FOLDER]``. A viewer refreshes the
overview every five seconds, as a browser does. *Server time* is what a client on this machine waits for the whole page.
The last lines compare predictions with viewers and without, in one run.
"""

import argparse
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.many_endpoints import FIRST, make_world
from benchmarks.peers.protocol import Launch
from benchmarks.processes import Tree, running
from modelops_pipelines.core.tables.lake import SERVICE_METRICS
from modelops_pipelines.operations.endpoints.configurations import configured
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.reports.summaries import write_summary
from tests.fakes.lake_rows import write
from tests.fakes.monitored_hours import fill, service_row
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.project import Project, cancer_frame, rows_of

DAYS, REPEATS, REFRESH_SECONDS, PAUSE_SECONDS = 30, 40, 5.0, 0.02
FRAGMENT = {"HX-Request": "true"}
ASKED = "endpoint_0001"
"""What is predicted with: the first endpoint has a history that is made up, with a version that nobody registered."""


def main() -> None:
    """Make the world, start its gateway, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--world", type=Path, help="a folder in which the endpoints are made once, and kept")
    given = parser.parse_args()
    with TemporaryDirectory() as made:
        project = make_world((given.world or Path(made)) / f"of-{given.endpoints}", given.endpoints)
        _measure_days(project)
        measure(project, given.viewers, given.seconds)


def _measure_days(project: Project) -> None:
    """Give the first endpoint 30 days of everything, the others a day of traffic, and each its summary."""
    stores, random = project.stores, np.random.default_rng(7)
    if stores.summaries.all():
        return
    fill(stores, endpoint_named(stores, FIRST), DAYS * 24)
    last = stores.now().replace(minute=0, second=0, microsecond=0)
    for spec in configured(stores.settings):
        hours = [service_row(last - timedelta(hours=back), random) for back in range(24)]
        write(stores, spec, SERVICE_METRICS, hours)
        write_summary(stores, spec)


def measure(project: Project, viewers: int, seconds: float) -> None:
    """Print the times of each page, then the viewers beside predictions."""
    port = free_port()
    environment = {**project.environment, "MODELOPS_GATEWAY_PORT": str(port), "PYTHONPATH": str(ROOT)}
    launch = Launch([sys.executable, "-m", "modelops_pipelines.gateway.server"], ROOT, environment)

    def ask(path: str, headers: dict[str, str] | None = None, body: object = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            content = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, content, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    with running(launch, lambda: _is_ready(ask), project.folder / f"gateway-{port}.log") as server:
        time.sleep(REFRESH_SECONDS)
        for name, path, headers in (
            ("overview", "/ui/", {}),
            ("overview, a refresh", "/ui/", FRAGMENT),
            ("endpoint, first time", f"/ui/endpoints/{FIRST}?range=30d", {}),
            ("endpoint", f"/ui/endpoints/{FIRST}?range=30d", {}),
            ("endpoint, a refresh", f"/ui/endpoints/{FIRST}?range=30d", FRAGMENT),
            ("endpoint, live numbers", f"/ui/endpoints/{FIRST}/live", FRAGMENT),
            ("release", f"/ui/endpoints/{FIRST}/release", {}),
            ("alerts", "/ui/alerts", {}),
        ):
            _print_page(name, server.pid, lambda p=path, h=headers: ask(p, h), 1 if "first" in name else REPEATS)  # type: ignore[misc]
        seen = unescape(
            ask(f"/ui/endpoints/{FIRST}?range=30d")[1].decode().split('id="live" hx-get="')[1].split('"')[0]
        )
        _print_page("endpoint, unchanged", server.pid, lambda: ask(seen, FRAGMENT), REPEATS, http.client.NO_CONTENT)
        _beside_predictions(server.pid, ask, viewers, seconds)


def _is_ready(ask: Callable[..., tuple[int, bytes]]) -> bool:
    try:
        return ask("/health/ready")[0] == http.client.OK
    except OSError:
        return False


def _print_page(
    name: str, pid: int, ask: Callable[[], tuple[int, bytes]], repeats: int, expected: int = http.client.OK
) -> None:
    taken, size = [], 0
    before = Tree(pid).cpu_seconds
    for _ in range(repeats):
        started = time.perf_counter()
        status, content = ask()
        taken.append((time.perf_counter() - started) * 1000)
        size = len(content)
        if status != expected:
            raise SystemExit(f"{name} answered {status}")
    spent = (Tree(pid).cpu_seconds - before) / repeats * 1000
    print(f"{name:24} {median(taken):7.1f} ms, {spent:6.1f} ms of CPU, {size / 1024:6.0f} KiB", flush=True)


def _beside_predictions(pid: int, ask: Callable[..., tuple[int, bytes]], viewers: int, seconds: float) -> None:
    """Predict for a while without viewers, with them, and without them again; print latencies and the viewers' CPU."""
    spent, tails = [], []
    for name, count in (("alone", 0), ("viewers", viewers), ("alone", 0)):
        stop = threading.Event()
        threads = [threading.Thread(target=_view, args=(ask, stop, n / count)) for n in range(count)]
        for thread in threads:
            thread.start()
        before = Tree(pid).cpu_seconds
        taken = _predict(ask, seconds)
        spent.append((Tree(pid).cpu_seconds - before) / seconds * 100)
        stop.set()
        for thread in threads:
            thread.join()
        tails.append(float(np.percentile(taken, 99)))
        print(f"predictions, {name:8} p50 {median(taken):6.2f} ms, p99 {tails[-1]:6.2f} ms, {len(taken)} asked")
    alone = (tails[0] + tails[2]) / 2
    cost = spent[1] - (spent[0] + spent[2]) / 2
    print(f"{viewers} viewers: {cost:.1f} % of a core; p99 {tails[1] / alone:.2f} of that without them")


def _view(ask: Callable[..., tuple[int, bytes]], stop: threading.Event, phase: float) -> None:
    stop.wait(phase * REFRESH_SECONDS)
    while not stop.is_set():
        ask("/ui/", FRAGMENT)
        stop.wait(REFRESH_SECONDS)


def _predict(ask: Callable[..., tuple[int, bytes]], seconds: float) -> list[float]:
    body: dict[str, Any] = {"dataframe_records": rows_of(cancer_frame().head(1))}
    headers = {"Content-Type": "application/json"}
    ends, taken = time.monotonic() + seconds, []
    while time.monotonic() < ends:
        started = time.perf_counter()
        status, content = ask(f"/endpoints/{ASKED}/invocations", headers, body)
        taken.append((time.perf_counter() - started) * 1000)
        if status != http.client.OK:
            raise SystemExit(f"a prediction answered {status}: {content[:200]!r}")
        time.sleep(PAUSE_SECONDS)
    return taken


if __name__ == "__main__":
    main()
