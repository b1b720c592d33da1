"""What callers of the gateway notice of a shadow: that works, that fails, that hangs; beside none at all.

``python -m benchmarks.shadow [--seconds 20] [--rounds 3] [--connections 1]``. One gateway all the time; beside it a
process that ingests the log again and again, and has the shadow answer it, without a pause between runs where Dagster
makes one of a minute. The ways follow each other in each round; ratios are of medians over the rounds. Every way's
answers are held against those without a shadow. Ends by itself and leaves neither processes nor files.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.processes import Tree, busy_seconds
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve import train as trainers
from modelops_pipelines.operations.release.commands import deploy, end_shadow
from modelops_pipelines.operations.release.shadow import compare_shadow, start_shadow
from modelops_pipelines.store.stores import Stores
from tests.fakes import moody_models as moody
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until

WAYS: Mapping[str, str | None] = {"none": None, "works": "2", "fails": "3", "hangs": "4"}
MOST, DEADLINE = 2000, 30.0
WARM_UP_SECONDS, SETTLE_SECONDS, START_SECONDS, HANG_SECONDS = 1.0, 2.0, 90.0, 8.0
MORE = "  allow_pickle: true\n  limits: {concurrent: 1000}\n"


@dataclass(frozen=True)
class Seen:
    """What callers saw in one way, and what the process beside the gateway did in all.

    ``others`` is the share of the machine's CPU time that neither of them nor the callers took: the noise.
    """

    way: str
    p50: float
    p99: float
    per_second: float
    others: float
    failed: int
    same_answers: bool
    runs: int
    compared: int


def main() -> None:
    """Measure every way and print the table."""
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        project = _project(Path(folder) / "project")
        seen = []
        with running_gateway(project) as gateway:
            expected = _answers(gateway)
            for number in range(given.rounds):
                for way in WAYS:
                    one = _measure(project, gateway, way, expected, given)
                    print(f"round {number + 1}: {one}", file=sys.stderr, flush=True)
                    seen.append(one)
    _show(seen)


def work(endpoint: str) -> None:
    """Ingest and compare without a pause until ended; say after each run what it compared."""
    stores = Stores()
    spec = read_endpoint(Path(endpoint))
    while True:
        ingest(stores, spec, "predictions")
        done = compare_shadow(stores, spec, MOST, deadline=DEADLINE)
        print(0 if done is None else done.compared, flush=True)
        if done is None or not done.compared:
            time.sleep(0.2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each way (default 20)")
    parser.add_argument("--rounds", type=int, default=3, help="over all ways; medians are shown (default 3)")
    parser.add_argument("--connections", type=int, default=1, help="callers at once (default 1)")
    return parser.parse_args()


def _project(folder: Path) -> Project:
    """Make a project with a champion and three shadows-to-be."""
    project = make_project(folder, CANCER_YAML + MORE, MODELOPS_SEAL_AFTER_SECONDS="1")
    frame = cancer_frame()
    train_first(project, frame)
    train_first(project, frame.head(400))
    for mood in (moody.RAISE, moody.HANG):
        trainers.train_first(project.stores, project.spec, frame.head(300 + int(mood)), moody.moody(mood))
    deploy(project.stores, project.spec, "1", actor="benchmark", reason="benchmark")
    return project


def _measure(
    project: Project, gateway: RunningGateway, way: str, expected: Sequence[object], given: argparse.Namespace
) -> Seen:
    version = WAYS[way]
    if version is not None:
        start_shadow(project.stores, project.spec, version, actor="benchmark", reason=way)
    _load(project, given.connections, WARM_UP_SECONDS)
    time.sleep(SETTLE_SECONDS)
    with _worker(project, hangs=way == "hangs") as (said, process):
        before, started, ours = busy_seconds(), time.monotonic(), _cpu(gateway, process)
        found = _load(project, given.connections, given.seconds)
        ours = _cpu(gateway, process) - ours + found["client_cpu"]
        whole = (time.monotonic() - started) * (os.cpu_count() or 1)
        others = (busy_seconds() - before - ours) / whole
        same = _answers(gateway) == expected
        runs = [int(line) for line in said.read_text().splitlines()]
    if version is not None:
        end_shadow(project.stores, project.spec, actor="benchmark", reason=way)
    busy = [one for one in runs if one]
    rate = found["per_second"]
    failed = int(found["failed"])
    return Seen(way, found["p50_ms"], found["p99_ms"], rate, others, failed, same, len(busy), sum(busy))


def _cpu(gateway: RunningGateway, process: int) -> float:
    """Return the CPU seconds so far of the gateway and of the process beside it, as far as their children live."""
    return Tree(gateway.process.pid).cpu_seconds + Tree(process).cpu_seconds


@contextmanager
def _worker(project: Project, *, hangs: bool) -> Iterator[tuple[Path, int]]:
    """Run ``work`` beside the gateway until the block ends; yield what it says and its id, once it is at work."""
    said = project.folder / "worker.txt"
    code = f"from benchmarks.shadow import work; work({str(project.folder / 'endpoints' / 'endpoint.yaml')!r})"
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with said.open("wb") as output, (project.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=output, stderr=log)
        try:
            wait_until(lambda: len(Tree(process.pid).ticks) > 1 if hangs else said.read_text(), START_SECONDS)
            time.sleep(SETTLE_SECONDS if not hangs else HANG_SECONDS)
            yield said, process.pid
            assert process.poll() is None, (project.folder / "worker.log").read_text()[-2000:]
        finally:
            for pid in [*Tree(process.pid).ticks]:  # the shadow's process too, in a session of its own
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def _load(project: Project, connections: int, seconds: float) -> dict[str, float]:
    port = project.environment["MODELOPS_GATEWAY_PORT"]
    body = json.dumps({"dataframe_records": rows_of(cancer_frame().head(1))}).encode()
    told = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    request = project.folder / "request.http"
    request.write_bytes(f"POST /endpoints/cancer/invocations HTTP/1.1\r\n{head}\r\n".encode() + body)
    command = [sys.executable, "-m", "benchmarks.load", port, str(request), str(connections), str(seconds)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=seconds + 60)
    seen: dict[str, float] = json.loads(ran.stdout)
    return seen


def _answers(gateway: RunningGateway) -> list[object]:
    """Return the gateway's answers to all rows of the data, a hundred at a time."""
    rows = rows_of(cancer_frame())
    return [gateway.predict(rows[start : start + 100]).json()["predictions"] for start in range(0, len(rows), 100)]


def _show(seen: Sequence[Seen]) -> None:
    medians = {
        way: [median(getattr(one, name) for one in seen if one.way == way) for name in ("p50", "p99", "per_second")]
        for way in WAYS
    }
    print("| shadow | p50 ms | p99 ms | requests/s | failed | same answers | runs | rows compared | others' CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for way, numbers in medians.items():
        mine = [one for one in seen if one.way == way]
        cells = [f"{value:.2f} ({value / base:.2f}x)" for value, base in zip(numbers, medians["none"], strict=True)]
        failed, runs, compared = (sum(getattr(one, name) for one in mine) for name in ("failed", "runs", "compared"))
        others = median(one.others for one in mine)
        same = "yes" if all(one.same_answers for one in mine) else "NO"
        print(f"| {way} | {' | '.join(cells)} | {failed} | {same} | {runs} | {compared} | {others:.0%} |")


if __name__ == "__main__":
    main()
