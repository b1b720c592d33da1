"""Run ``python -m benchmarks.sequential`` (twenty minutes of CPU); ``--runs`` and ``--part`` make it shorter."""

import argparse
import time

from benchmarks.sequential.callers import callers
from benchmarks.sequential.intervals import PARTS, check_the_guard
from benchmarks.sequential.latency import latency


def main() -> None:
    """Run the chosen parts."""
    parts = {**PARTS, "callers": callers, "latency": latency}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, help="experiments per cell (1,000; callers and latency 500)")
    parser.add_argument("--part", choices=parts, action="append")
    options = parser.parse_args()
    check_the_guard()
    for name in options.part or parts:
        started = time.process_time()
        parts[name](options.runs or (1000 if name in PARTS else 500))
        print(f"\n{name}: {time.process_time() - started:.0f} CPU s")


if __name__ == "__main__":
    main()
