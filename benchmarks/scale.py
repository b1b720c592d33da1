"""Hourly profiles of 13 columns at 1.7 M, 10 M and 50 M rows, compared with summing the same columns.

``python -m benchmarks.scale [--rows 1700000 10000000 50000000]``. A log of that many rows is written as Delta files,
one partition per day. Each size is measured in its own process: profiling through the product's operation (read, bin,
write), compared with DuckDB's hourly sum of each column over the same files (hours by arithmetic, and by
``date_trunc``, the usual form), and pandas' of the numeric ones. Then the cost of a verdict on the last day from 30
days of stored profiles, the size of profiles (hours and days) on disk, and the cost of one more day after a week and
after a year.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
NUMBERS, WORDS = 10, 3
DAYS = 30
START = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = 12
SIZES = [1_700_000, 10_000_000, 50_000_000]
HISTORY = {"a week": 7, "a year": 365}
DAY_ROWS = 24_000
REPEATS = 7
PEERS = {"sum": "DuckDB's sum", "truncated": "with date_trunc", "pandas": "pandas' sum"}
BY_ARITHMETIC, BY_TRUNCATING = "epoch_us(event_time) // 3600000000", "date_trunc('hour', event_time)"


def main() -> None:
    """Measure each size in its own process, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--days", type=int, default=DAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(STEPS[given.step](given.folder, given.rows[0], given.days)))
        return
    found = [_measured(rows) for rows in given.rows]
    _print_sizes(given.rows, found)
    _print_more()


def _measured(rows: int) -> dict[str, dict[str, Any]]:
    """Return each step's measurements on a log with this number of rows."""
    folder = Path(tempfile.mkdtemp(prefix="modelops-scale-"))
    try:
        return {step: _step(step, folder, rows) for step in ("write", *PEERS, "profile", "verdict")}
    finally:
        shutil.rmtree(folder)


def _print_sizes(sizes: list[int], found: list[dict[str, dict[str, Any]]]) -> None:
    print(f"\n{time.strftime('%Y-%m-%d')}; {NUMBERS} numeric and {WORDS} categorical columns, {DAYS} days, hourly\n")
    peers = [title for name in PEERS.values() for title in (name, "ratio")]
    titles = ("rows", "profile CPU s", *peers, "peak MB", "ratio to the smallest")
    more = ("profiles MB", "share of the log", "verdict CPU ms, cold cache", "warm cache", "ns per cell")
    print(f"| {' | '.join((*titles, *more))} |\n|{'---|' * (len(titles) + len(more))}")
    least = found[0]["profile"]["peak_mb"]
    for rows, of in zip(sizes, found, strict=True):
        profile, verdict = of["profile"], of["verdict"]
        share = verdict["profiles_mb"] / verdict["log_mb"]
        cells = rows * (NUMBERS + WORDS)
        judged = f"{verdict['unread'] * 1000:.0f} | {verdict['cpu'] * 1000:.0f}"
        sums = " | ".join(f"{of[peer]['cpu']:.2f} | {profile['cpu'] / of[peer]['cpu']:.2f}" for peer in PEERS)
        print(
            f"| {rows:,} | {profile['cpu']:.2f} | {sums} "
            f"| {profile['peak_mb']:.0f} | {profile['peak_mb'] / least:.2f} | {verdict['profiles_mb']:.1f} "
            f"| {share:.2%} | {judged} | {profile['cpu'] / cells * 1e9:.0f} |"
        )


def _print_more() -> None:
    """Print the cost of profiling and judging one more day by the length of the history."""
    print("\n| history | one more day: profile CPU s | judge CPU s |\n|---|---|---|")
    for name, days in HISTORY.items():
        folder = Path(tempfile.mkdtemp(prefix="modelops-scale-"))
        try:
            _step("write", folder, DAY_ROWS * (days + 1), days + 1)
            took = _step("more", folder, DAY_ROWS * (days + 1), days + 1)
        finally:
            shutil.rmtree(folder)
        print(f"| {name} | {took['profile']:.3f} | {took['judge']:.3f} |")


def _step(step: str, folder: Path, rows: int, days: int = DAYS) -> dict[str, Any]:
    options = ["--step", step, "--folder", str(folder), "--rows", str(rows), "--days", str(days)]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale", *options]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=3000)
    measured: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def _opened(folder: Path) -> tuple[Any, Any]:
    """Return the stores and the endpoint of the benchmark's project, with a model version of the 13 columns."""
    from modelops_pipelines.core.endpoints.spec import EndpointSpec
    from modelops_pipelines.store.settings import load_settings
    from modelops_pipelines.store.state.release.model_versions import ModelVersion
    from modelops_pipelines.store.stores import Stores

    (folder / "endpoints").mkdir(exist_ok=True)
    given = {"MODELOPS_HOME": str(folder / "home"), "MODELOPS_ENDPOINTS": str(folder / "endpoints")}
    stores = Stores(load_settings(folder, given))
    inputs = dict.fromkeys(_numbers(), "float") | dict.fromkeys(_words(), "text")
    version = ModelVersion("scale", "1", "/nowhere", inputs, ["0", "1"], None, None, START)
    stores.deployments.record_version(version)
    return stores, EndpointSpec("scale", "scale", "binary_classification", "late", window="day")


def _numbers() -> list[str]:
    return [f"x{index}" for index in range(NUMBERS)]


def _words() -> list[str]:
    return [f"c{index}" for index in range(WORDS)]


def _write(folder: Path, rows: int, days: int) -> dict[str, Any]:
    """Write the log, and the reference: a sample of the first day."""
    from modelops_pipelines.operations.drift.references import make_reference
    from modelops_pipelines.operations.lake.endpoint_tables import log_table
    from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
    from modelops_pipelines.store.lake.writer import conform

    stores, spec = _opened(folder)
    table = log_table(stores, spec)
    draw = np.random.default_rng(1)
    for day in range(days):
        frame = _day(draw, day, rows // days)
        stores.writer.append_once("scale", table, conform(frame, arrow_schema(table)), "benchmark", day + 1)
        if day == 0:
            known = make_reference("benchmark", frame.slice(0, 50_000), [*_numbers(), *_words()])
            stores.references.write("scale", "1", known)
    stores.touched_windows.mark("scale", ["profiles"], [START + timedelta(days=day) for day in range(days)])
    return {}


def _day(draw: np.random.Generator, day: int, rows: int) -> Any:
    """Draw one day's rows, in order of time."""
    import pyarrow as pa

    start = int((START + timedelta(days=day)).timestamp() * 1e6)
    times = pa.array(start + np.sort(draw.integers(0, 86_400_000_000, rows))).cast(pa.timestamp("us", "UTC"))
    names = pa.array([f"category {code}" for code in range(CATEGORIES)])
    same = {"model_version": "1", "variant": "champion", "source": "live", "worker": "w", "prediction": "1"}
    columns: dict[str, Any] = {name: pa.repeat(pa.scalar(value), rows) for name, value in same.items()}
    columns |= {name: pa.repeat(pa.scalar(0), rows) for name in ("row_index", "segment")}
    columns |= {"status": pa.repeat(pa.scalar(200), rows), "latency_ms": pa.repeat(pa.scalar(1.0), rows)}
    columns |= {"event_time": times, "received_at": times, "date": times.cast(pa.date32())}
    columns |= {name: draw.normal(day / 100, 1, rows) for name in _numbers()}
    columns |= {
        name: pa.DictionaryArray.from_arrays(draw.integers(0, CATEGORIES, rows).astype(np.int32), names).cast(
            pa.string()
        )
        for name in _words()
    }
    return pa.table(columns)


def _sum(folder: Path, rows: int, days: int, hour: str = BY_ARITHMETIC) -> dict[str, Any]:  # noqa: ARG001 - a step's signature
    """Sum the numbers and count the categories per hour: the minimum that any method must read."""
    stores, spec = _opened(folder)
    from modelops_pipelines.operations.lake.endpoint_tables import log_table

    sums = ", ".join([*(f"sum({name})" for name in _numbers()), *(f"max({name})" for name in _words())])
    query = f"SELECT {hour} AS hour, {sums} FROM inference_log GROUP BY 1"
    with stores.lake.query("scale", [log_table(stores, spec)]) as connected:
        return _timed(lambda: connected.execute(query).fetchall())


def _pandas(folder: Path, rows: int, days: int) -> dict[str, Any]:  # noqa: ARG001
    """Sum the numbers per hour with pandas, without the categories."""
    import pandas as pd

    stores, _ = _opened(folder)
    files = stores.lake.files("scale", "inference_log")

    def summed() -> object:
        frame = pd.concat([pd.read_parquet(file, columns=["event_time", *_numbers()]) for file in files])
        return frame.groupby(frame["event_time"].dt.floor("h"))[_numbers()].sum()

    return _timed(summed)


def _profile(folder: Path, rows: int, days: int) -> dict[str, Any]:  # noqa: ARG001
    """Profile the first day to load all imports, then measure all days."""
    from modelops_pipelines.operations.drift.profiles import profile_windows
    from modelops_pipelines.operations.lake.incremental import Range

    stores, spec = _opened(folder)
    profile_windows(stores, spec, Range(START, START + timedelta(days=1)))
    stores.touched_windows.mark("scale", ["profiles"], [START + timedelta(days=day) for day in range(days)])
    return _timed(lambda: profile_windows(stores, spec))


def _verdict(folder: Path, rows: int, days: int) -> dict[str, Any]:  # noqa: ARG001
    """Judge the last day from the stored profiles of all 30; medians with a cold and with a warm cache."""
    stores, spec = _opened(folder)
    from modelops_pipelines.operations.drift.detect import judged_windows
    from modelops_pipelines.store.lake.parquet_scan import CACHE

    last = START + timedelta(days=days - 1)
    judged_windows(stores, spec, [last])  # loads the imports of the first call
    unread, read = [], []
    for _ in range(REPEATS):
        CACHE.clear()
        unread.append(_timed(lambda: judged_windows(stores, spec, [last]))["cpu"])
        read.append(_timed(lambda: judged_windows(stores, spec, [last]))["cpu"])
    return {
        "cpu": median(read),
        "unread": median(unread),
        "profiles_mb": _megabytes(folder, "profiles") + _megabytes(folder, "daily_profiles"),
        "log_mb": _megabytes(folder, "inference_log"),
    }


def _more(folder: Path, rows: int, days: int) -> dict[str, Any]:  # noqa: ARG001
    """Profile all days but the last, then measure the last one: the minimum of several runs."""
    from modelops_pipelines.operations.drift.detect import judged_windows
    from modelops_pipelines.operations.drift.profiles import profile_windows
    from modelops_pipelines.operations.lake.incremental import Range

    stores, spec = _opened(folder)
    last = START + timedelta(days=days - 1)
    profile_windows(stores, spec, Range(START, last))
    took: dict[str, list[float]] = {"profile": [], "judge": []}
    for _ in range(REPEATS):
        stores.touched_windows.mark("scale", ["profiles"], [last])
        took["profile"].append(_timed(lambda: profile_windows(stores, spec))["cpu"])
        took["judge"].append(_timed(lambda: judged_windows(stores, spec, [last]))["cpu"])
    return {step: min(times) for step, times in took.items()}


def _megabytes(folder: Path, table: str) -> float:
    return sum(path.stat().st_size for path in (folder / "home/lake/scale" / table).rglob("*.parquet")) / 1e6


def _timed(job: Callable[[], object]) -> dict[str, Any]:
    before, started = _used(), time.perf_counter()
    job()
    took, after = time.perf_counter() - started, _used()
    return {"cpu": after[0] - before[0], "wall": took, "peak_mb": after[1]}


def _used() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


STEPS: dict[str, Callable[[Path, int, int], dict[str, Any]]] = {
    "write": _write,
    "sum": _sum,
    "truncated": partial(_sum, hour=BY_TRUNCATING),
    "pandas": _pandas,
    "profile": _profile,
    "verdict": _verdict,
    "more": _more,
}

if __name__ == "__main__":
    main()
