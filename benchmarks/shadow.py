"""The effect of a shadow on callers of the gateway: a shadow that works, one that fails, one that hangs, and none.

``python -m benchmarks.shadow [--seconds 20] [--rounds 3] [--connections 1]``. One gateway runs all the time; a
second process ingests the log and runs the shadow on it without a pause, where Dagster pauses for a minute. Each round
runs all scenarios; ratios are of medians over the rounds. The answers of every scenario are compared with those without
a shadow. Ends without intervention and leaves no processes or files.
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
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy, end_shadow
from modelops_pipelines.operations.release.trials.shadow import compare_shadow, start_shadow
from modelops_pipelines.store.stores import Stores
from tests.fakes import moody_models as moody
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until

SCENARIOS: Mapping[str, str | None] = {"none": None, "works": "2", "fails": "3", "hangs": "4"}
MOST, DEADLINE = 2000, 30.0
WARM_UP_SECONDS, SETTLE_SECONDS, START_SECONDS, HANG_SECONDS = 1.0, 2.0, 90.0, 8.0
MORE = "  allow_pickle: true\n  limits: {concurrent: 1000}\n"


@dataclass(frozen=True)
class Result:
    """The result of one scenario: what callers measured, and the shadow's runs.

    ``others`` is the share of the machine's CPU time that neither of them nor the callers took: the noise.
    """

    scenario: str
    p50: float
    p99: float
    per_second: float
    others: float
    failed: int
    same_answers: bool
    runs: int
    compared: int


def main() -> None:
    """Measure every scenario and print the table."""
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        project = _project(Path(folder) / "project")
        results = []
        with running_gateway(project) as gateway:
            expected = _answers(gateway)
            for number in range(given.rounds):
                for scenario in SCENARIOS:
                    result = _measure(project, gateway, scenario, expected, given)
                    print(f"round {number + 1}: {result}", file=sys.stderr, flush=True)
                    results.append(result)
    _show(results)


def work(endpoint: str) -> None:
    """Ingest and compare without a pause until stopped; print the rows compared after each run."""
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
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds per scenario (default 20)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds over all scenarios; medians are shown (default 3)"
    )
    parser.add_argument("--connections", type=int, default=1, help="concurrent connections (default 1)")
    return parser.parse_args()


def _project(folder: Path) -> Project:
    """Create a project with a champion and three versions to use as shadows."""
    project = make_project(folder, CANCER_YAML + MORE, MODELOPS_SEAL_AFTER_SECONDS="1")
    frame = cancer_frame()
    train_first(project, frame)
    train_first(project, frame.head(400))
    for mood in (moody.RAISE, moody.HANG):
        trainers.train_first(project.stores, project.spec, frame.head(300 + int(mood)), moody.moody(mood))
    deploy(project.stores, project.spec, "1", actor="benchmark", reason="benchmark")
    return project


def _measure(
    project: Project,
    gateway: RunningGateway,
    scenario: str,
    expected: Sequence[object],
    given: argparse.Namespace,
) -> Result:
    version = SCENARIOS[scenario]
    if version is not None:
        start_shadow(project.stores, project.spec, version, actor="benchmark", reason=scenario)
    _load(project, given.connections, WARM_UP_SECONDS)
    time.sleep(SETTLE_SECONDS)
    with _worker(project, hangs=scenario == "hangs") as (output, process):
        before, started, ours = busy_seconds(), time.monotonic(), _cpu(gateway, process)
        found = _load(project, given.connections, given.seconds)
        ours = _cpu(gateway, process) - ours + found["client_cpu"]
        whole = (time.monotonic() - started) * (os.cpu_count() or 1)
        others = (busy_seconds() - before - ours) / whole
        same = _answers(gateway) == expected
        runs = [int(line) for line in output.read_text().splitlines()]
    if version is not None:
        end_shadow(project.stores, project.spec, actor="benchmark", reason=scenario)
    busy = [one for one in runs if one]
    rate = found["per_second"]
    failed = int(found["failed"])
    return Result(scenario, found["p50_ms"], found["p99_ms"], rate, others, failed, same, len(busy), sum(busy))


def _cpu(gateway: RunningGateway, process: int) -> float:
    """Return the CPU seconds so far of the gateway, of the second process, and of their living children."""
    return Tree(gateway.process.pid).cpu_seconds + Tree(process).cpu_seconds


@contextmanager
def _worker(project: Project, *, hangs: bool) -> Iterator[tuple[Path, int]]:
    """Run ``work`` in a process until the block ends; yield its output file and its id once it has started."""
    output = project.folder / "worker.txt"
    code = f"from benchmarks.shadow import work; work({str(project.folder / 'endpoints' / 'endpoint.yaml')!r})"
    environment = {**os.environ, **project.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with output.open("wb") as stdout, (project.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=stdout, stderr=log)
        try:
            wait_until(lambda: len(Tree(process.pid).ticks) > 1 if hangs else output.read_text(), START_SECONDS)
            time.sleep(SETTLE_SECONDS if not hangs else HANG_SECONDS)
            yield output, process.pid
            assert process.poll() is None, (project.folder / "worker.log").read_text()[-2000:]
        finally:
            for pid in [*Tree(process.pid).ticks]:  # includes the shadow's process, which has a separate session
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def _load(project: Project, connections: int, seconds: float) -> dict[str, float]:
    port = project.environment["MODELOPS_GATEWAY_PORT"]
    body = json.dumps({"dataframe_records": rows_of(cancer_frame().head(1))}).encode()
    headers = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = project.folder / "request.http"
    request.write_bytes(f"POST /endpoints/cancer/invocations HTTP/1.1\r\n{head}\r\n".encode() + body)
    command = [sys.executable, "-m", "benchmarks.load", port, str(request), str(connections), str(seconds)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=seconds + 60)
    load: dict[str, float] = json.loads(ran.stdout)
    return load


def _answers(gateway: RunningGateway) -> list[object]:
    """Return the gateway's answers to all rows of the data, a hundred at a time."""
    rows = rows_of(cancer_frame())
    return [gateway.predict(rows[start : start + 100]).json()["predictions"] for start in range(0, len(rows), 100)]


def _show(results: Sequence[Result]) -> None:
    medians = {
        scenario: [
            median(getattr(r, name) for r in results if r.scenario == scenario) for name in ("p50", "p99", "per_second")
        ]
        for scenario in SCENARIOS
    }
    print("| shadow | p50 ms | p99 ms | requests/s | failed | same answers | runs | rows compared | others' CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for scenario, numbers in medians.items():
        mine = [result for result in results if result.scenario == scenario]
        cells = [f"{value:.2f} ({value / base:.2f}x)" for value, base in zip(numbers, medians["none"], strict=True)]
        failed, runs, compared = (
            sum(getattr(result, name) for result in mine) for name in ("failed", "runs", "compared")
        )
        others = median(result.others for result in mine)
        same = "yes" if all(result.same_answers for result in mine) else "NO"
        print(f"| {scenario} | {' | '.join(cells)} | {failed} | {same} | {runs} | {compared} | {others:.0%} |")


if __name__ == "__main__":
    main()
