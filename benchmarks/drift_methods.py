"""The methods that ``benchmarks.drift`` compares. Each runs in its own process, some in their own environment.

``python -m benchmarks.drift_methods METHOD FILE`` measures one method on the data in FILE and prints JSON. A method is
a function of both sides' columns. It builds the usual input (Arrow tables from the lake for ours, DataFrames for the
others) and returns the job to measure. Imports and a first run on a few rows are not counted.
"""

import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Columns = dict[str, npt.NDArray[Any]]
Verdicts = dict[str, tuple[float | None, bool]]
Job = Callable[[], Verdicts]

THRESHOLD = 0.1
WARM_UP_ROWS = 2_000
RUNS, SECONDS = 7, 10.0
"""Maximum number of runs, of which the median counts, and CPU seconds after which no further run starts."""


def main() -> None:
    """Measure one method on the file's data."""
    method, file = sys.argv[1:]
    reference, current = read(file)
    METHODS[method](
        *({name: values[:WARM_UP_ROWS] for name, values in side.items()} for side in (reference, current))
    )()
    job = METHODS[method](reference, current)
    before = _peak_mb()
    spent: list[float] = []
    took: list[float] = []
    verdicts: Verdicts = {}
    while len(spent) < RUNS and sum(spent) < SECONDS:
        cpu, started = _cpu(), time.perf_counter()
        verdicts = job()
        took.append(time.perf_counter() - started)
        spent.append(_cpu() - cpu)
    measured = {"cpu": statistics.median(spent), "wall": statistics.median(took), "runs": len(spent)}
    print(json.dumps({**measured, "before_mb": before, "peak_mb": _peak_mb(), "verdicts": verdicts}))


def write(file: str, reference: Columns, current: Columns) -> None:
    """Write both sides' columns: numbers unchanged, categories as codes and names."""
    stored_columns: dict[str, Any] = {}
    for side, columns in (("reference", reference), ("current", current)):
        for name, values in columns.items():
            if values.dtype == object:
                stored_columns[f"{side}/{name}/names"], stored_columns[f"{side}/{name}"] = np.unique(
                    values.astype(str), return_inverse=True
                )
            else:
                stored_columns[f"{side}/{name}"] = values
    np.savez(file, **stored_columns)


def read(file: str) -> tuple[Columns, Columns]:
    """Return both sides' columns, categories as Python strings."""
    sides: dict[str, Columns] = {"reference": {}, "current": {}}
    with np.load(file) as stored_columns:
        for key in stored_columns.files:
            side, name, *names = key.split("/")
            if not names:
                coded = f"{key}/names" in stored_columns.files
                sides[side][name] = (
                    stored_columns[f"{key}/names"].astype(object)[stored_columns[key]] if coded else stored_columns[key]
                )
    return sides["reference"], sides["current"]


def _ours(reference: Columns, current: Columns, *, stored: bool) -> Job:
    """Profile and judge; with ``stored`` the reference's profiles exist already, as in production."""
    import pyarrow as pa

    from modelops_pipelines.core.drift.fixed_thresholds import judge_fixed
    from modelops_pipelines.core.profiles.profile import profile
    from modelops_pipelines.operations.drift.references import column_values, make_reference

    then, now = pa.table(reference), pa.table(current)
    stored_reference = make_reference("benchmark", then, list(reference)) if stored else None

    def job() -> Verdicts:
        known = (stored_reference or make_reference("benchmark", then, list(reference))).profiles
        profiles = {name: profile(column_values(now.column(name)), column.bins) for name, column in known.items()}
        return {v.column: (v.value, bool(v.drifted)) for v in judge_fixed(profiles, known)}

    return job


def _evidently(reference: Columns, current: Columns) -> Job:
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    then, now = pd.DataFrame(reference), pd.DataFrame(current)

    def job() -> Verdicts:
        found = Report([DataDriftPreset()]).run(now, then).dict()["metrics"]
        drifts = [metric for metric in found if "column" in metric["config"]]
        values = {metric["config"]["column"]: (metric["value"], metric["config"]["threshold"]) for metric in drifts}
        return {name: (float(value), bool(value >= limit)) for name, (value, limit) in values.items()}

    return job


def _scipy(reference: Columns, current: Columns) -> Job:
    """Evidently's statistics by hand, on DataFrames."""
    import pandas as pd
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    then, now = pd.DataFrame(reference), pd.DataFrame(current)

    def distance(name: str) -> float:
        if then[name].dtype.kind == "f":
            return float(wasserstein_distance(now[name], then[name]) / max(then[name].std(ddof=0), 0.001))
        counts = pd.concat([now[name].value_counts(), then[name].value_counts()], axis=1).fillna(0)
        return float(jensenshannon(counts.iloc[:, 0], counts.iloc[:, 1]))

    return lambda: {name: (value := distance(name), value >= THRESHOLD) for name in reference}


def _nannyml(reference: Columns, current: Columns) -> Job:
    """One chunk per side; distances are converted to Evidently's units (divided by the spread; nats, not bits)."""
    import nannyml
    import pandas as pd

    then, now = pd.DataFrame(reference), pd.DataFrame(current)
    numeric = {name for name, values in reference.items() if values.dtype.kind == "f"}
    units = {name: 1 / reference[name].std() if name in numeric else math.sqrt(math.log(2)) for name in reference}

    def job() -> Verdicts:
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=list(reference),
            continuous_methods=["wasserstein"],
            categorical_methods=["jensen_shannon"],
            chunk_number=1,
        )
        found = calculator.fit(then).calculate(now).filter(period="analysis").to_df().iloc[0]
        methods = {name: "wasserstein" if name in numeric else "jensen_shannon" for name in reference}
        values = {name: float(found[(name, methods[name], "value")] * units[name]) for name in reference}
        return {name: (value, value >= THRESHOLD) for name, value in values.items()}

    return job


def _whylogs(reference: Columns, current: Columns) -> Job:
    """Its default algorithms and thresholds; they have no comparable distance."""
    import pandas as pd
    import whylogs
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    then, now = pd.DataFrame(reference), pd.DataFrame(current)

    def job() -> Verdicts:
        views = [whylogs.log(pandas=side).view() for side in (now, then)]
        found: Mapping[str, Any] = calculate_drift_scores(*views, with_thresholds=True)
        return {name: (None, score is not None and score["drift_category"] == "DRIFT") for name, score in found.items()}

    return job


def _alibi(reference: Columns, current: Columns) -> Job:
    """Kolmogorov-Smirnov and chi-square per column at 0.05, from one float32 matrix per side, not counted."""
    from alibi_detect.cd import TabularDrift

    strings = [index for index, values in enumerate(reference.values()) if values.dtype == object]
    names = {i: sorted({*list(reference.values())[i], *list(current.values())[i]}) for i in strings}

    def matrix(side: Columns) -> Any:
        coded = [np.searchsorted(names[i], v.astype(str)) if i in names else v for i, v in enumerate(side.values())]
        return np.column_stack(coded).astype(np.float32)

    then, now, sizes = matrix(reference), matrix(current), {i: len(known) for i, known in names.items()}

    def job() -> Verdicts:
        detector = TabularDrift(then, p_val=0.05, categories_per_feature=sizes)
        found = detector.predict(now, drift_type="feature")["data"]["is_drift"]
        return {name: (None, bool(drift)) for name, drift in zip(reference, found, strict=True)}

    return job


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


METHODS: dict[str, Callable[[Columns, Columns], Job]] = {
    "ours, both sides": lambda reference, current: _ours(reference, current, stored=False),
    "ours, reference stored": lambda reference, current: _ours(reference, current, stored=True),
    "evidently": _evidently,
    "scipy by hand": _scipy,
    "nannyml": _nannyml,
    "whylogs": _whylogs,
    "alibi-detect": _alibi,
}

if __name__ == "__main__":
    main()
