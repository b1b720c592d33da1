"""The recent log of an endpoint with 20 million rows: the operation, its route, and a plain query as peer.

``python -m benchmarks.recent_logs [--rows 20000000] [--small-files 8640]``. The log has 30 days; the newest day is as
the ingest writes it, one file per ten seconds. It is measured again while maintenance compacts it, after that, and when
all days are sorted. The spool has a backlog, as between two ingests. Everything is in a temporary folder next to the
current one (or in TMPDIR), about 4 GB at 20 million rows, and is removed at the end.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.log_lake import (
    ENDPOINT,
    FEATURES,
    TABLE,
    arguments,
    compact,
    log_rows,
    write_log,
    write_spool,
)
from modelops_pipelines.core.capture.log_search import LogSearch
from modelops_pipelines.operations.capture.recent_logs import recent_logs
from modelops_pipelines.store.lake.writer import LakeWriter
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.gateway import running_gateway
from tests.support.project import Project, make_project

CALLS, PEER_CALLS, ROUNDS = 200, 5, 3
NAIVE = f"SELECT * FROM {TABLE.name} WHERE event_time >= now() - INTERVAL 24 HOUR ORDER BY event_time DESC LIMIT 100"


@dataclass(frozen=True)
class Times:
    """Durations of calls in milliseconds: the first call, the others in ascending order, and this process's CPU."""

    first: float
    others: Sequence[float]
    cpu: float

    def at(self, share: float) -> float:
        """Return a quantile of all calls but the first."""
        return self.others[min(int(len(self.others) * share), len(self.others) - 1)]


def main() -> None:
    """Write the log, measure, compact, measure again."""
    given = arguments().parse_args()
    with _project() as project:
        now, started = datetime.now(UTC), time.monotonic()
        commits = write_log(project.stores.settings.lake, given.rows, given.small_files, now)
        write_spool(project.stores.settings.spool, max(1, given.rows // 30 // 8640), now)
        print(f"{given.rows:,} rows in {commits:,} files, written in {time.monotonic() - started:.0f} s\n")
        _table(f"{given.small_files:,} files in the newest day", _measure(project, now))
        lake = project.stores.settings.lake
        with _compacting(lake, now):
            _table("in the middle of the compaction", _measure(project, now, only_route=True))
        print(f"\ncompacted to {compact(lake, now):,} files\n")
        _table("newest day compacted", _measure(project, now))
        started = time.monotonic()
        files = compact(lake, now + timedelta(days=2))
        print(f"\nsorted to {files:,} files in {time.monotonic() - started:.0f} s\n")
        _table("all days sorted", _measure(project, now))


@contextmanager
def _project() -> Iterator[Project]:
    parent = os.environ.get("TMPDIR") or Path.cwd().parent
    with tempfile.TemporaryDirectory(prefix="recent-logs-", dir=parent) as folder:
        project = make_project(Path(folder) / "project")
        version = ModelVersion("tumours", "3", "nowhere", dict(FEATURES), None, None, None, datetime.now(UTC))
        project.stores.deployments.record_version(version)
        yield project


@contextmanager
def _compacting(lake: Path, now: datetime) -> Iterator[None]:
    """Compact in a process of its own, as Dagster's job does, for the time of the block or until it has ended."""
    code = (
        "import sys; from datetime import datetime; from pathlib import Path; from benchmarks.log_lake import compact; "
        "compact(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(lake), now.isoformat()]) as child:
        yield
        print(f"\nthe compaction {'goes on' if child.poll() is None else 'ended during the measurement'}")
        child.wait()


def _measure(project: Project, now: datetime, *, only_route: bool = False) -> Mapping[str, Times]:
    stores = Stores(project.stores.settings)  # new, so that nothing is cached
    searches = [] if only_route else _searches(stores, project)
    found = {what: _timed(_operation(stores, project, asked), calls) for what, asked, calls in searches}
    with running_gateway(project, ready=False) as gateway:

        def route(**query: str | int) -> Callable[[], object]:
            return lambda: gateway.client.get(f"/endpoints/{ENDPOINT}/logs", params=query).raise_for_status()

        found["the route, limit 100"] = _timed(route(), CALLS)
        found["the route, limit 1000"] = _timed(route(limit=1000), CALLS)
    if only_route:
        return found
    found["limit 100, a commit before each"] = _timed(_after_commits(stores, project), 10)
    found["peer: the plain query over the day"] = _timed(_naive(stores, now), PEER_CALLS)
    return found


def _searches(stores: Stores, project: Project) -> Sequence[tuple[str, LogSearch, int]]:
    """Return the searches and how often to run each, the most usual one first."""
    request_id = recent_logs(stores, project.spec, LogSearch(1000)).rows[-1]["request_id"]
    return [
        ("limit 100", LogSearch(), CALLS),
        ("limit 1000", LogSearch(1000), CALLS),
        ("status error", LogSearch(status="error"), CALLS),
        ("one request by its id", LogSearch(request_id=request_id), CALLS),
        ("one of 50,000 users, all 24 h", LogSearch(user="user-1"), PEER_CALLS),
        ("an unknown user, all 24 h", LogSearch(user="nobody"), PEER_CALLS),
    ]


def _operation(stores: Stores, project: Project, asked: LogSearch) -> Callable[[], object]:
    return lambda: recent_logs(stores, project.spec, asked)


def _after_commits(stores: Stores, project: Project) -> Callable[[], object]:
    """Return a call that finds one more commit each time; the commits themselves are not measured."""
    writer, numbers = LakeWriter(project.stores.settings.lake), iter(range(1, 1000))

    def prepare() -> None:
        begin = datetime.now(UTC)
        rows = log_rows(begin, begin + timedelta(milliseconds=1), 77, 2_000_000 + next(numbers))
        writer.append_once(ENDPOINT, TABLE, rows, f"later-{time.monotonic_ns()}", 1)

    def call() -> object:
        return recent_logs(stores, project.spec, LogSearch())

    call.prepare = prepare  # type: ignore[attr-defined]
    return call


def _naive(stores: Stores, now: datetime) -> Callable[[], object]:
    days = [(now - timedelta(days=days)).date() for days in (0, 1)]

    def ask() -> object:
        with stores.lake.query(ENDPOINT, [TABLE], days) as connected:
            return connected.execute(NAIVE).fetchall()

    return ask


def _timed(call: Callable[[], object], calls: int) -> Times:
    """Return the times of the round with the best p99: other work shares the machine."""
    first = _round(call, 1).others[0]
    rounds = [_round(call, calls) for _ in range(ROUNDS)]
    return replace(min(rounds, key=lambda times: times.at(0.99)), first=first)


def _round(call: Callable[[], object], calls: int) -> Times:
    took, cpu = [], 0.0
    for _ in range(calls):
        getattr(call, "prepare", lambda: None)()
        started, before = time.perf_counter(), time.process_time()
        call()
        took.append((time.perf_counter() - started) * 1000)
        cpu += time.process_time() - before
    return Times(took[0], sorted(took), cpu * 1000 / calls)


def _table(title: str, found: Mapping[str, Times]) -> None:
    print(f"| {title} | calls | first ms | p50 ms | p99 ms | slowest ms | CPU ms |\n|{'---|' * 7}")
    for what, times in found.items():
        numbers = [times.first, times.at(0.5), times.at(0.99), times.others[-1]]
        cpu = "-" if what.startswith("the route") else f"{times.cpu:.1f}"  # the CPU of another process is not measured
        print(f"| {what} | {len(times.others)} | {' | '.join(f'{number:.1f}' for number in numbers)} | {cpu} |")


if __name__ == "__main__":
    main()
