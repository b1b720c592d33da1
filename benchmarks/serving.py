"""Our gateway compared with other model servers: the same models, one server at a time, on loopback.

``python -m benchmarks.serving [--seconds 3] [--rounds 1] [--workers 1] [--peers DIR] [--only NAME ...]`` compares;
``--profile`` instead profiles our gateway. Ends without intervention and leaves no process; servers that we do not
depend on are installed into virtual environments in DIR, or in a temporary folder.
"""

import argparse
import http.client
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.cells import Plan, measure
from benchmarks.measured import CONNECTIONS, ROWS, Cell, Run
from benchmarks.models import TRAINERS, make_job
from benchmarks.peers import litserve_peer, mlflow_peer, mlserver_peer, ours
from benchmarks.peers.environments import Environments
from benchmarks.peers.protocol import Job, Peer, Row, UnavailableError
from benchmarks.processes import Tree, running
from benchmarks.report import show
from tests.support.ports import free_port

VARIANTS: Mapping[str, Callable[[Environments], Sequence[Peer]]] = {
    "ours": ours.variants,
    "mlflow": mlflow_peer.variants,
    "LitServe": litserve_peer.variants,
    "MLServer": mlserver_peer.variants,
}
TOLERANCE = 1e-9
CHECKS = 32


def main() -> None:
    """Measure every cell on every server and print the tables; or profile ours."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else a server would keep running
    with tempfile.TemporaryDirectory() as folder:
        if given.profile:
            from benchmarks.profiling import profile

            for model in given.models:
                profile(make_job(model, Path(folder) / model, 1))
            return
        peers, missing = _peers(given.only, Environments((given.peers or Path(folder) / "peers").absolute()))
        jobs = [make_job(model, Path(folder) / model, given.workers) for model in given.models]
        runs = []
        with suppress(KeyboardInterrupt):  # Ctrl-C prints the results so far
            for number in range(given.rounds):
                for run in _round(jobs, peers, Plan(given.seconds, given.patience), missing):
                    print(f"round {number + 1}: {run.describe()}", file=sys.stderr, flush=True)
                    runs.append(run)
    show(runs, missing, workers=given.workers)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds per cell (default 3)")
    parser.add_argument(
        "--patience", type=float, default=0.0, help="seconds to wait for a quiet machine before each cell"
    )
    parser.add_argument("--rounds", type=int, default=1, help="rounds over all servers; medians are shown (default 1)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes of each server (default 1)")
    parser.add_argument("--peers", type=Path, help="folder for the peers' virtual environments")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="these servers only")
    parser.add_argument("--models", nargs="+", choices=TRAINERS, default=list(TRAINERS), help="these models only")
    parser.add_argument("--profile", action="store_true", help="profile the gateway, without a comparison")
    return parser.parse_args()


def _peers(names: Sequence[str], environments: Environments) -> tuple[list[Peer], dict[str, str]]:
    """Return every configuration of the servers that install, and the reasons for those that do not."""
    environments.folder.mkdir(parents=True, exist_ok=True)
    peers: list[Peer] = []
    missing = {}
    for name in names:
        try:
            peers += VARIANTS[name](environments)
        except UnavailableError as error:
            missing[name] = str(error)
    return peers, missing


def _round(jobs: Sequence[Job], peers: Sequence[Peer], plan: Plan, missing: dict[str, str]) -> Iterator[Run]:
    for job in jobs:
        for peer in peers:
            try:
                yield _measure(job, peer, plan)
            except UnavailableError as error:
                missing[f"{peer.name} {peer.variant}".strip()] = str(error)


def _measure(job: Job, peer: Peer, plan: Plan) -> Run:
    """Start the server, check its answers, measure each cell and its memory."""
    port = free_port()
    log = job.project.folder / f"{peer.name}-{port}.log"
    with running(peer.launch(job, port), partial(_answers, job, peer, port), log) as server:
        _check(job, peer, port)
        cells = {}
        for rows in ROWS:
            request = job.project.folder / f"{peer.name}-{rows}.http"
            request.write_bytes(peer.ask(job, job.rows[:rows]).wire)
            for connections in CONNECTIONS:
                cells[Cell(job.name, rows, connections)] = measure(server.pid, port, request, connections, plan)
        tree = Tree(server.pid)
        memory = tree.memory_mib
    if peer.name == "ours":
        ours.require_captured(job, sum(cell.requests - cell.failed for cell in cells.values()))
    return Run(peer.name, peer.variant, job.name, cells, server.start_seconds, memory, len(tree.ticks))


def _answers(job: Job, peer: Peer, port: int) -> bool:
    """Return whether the server answers a prediction."""
    try:
        _predicted(job, peer, port, job.rows[:1])
    except (OSError, http.client.HTTPException):
        return False
    return True


def _check(job: Job, peer: Peer, port: int) -> None:
    """Request different rows at once; raises UnavailableError unless each answer equals the registered model's."""
    spans = [(start, start + 1 + start % 7) for start in range(CHECKS)] + [(0, max(ROWS))]
    with ThreadPoolExecutor(max(CONNECTIONS)) as threads:
        found = threads.map(lambda span: _predicted(job, peer, port, job.rows[slice(*span)]), spans)
        try:
            differs = any(
                _differs(answer, job.answers[slice(*span)]) for span, answer in zip(spans, found, strict=True)
            )
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"refuses a request ({error!r})") from error
    if differs:
        raise UnavailableError("answers other than the registered model does")


def _differs(answer: Sequence[Row], expected: Sequence[Row]) -> bool:
    found, known = np.array(answer), np.array(expected)
    return found.shape != known.shape or bool(np.abs(found - known).max() > TOLERANCE)


def _predicted(job: Job, peer: Peer, port: int, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the server's answer; raises HTTPException for anything but 200."""
    ask = peer.ask(job, rows)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", ask.path, ask.body, {"Content-Type": "application/json", **ask.headers})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise http.client.HTTPException(content[:200])
    return peer.read(content)


if __name__ == "__main__":
    main()
