"""What a process costs a version: the same small model in the worker, in its process, in its environment, in turns.

``python -m benchmarks.own_process``, of a pyfunc and of a scikit-learn model: prints the median and the 99th percentile
of each, the differences, the requests of one row in a second with several under way, and how long after a crash the
pyfunc answers again. It builds the environments first, which asks the package index.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import CrashError
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.version_process.answering import Order
from modelops_pipelines.gateway.version_process.launcher import Launcher
from modelops_pipelines.gateway.version_process.version_process import VersionProcess
from modelops_pipelines.gateway.worker.request_marks import RequestMarks, UnderWay, digest_of
from modelops_pipelines.operations.model_runtime.loaded_model import Rows
from modelops_pipelines.operations.model_runtime.loading import load_and_prove
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.model_loader import build_environment
from modelops_pipelines.store.state.release.model_versions import ModelVersion

ROUNDS, CALLS, AT_ONCE = 20, 100, 8
ABORTS = -1.0
FEATURES = ("a", "b", "c", "d")


def main() -> None:
    """Measure and print."""
    for name, save in {"pyfunc": saved, "scikit-learn": saved_estimator}.items():
        print(f"{name}:")
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), *save(Path(folder) / "models" / "model"), crashes=save is saved)


def measure(folder: Path, version: ModelVersion, spec: EndpointSpec, *, crashes: bool) -> None:
    """Measure one model and print."""
    isolated = replace(spec, runtime="isolated")
    began = time.perf_counter()
    build_environment(version, isolated, print)
    print(f"the environment: built in {time.perf_counter() - began:.0f} s")
    launcher = Launcher()
    processes = {
        name: VersionProcess(Order("benchmark", version, one), launcher, lambda *_: None)
        for name, one in (("in its process", spec), ("in its environment", isolated))
    }
    batchers = {"in the worker": Batcher(load_and_prove(version, spec)[0])}
    batchers |= {name: Batcher(one.proven.model(version, spec, one.path)) for name, one in processes.items()}
    print(f"isolation: {processes['in its environment'].path.confinement}")
    for rows in (1, 100):
        show(rows, asyncio.run(measured(batchers, rows)))
    show_rates(asyncio.run(rates(batchers)))
    for name, process in processes.items():
        if crashes:
            after = [crash_seconds(process) for _ in range(5)]
            print(f"a crash {name}: again after {statistics.median(after):.2f} s, at most {max(after):.2f} s")
        process.close()
    print(f"a mark: {mark_microseconds(folder / 'marks'):.1f} us a request")
    launcher.close()


def saved(folder: Path) -> tuple[ModelVersion, EndpointSpec]:
    """Save the model; return it as a version of an endpoint."""
    import mlflow
    import pandas as pd

    class Sum(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            import os

            if (model_input["a"] == ABORTS).any():
                os.abort()
            return model_input.sum(axis=1).to_numpy()

    frame = pd.DataFrame({name: np.linspace(0, 1, 30) for name in FEATURES})
    mlflow.pyfunc.save_model(str(folder), python_model=Sum(), **_described(frame, frame.sum(axis=1).to_numpy()))
    return _as_version(folder)


def saved_estimator(folder: Path) -> tuple[ModelVersion, EndpointSpec]:
    """Save a linear regression in a pipeline; return it as a version of an endpoint."""
    import mlflow
    import pandas as pd
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    draw = np.random.default_rng(1)
    frame = pd.DataFrame({name: draw.normal(size=30) for name in FEATURES})
    target = frame.sum(axis=1).to_numpy()
    fitted = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, target)
    options = {"serialization_format": "skops", **_described(frame, target, "scikit-learn", "scipy", "skops")}
    mlflow.sklearn.save_model(fitted, str(folder), **options)
    return _as_version(folder)


def _described(frame: Any, output: Any, *packages: str) -> dict[str, Any]:
    import mlflow

    needed = [f"{name}=={version_of(name)}" for name in ("mlflow", "numpy", "pandas", "cloudpickle", *packages)]
    skinny = [one.replace("mlflow", "mlflow-skinny") for one in needed]
    signature = mlflow.models.infer_signature(frame, output)
    return {"signature": signature, "input_example": frame, "pip_requirements": skinny}


def _as_version(folder: Path) -> tuple[ModelVersion, EndpointSpec]:
    inputs = dict.fromkeys(FEATURES, "float")
    version = ModelVersion("sum", "1", folder.as_uri(), inputs, None, None, None, datetime.now(UTC))
    return version, EndpointSpec("sum", "sum", "regression", "y", accept_pickles=(hash_files(folder),))


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


async def rates(batchers: dict[str, Batcher]) -> dict[str, float]:
    """Return the requests of one row in a second, with AT_ONCE under way, the ways in turns."""
    rows, took = Rows({name: [0.5] for name in FEATURES}, 1), dict.fromkeys(batchers, 0.0)

    async def ask(batcher: Batcher) -> None:
        for _ in range(CALLS):
            await batcher.submit(rows)

    for _ in range(ROUNDS):
        for name, batcher in batchers.items():
            began = time.perf_counter()
            await asyncio.gather(*(ask(batcher) for _ in range(AT_ONCE)))
            took[name] += time.perf_counter() - began
    return {name: ROUNDS * CALLS * AT_ONCE / seconds for name, seconds in took.items()}


def show_rates(found: dict[str, float]) -> None:
    """Print the rates, and their ratios to the first."""
    first = next(iter(found.values()))
    for name, rate in found.items():
        print(f"1 row, {AT_ONCE} at once, {name}: {rate:.0f} requests/s (ratio {rate / first:.2f})")


def crash_seconds(process: VersionProcess) -> float:
    """Return how long after a crash's error the version answers again."""
    with contextlib.suppress(CrashError):
        process.predict({name: [ABORTS] for name in FEATURES})
    began = time.perf_counter()
    process.predict({name: [0.5] for name in FEATURES})
    return time.perf_counter() - began


def show(rows: int, took: dict[str, list[float]]) -> None:
    """Print the percentiles."""
    medians = {name: statistics.median(one) for name, one in took.items()}
    for name, one in took.items():
        print(f"{rows} row(s), {name}: p50 {medians[name]:.3f} ms, p99 {percentile(one, 0.99):.3f} ms")
    worker, *others = medians.items()
    for name, own in others:
        more = f"{own - worker[1]:+.3f} ms at the median (ratio {own / worker[1]:.2f})"
        print(f"{rows} row(s): {name}, not in the worker, costs {more}")


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
