"""What a process of its own costs a version: the same small pyfunc in the worker and in its process, in turns.

``python -m benchmarks.own_process``: prints the median and the 99th percentile of each, and the difference.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.version_process.answering import Order
from modelops_pipelines.gateway.version_process.launcher import Launcher
from modelops_pipelines.gateway.version_process.version_process import VersionProcess
from modelops_pipelines.gateway.worker.request_marks import RequestMarks, UnderWay, digest_of
from modelops_pipelines.operations.model_runtime.loaded_model import Rows
from modelops_pipelines.operations.model_runtime.loading import load_and_prove
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.state.release.model_versions import ModelVersion

ROUNDS, CALLS = 20, 100
FEATURES = ("a", "b", "c", "d")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        version, spec = saved(Path(folder) / "model")
        launcher = Launcher()
        process = VersionProcess(Order("benchmark", version, spec), launcher, lambda *_: None)
        batchers = {
            "in the worker": Batcher(load_and_prove(version, spec)[0]),
            "in its process": Batcher(process.proven.model(version, spec, process.path)),
        }
        for rows in (1, 100):
            show(rows, asyncio.run(measured(batchers, rows)))
        print(f"a mark: {mark_microseconds(Path(folder) / 'marks'):.1f} us a request")
        process.close()
        launcher.close()


def saved(folder: Path) -> tuple[ModelVersion, EndpointSpec]:
    """Save the model; return it as a version of an endpoint."""
    import mlflow
    import pandas as pd

    class Sum(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return model_input.sum(axis=1).to_numpy()

    frame = pd.DataFrame({name: np.linspace(0, 1, 30) for name in FEATURES})
    signature = mlflow.models.infer_signature(frame, frame.sum(axis=1).to_numpy())
    mlflow.pyfunc.save_model(str(folder), python_model=Sum(), signature=signature, input_example=frame)
    inputs = dict.fromkeys(FEATURES, "float")
    version = ModelVersion("sum", "1", folder.as_uri(), inputs, None, None, None, datetime.now(UTC))
    spec = EndpointSpec("sum", "sum", "regression", "y", accept_pickles=(hash_files(folder),))
    return version, spec


async def measured(batchers: dict[str, Batcher], count: int) -> dict[str, list[float]]:
    """Return the milliseconds of each call, one after the other, the two ways in turns."""
    rows = Rows({name: [0.5] * count for name in FEATURES}, count)
    took: dict[str, list[float]] = {name: [] for name in batchers}
    for _ in range(ROUNDS):
        for name, batcher in batchers.items():
            for _ in range(CALLS):
                began = time.perf_counter()
                await batcher.submit(rows)
                took[name].append(1000 * (time.perf_counter() - began))
    return took


def show(rows: int, took: dict[str, list[float]]) -> None:
    """Print the percentiles."""
    medians = {name: statistics.median(one) for name, one in took.items()}
    for name, one in took.items():
        print(f"{rows} row(s), {name}: p50 {medians[name]:.3f} ms, p99 {percentile(one, 0.99):.3f} ms")
    worker, own = medians.values()
    print(f"{rows} row(s): its process costs {own - worker:+.3f} ms at the median (ratio {own / worker:.2f})")


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile."""
    return sorted(values)[int(share * len(values))]


def mark_microseconds(path: Path) -> float:
    """Return what marking a request with a body of 1 KiB costs."""
    marks, body, rounds = RequestMarks(path), b"x" * 1024, 20_000
    began = time.perf_counter()
    for _ in range(rounds):
        digest = digest_of(body)
        mark: Any = marks.add(UnderWay("sum", "1", "champion", digest, 0, "user", None, None, None, False, True))
        mark.enter()
        mark.leave()
        mark.remove()
    return 1e6 * (time.perf_counter() - began) / rounds


if __name__ == "__main__":
    main()
