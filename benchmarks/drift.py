"""Drift of 13 columns by our profiles, compared with Evidently and others: CPU time, memory, verdicts and values.

``python -m benchmarks.drift [--rows 100000 1000000] [--peers DIR] [--only METHOD ...]``. Each method runs in its own
process on the same seeded data, ten numeric and three categorical columns, some of which are shifted or swapped;
``drift_methods.py`` states what is measured. Tools that we do not depend on are installed into virtual environments in
DIR, or in a temporary folder; a tool that does not install or run is listed with the reason.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift_methods import METHODS, Columns, write

NUMERIC, CATEGORICAL = 10, 3
SHIFTED = {"x0": 0.3, "x1": 0.15, "x2": 0.5, "x3": 0.05}
SWAPPED = {"c0": 0.3, "c1": 0.02}
PACKAGES = {
    "nannyml": ("nannyml", "statsmodels"),  # it imports statsmodels without declaring it
    "whylogs": ("whylogs[viz]", "pandas<3", "numpy<2"),  # it uses names that numpy 2 removed
    "alibi-detect": ("alibi-detect",),
}
EVIDENTLY, SCIPY = "evidently", "scipy by hand"
HEADER = (
    "rows per side",
    "method",
    "CPU s",
    "ratio to Evidently",
    "wall s",
    "peak MB (before)",
    "drifted",
    "verdicts equal to Evidently's",
    "largest difference from scipy",
)
ROOT = Path(__file__).parents[1]
INSTALL_SECONDS, RUN_SECONDS = 900, 900
Measured = dict[str, Any]


def main() -> None:
    """Run each method in its own process, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="rows per side (default both sizes)"
    )
    parser.add_argument("--peers", type=Path, help="folder for the peers' virtual environments")
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS), help="these methods only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        missing: dict[str, str] = {}
        pythons = _pythons(given.only, given.peers or Path(folder) / "peers", missing)
        print(f"\n{time.strftime('%Y-%m-%d')}; {NUMERIC} numeric and {CATEGORICAL} categorical columns\n")
        print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}", flush=True)
        for rows in given.rows:
            data = str(Path(folder) / f"{rows}.npz")
            write(data, _columns(rows, 1), _columns(rows, 2, SHIFTED, SWAPPED))
            found = {method: ran for method, python in pythons.items() if (ran := _run(method, python, data, missing))}
            for method in found:
                _print(rows, method, found)
    print(f"\nfree text of 25 words: {_text_cost():.1f} us CPU per text")
    for method, why in missing.items():
        print(f"\nnot measured: {method} {why}")


def _print(rows: int, method: str, found: Mapping[str, Measured]) -> None:
    ran, verdicts = found[method], found[method]["verdicts"]
    times = f"{ran['cpu']:.3f} | {_share(ran, found.get(EVIDENTLY))} | {ran['wall']:.3f}"
    memory = f"{ran['peak_mb']:.0f} ({ran['before_mb']:.0f})"
    drifted = sum(drift for _, drift in verdicts.values())
    theirs = found.get(EVIDENTLY, {}).get("verdicts", {})
    agreed = f"{sum(verdicts[name][1] == drift for name, (_, drift) in theirs.items())}/{len(theirs)}"
    exact = found.get(SCIPY, {}).get("verdicts", {})
    apart = [abs(verdicts[name][0] - value) for name, (value, _) in exact.items() if verdicts[name][0] is not None]
    difference = f"{max(apart):.1e}" if apart else "different statistic"
    print(f"| {rows:,} | {method} | {times} | {memory} | {drifted} | {agreed} | {difference} |", flush=True)


def _share(ran: Measured, peer: Measured | None) -> str:
    if peer is None:
        return "-"
    ratio = peer["cpu"] / ran["cpu"]
    return f"1/{ratio:.0f}" if ratio >= 2 else f"{1 / ratio:.2g}"


def _pythons(methods: Sequence[str], folder: Path, missing: dict[str, str]) -> dict[str, str]:
    """Return each method's interpreter; adds the methods that do not install to ``missing``."""
    found = {}
    for method in methods:
        try:
            found[method] = (
                _environment(folder.absolute() / method, PACKAGES[method]) if method in PACKAGES else sys.executable
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            missing[method] = f"did not install: {_last_line(error.stderr)}"
    return found


def _environment(home: Path, packages: Sequence[str]) -> str:
    """Return the interpreter of a virtual environment with these packages; reuses one that has them."""
    done, python = home / "installed", str(home / "bin" / "python")
    if not done.exists() or done.read_text() != " ".join(packages):
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(home)],
            [python, "-m", "pip", "install", "--quiet", *packages],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        done.write_text(" ".join(packages))
    return python


def _run(method: str, python: str, data: str, missing: dict[str, str]) -> Measured | None:
    command = [python, "-W", "ignore", "-m", "benchmarks.drift_methods", method, data]
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=RUN_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        missing[method] = f"did not run: {_last_line(error.stderr)}"
        return None
    measured: Measured = json.loads(ran.stdout.splitlines()[-1])
    return measured


def _last_line(output: object) -> str:
    lines = str(output or "no output").strip().splitlines()
    return lines[-1]


def _text_cost(count: int = 20_000, words: int = 25) -> float:
    """Return microseconds of CPU per text, with word frequencies like a language's; the median of five runs."""
    from modelops_pipelines.core.profiles.profile import fit_profile

    drawn = np.minimum(np.random.default_rng(1).zipf(1.3, (count, words)), 50_000)
    texts = [" ".join(f"word{number}" for number in row) for row in drawn.tolist()]
    spent = []
    for _ in range(5):
        started = time.process_time()
        fit_profile("text", texts, "text")
        spent.append((time.process_time() - started) / count * 1e6)
    return statistics.median(spent)


def _columns(rows: int, seed: int, shifted: Any = (), swapped: Any = ()) -> Columns:
    """Draw the columns: normal and log-normal numbers, categories of falling frequency; some shifted or swapped."""
    draw = np.random.default_rng(seed)
    columns: Columns = {}
    for index in range(NUMERIC):
        name = f"x{index}"
        values = draw.normal(size=rows) + dict(shifted).get(name, 0.0)
        columns[name] = np.exp(values / 2) if index % 3 == 2 else values
    for index in range(CATEGORICAL):
        name, count = f"c{index}", 5 * 4**index
        codes = np.minimum(draw.geometric(3 / count, rows), count) - 1
        turned = draw.random(rows) < dict(swapped).get(name, 0.0)
        names = np.array([f"{name}-{code}" for code in range(count)], dtype=object)
        columns[name] = names[np.where(turned, count - 1 - codes, codes)]
    return columns


if __name__ == "__main__":
    main()
