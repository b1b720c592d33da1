"""A year of one busy endpoint and of quiet ones in some minutes: is the last week as cheap as the first?

``python -m benchmarks.long_life [--days 365] [--quiet 100] [--ingests 4] [--dense 96] [--maintenance no]``. The busy
endpoint answers a request a minute of event time; its labels arrive an hour later, it is retrained each month and
deployed each week. Each quiet endpoint answers four requests a quarter. The clock is the benchmark's, the rest is the
product: spool, ingest, derived tables, training, releases, maintenance every night. A day is ingested in
``--ingests`` parts, the two days before a measurement in ``--dense`` parts. It measures after a week, a few times
between, and at the end: files and bytes, CPU of a monitoring step, latency of queries, size of the databases; at last
every training set is rebuilt and compared with its hash. What is in a temporary folder is removed at the end.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from modelops_pipelines.core.capture.log_search import LogSearch
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.recent_logs import recent_logs
from modelops_pipelines.operations.drift.data_quality import check_data_quality
from modelops_pipelines.operations.drift.detect import detect_drift
from modelops_pipelines.operations.drift.profiles import profile_windows
from modelops_pipelines.operations.governance.key_usage import measure_usage
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.operations.improve.training.content import is_content
from modelops_pipelines.operations.improve.training.sets import read_training_set
from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.operations.metrics.service import measure_service
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.filesystem.folder_sizes import size_of
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.fleet import add_endpoint
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, train_first
from tests.worlds.trials import Clocked

START = (datetime.now(UTC) - timedelta(days=380)).replace(hour=0, minute=0, second=0, microsecond=0)
BUSY = "cancer"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
WEEK, MONTH = 7, 30
BETWEEN = (28, 91, 182)
DENSE_DAYS = 2
LABEL_DELAY = timedelta(hours=1)
STREAMS = ("predictions", "labels")
CALLS = 200
CELLS = 4
DERIVED = (
    measure_service,
    profile_windows,
    detect_drift,
    check_data_quality,
    measure_quality,
    estimate_quality,
    measure_usage,
)
WHO: dict[str, Any] = {"actor": "the benchmark", "reason": "a year"}


@dataclass
class Year:
    """The endpoints, with what they have answered and not yet labelled."""

    project: Project
    quiet: Sequence[EndpointSpec]
    cells: Any
    truths: Any
    draw: np.random.Generator
    unlabelled: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    requests: int = 0
    sets: int = 0

    @property
    def stores(self) -> Clocked:
        """The stores, whose clock can be set."""
        assert isinstance(self.project.stores, Clocked)
        return self.project.stores

    def answer(self, spec: EndpointSpec, start: datetime, end: datetime, each: timedelta) -> None:
        """Write the requests of a time, one row each, and the labels that are due at its end."""
        champion = self.stores.deployments.desired(spec.name).champion
        records = []
        at = start
        while at < end:
            chosen = int(self.draw.integers(len(self.truths)))
            truth = int(self.truths[chosen])
            score = float(np.clip(truth + self.draw.normal(0, 0.3), 0.01, 0.99))
            features = {name: [float(self.cells[name][chosen])] for name in self.cells}
            answered = {"p": [str(int(score > 0.5))], "s": [score], "f": features, "version": champion}
            self.requests += 1
            records.append(request_record(spec.name, self.requests, at, 1, **answered))
            if spec.name == BUSY:
                self.unlabelled.append((records[-1], truth))
            at += each
        due = [one for one in self.unlabelled if _time_of(one[0]) + LABEL_DELAY <= end]
        self.unlabelled = self.unlabelled[len(due) :]
        labels = [{"rows": [label_row(record, 0, str(truth), end)]} for record, truth in due]
        self.stores.moment = end
        write_segment(self.stores, spec.name, "predictions", "w", records, self._next(spec, "predictions"))
        write_segment(self.stores, spec.name, "labels", "w", labels, self._next(spec, "labels"))

    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def _next(self, spec: EndpointSpec, stream: str) -> int:
        self._numbers[spec.name, stream] = self._numbers.get((spec.name, stream), 0) + 1
        return self._numbers[spec.name, stream]

    def monitor(self, spec: EndpointSpec) -> float:
        """Ingest and derive, as a monitoring run does; return the CPU seconds."""
        before = _cpu()
        for stream in STREAMS:
            ingest(self.stores, spec, stream)
        for derive in DERIVED:
            derive(self.stores, spec)
        return _cpu() - before


def main() -> None:
    """Live the year, measure after a week and at the end, and print the table."""
    given = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="long-life-", dir=given.folder))
    try:
        year = _begin(folder, given.quiet)
        found = dict(_live(year, given))
        _print(found, _rebuilt(year), year)
    finally:
        shutil.rmtree(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--quiet", type=int, default=100)
    parser.add_argument("--ingests", type=int, default=4)
    parser.add_argument("--dense", type=int, default=96)
    parser.add_argument("--maintenance", choices=["yes", "no"], default="yes")
    parser.add_argument("--folder", type=Path, default=None)
    return parser.parse_args()


def _begin(folder: Path, quiet: int) -> Year:
    yaml = CANCER_YAML.replace("  drift: {method: fixed, minimum: 500}\n", "")
    project = make_project(folder / "project", yaml)
    stores = Clocked(project.stores.settings)
    stores.moment = START
    project.stores = stores
    frame = cancer_frame()
    train_first(project, frame)
    deploy(stores, project.spec, "1", **WHO)
    [version] = stores.deployments.versions("tumours")
    specs = [
        add_endpoint(project, f"quiet_{number}", version, more="  allow_replay: true\n") for number in range(quiet)
    ]
    cells = {name: frame[name].to_numpy() for name in frame.columns if name != "benign"}
    return Year(project, specs, cells, frame["benign"].to_numpy(), np.random.default_rng(1))


def _live(year: Year, given: argparse.Namespace) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Yield the measurements after a week, between, and at the end, each told at once: the whole takes over an hour."""
    measured = {WEEK, given.days, *(day for day in BETWEEN if day < given.days)}
    started = time.monotonic()
    for day in range(given.days):
        is_dense = any(end - DENSE_DAYS <= day < end for end in measured)
        steps = _one_day(year, day, given.dense if is_dense else given.ingests)
        _quiet_day(year, day)
        if day % WEEK == WEEK - 1:
            _release(year, day)
        if day % MONTH == MONTH - 1:
            year.sets += 1
            list(retrain(year.stores, year.project.spec, "a month"))
        found = _measure(year, steps) if day + 1 in measured else None
        nightly = _maintain(year) if given.maintenance == "yes" else 0.0
        if found is not None:
            after = {"files after the night's maintenance": size_of(year.stores.settings.home).files}
            told = {**found, **after, "maintenance of a night, CPU s": nightly}
            print(f"day {day + 1}:", ", ".join(f"{name} {value:,.2f}" for name, value in told.items()), flush=True)
            yield day + 1, told
        if day % WEEK == WEEK - 1:
            print(f"day {day + 1}: {time.monotonic() - started:.0f} s", flush=True)


def _one_day(year: Year, day: int, parts: int) -> Sequence[float]:
    """Return the CPU seconds of each monitoring step of the busy endpoint's day."""
    start, length = START + day * DAY, DAY / parts
    took = []
    for part in range(parts):
        year.answer(year.project.spec, start + part * length, start + (part + 1) * length, MINUTE)
        took.append(year.monitor(year.project.spec))
    return took


def _quiet_day(year: Year, day: int) -> None:
    """Have the quiet endpoints whose day it is answer four requests."""
    for number, spec in enumerate(year.quiet):
        if (day + number) % 91 == 0:
            end = START + (day + 1) * DAY
            year.answer(spec, end - 4 * MINUTE, end, MINUTE)
            year.monitor(spec)


def _release(year: Year, day: int) -> None:
    """Deploy the newest version, or the one before it: a release each week."""
    versions = year.stores.deployments.versions("tumours")
    chosen = versions[-1 - (day // WEEK) % min(2, len(versions))].version
    if chosen != year.stores.deployments.desired(BUSY).champion:
        deploy(year.stores, year.project.spec, chosen, **WHO, force=True)


def _maintain(year: Year) -> float:
    """Run the night's maintenance; return its CPU seconds.

    The files were all written just now, by the machine's clock: for the maintenance two days have passed since then.
    """
    from modelops_pipelines.operations.maintenance.all_tasks import TASKS
    from modelops_pipelines.operations.maintenance.run import require_success, run_tasks

    before = _cpu()
    require_success(run_tasks(year.stores, TASKS, datetime.now(UTC) + 2 * DAY))
    return _cpu() - before


def _measure(year: Year, steps: Sequence[float]) -> Mapping[str, float]:
    home, spec = year.stores.settings.home, year.project.spec
    sizes = {part: size_of(home / part) for part in ("lake", "spool", "models", "mlartifacts", "references")}
    named = {f"{part}: files": found.files for part, found in sizes.items()}
    fresh = Stores(year.stores.settings)
    latest = sorted(_milliseconds(lambda: recent_logs(fresh, spec, LogSearch()), CALLS))
    queries = sorted(_milliseconds(lambda: _week_of_metrics(year), 20))
    return {
        **named,
        "lake of a quiet endpoint: files": max(
            (size_of(home / "lake" / one.name).files for one in year.quiet), default=0
        ),
        "lake: MB": sizes["lake"].bytes / 1e6,
        "home: MB": size_of(home).bytes / 1e6,
        "state.db: MB": size_of(home / "state.db").bytes / 1e6,
        "mlflow.db: MB": size_of(home / "mlflow.db").bytes / 1e6,
        "monitoring step, mean CPU s": float(np.mean(steps)),
        "monitoring step, last CPU s": float(np.mean(steps[-CELLS:])),
        "recent log, p50 ms": latest[len(latest) // 2],
        "recent log, p99 ms": latest[int(len(latest) * 0.99)],
        "a week of metrics, p50 ms": queries[len(queries) // 2],
    }


def _week_of_metrics(year: Year) -> object:
    from modelops_pipelines.operations.metrics.traffic import newest_traffic

    return newest_traffic(year.stores, year.project.spec, WEEK * 24)


def _milliseconds(call: Callable[[], object], calls: int) -> Iterator[float]:
    for _ in range(calls):
        started = time.perf_counter()
        call()
        yield (time.perf_counter() - started) * 1000


def _rebuilt(year: Year) -> tuple[int, int]:
    """Return how many training sets are rebuilt byte for byte, of how many."""
    sets = year.stores.training_sets.of(BUSY)
    same = [one for one in sets if is_content(read_training_set(year.stores, one), one.content_hash)]
    return len(same), len(sets)


def _print(found: Mapping[int, Mapping[str, float]], rebuilt: tuple[int, int], year: Year) -> None:
    first, last = min(found), max(found)
    print(f"\n{time.strftime('%Y-%m-%d')}; {year.requests:,} requests, {year.sets} retrainings\n")
    print(f"| | after {first} days | after {last} days | ratio |\n|---|---|---|---|")
    for name, before in found[first].items():
        after = found[last][name]
        ratio = f"{after / before:.2f}" if before else "-"
        print(f"| {name} | {before:,.2f} | {after:,.2f} | {ratio} |")
    print(f"\n{rebuilt[0]} of {rebuilt[1]} training sets are rebuilt byte for byte")


def _time_of(record: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(record["t"] / 1e6, UTC)


def _cpu() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    main()
