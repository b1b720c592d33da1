"""Drift of 13 columns by our profiles, beside Evidently's DataDriftPreset: CPU time, memory and verdicts.

``python -m benchmarks.drift [--rows 1000000]``. Each way runs in a process of its own on the same seeded data, ten
numeric columns and three categorical ones, some of which are shifted or swapped. Both begin with what they take in
practice: we with Arrow tables, as the lake gives them, Evidently with DataFrames. Making the data and imports are not
counted.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NUMERIC, CATEGORICAL = 10, 3
SHIFTED = {"x0": 0.3, "x1": 0.15, "x2": 0.5, "x3": 0.05}
SWAPPED = {"c0": 0.3, "c1": 0.02}
HEADER = (
    "rows a side",
    "way",
    "CPU s",
    "of Evidently's",
    "wall s",
    "peak MB (before)",
    "drifted",
    "verdicts as Evidently",
    "largest difference",
)
ROOT = Path(__file__).parents[1]
Columns = dict[str, npt.NDArray[Any]]
Verdicts = dict[str, tuple[float, bool]]


def main() -> None:
    """Run each way in a process of its own, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="a side (default both sizes)")
    parser.add_argument("--way", choices=sorted(WAYS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(_measure(given.way, given.rows[0])))
        return
    print(f"\n{time.strftime('%Y-%m-%d')}; {NUMERIC} numeric and {CATEGORICAL} categorical columns\n")
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    for rows in given.rows:
        found = {way: _in_own_process(way, rows) for way in WAYS}
        for way, ran in found.items():
            _print(rows, way, ran, found["evidently"])


def _print(rows: int, way: str, ran: dict[str, Any], peer: dict[str, Any]) -> None:
    pairs = [(ran["verdicts"][name], peer["verdicts"][name]) for name in peer["verdicts"]]
    agreed = sum(ours[1] == theirs[1] for ours, theirs in pairs)
    apart = max(abs(ours[0] - theirs[0]) for ours, theirs in pairs)
    share = f"1/{peer['cpu'] / ran['cpu']:.0f}" if way != "evidently" else "1"
    drifted = sum(ours[1] for ours, _ in pairs)
    memory = f"{ran['peak_mb']:.0f} ({ran['before_mb']:.0f})"
    times = f"{ran['cpu']:.2f} | {share} | {ran['wall']:.2f}"
    print(f"| {rows:,} | {way} | {times} | {memory} | {drifted} | {agreed}/{len(pairs)} | {apart:.1e} |")


def _in_own_process(way: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.drift", "--way", way, "--rows", str(rows)]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=900)
    measured: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def _measure(way: str, rows: int) -> dict[str, Any]:
    job = WAYS[way](_columns(rows, 1), _columns(rows, 2, SHIFTED, SWAPPED))
    before, cpu, started = _peak_mb(), _cpu(), time.perf_counter()
    verdicts = job()
    took, spent = time.perf_counter() - started, _cpu() - cpu
    return {"cpu": spent, "wall": took, "before_mb": before, "peak_mb": _peak_mb(), "verdicts": verdicts}


def _columns(rows: int, seed: int, shifted: Any = (), swapped: Any = ()) -> Columns:
    """Draw the columns: normal and log-normal numbers, categories of falling frequency; some shifted or swapped."""
    draw = np.random.default_rng(seed)
    made: Columns = {}
    for index in range(NUMERIC):
        name = f"x{index}"
        values = draw.normal(size=rows) + dict(shifted).get(name, 0.0)
        made[name] = np.exp(values / 2) if index % 3 == 2 else values
    for index in range(CATEGORICAL):
        name, count = f"c{index}", 5 * 4**index
        codes = np.minimum(draw.geometric(3 / count, rows), count) - 1
        turned = draw.random(rows) < dict(swapped).get(name, 0.0)
        names = np.array([f"{name}-{code}" for code in range(count)], dtype=object)
        made[name] = names[np.where(turned, count - 1 - codes, codes)]
    return made


def _ours(reference: Columns, current: Columns, *, stored: bool) -> Callable[[], Verdicts]:
    """Profile and judge; with ``stored`` the reference's profiles are there already, as they are in production."""
    import pyarrow as pa

    from modelops_pipelines.core.drift import judge_fixed
    from modelops_pipelines.core.profiles import profile
    from modelops_pipelines.operations.profiling import make_reference

    then, now = pa.table(reference), pa.table(current)
    kept = make_reference("benchmark", then, list(reference)) if stored else None

    def job() -> Verdicts:
        known = (kept or make_reference("benchmark", then, list(reference))).profiles
        profiles = {name: profile(_values(now.column(name)), made.bins) for name, made in known.items()}
        return {v.column: (float(v.value or 0.0), bool(v.drifted)) for v in judge_fixed(profiles, known)}

    return job


def _values(column: Any) -> Any:
    """Return a column as profiling takes it from the lake."""
    return column.to_numpy() if str(column.type) == "double" else column.to_pylist()


def _evidently(reference: Columns, current: Columns) -> Callable[[], Verdicts]:
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    then, now = pd.DataFrame(reference), pd.DataFrame(current)

    def job() -> Verdicts:
        found = Report([DataDriftPreset()]).run(now, then).dict()["metrics"]
        drifts = [metric for metric in found if "column" in metric["config"]]
        return {
            metric["config"]["column"]: (float(metric["value"]), bool(metric["value"] >= metric["config"]["threshold"]))
            for metric in drifts
        }

    return job


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


WAYS: dict[str, Callable[[Columns, Columns], Callable[[], Verdicts]]] = {
    "ours, both sides": lambda reference, current: _ours(reference, current, stored=False),
    "ours, reference stored": lambda reference, current: _ours(reference, current, stored=True),
    "evidently": _evidently,
}

if __name__ == "__main__":
    main()
