"""Building a training set of a million labelled rows with 13 features, against copying the same table.

Run: python -m benchmarks.training_sets [--rows 1000000]. Both are done in one run, one after the other, three times;
the ratio is that of the medians. Copying is reading the frozen table of the set and writing it as another Delta table.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import new_request_id
from modelops_pipelines.core.tables.lake import LABELS, typed_for
from modelops_pipelines.core.tables.training import frozen_table, origins_table
from modelops_pipelines.operations.improve.training.sets import build_training_set
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.store.lake.maintenance.retirement import LakeRetirement
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

SPEC = EndpointSpec(name="wide", model_name="wide", task="binary_classification", label="late", window="day")
FEATURES = {f"x{number}": "float" for number in range(10)} | {"c0": "text", "c1": "text", "n0": "int"}
START, DAYS, TURNS, ROWS = datetime(2026, 1, 1, tzinfo=UTC), 100, 3, 1_000_000
SECRET = b"a secret of benchmarks"


def main() -> None:
    """Print how long building and copying take, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with TemporaryDirectory() as folder:
        environment = {"MODELOPS_HOME": f"{folder}/home", "MODELOPS_ENDPOINTS": f"{folder}/endpoints"}
        stores = Stores(load_settings(Path(folder), environment))
        stores.deployments.record_version(
            ModelVersion("wide", "1", "/nowhere", FEATURES, ["0", "1"], None, None, START)
        )
        fill(stores, rows)
        measure(stores)
        stores.database.close()


def measure(stores: Stores) -> None:
    """Build and copy in turns; print the medians."""
    retirement = LakeRetirement(stores.settings.lake)
    record = build_training_set(stores, SPEC)
    built, copied = [], []
    for turn in range(TURNS):
        for name in (frozen_table(record.content_hash), origins_table(record.content_hash)):
            retirement.remove_table(SPEC.name, name)
        built.append(seconds(lambda: build_training_set(stores, SPEC)))
        copied.append(seconds(lambda number=turn: copy(stores, record.content_hash, number)))
    for place, unit in enumerate(("s", "CPU s")):
        build, copying = (statistics.median(one[place] for one in times) for times in (built, copied))
        ratio = f"build {build:.2f} {unit}, copy {copying:.2f} {unit}: {build / copying:.2f} times"
        print(f"{record.rows:,} rows x {len(FEATURES)}: {ratio}")


def copy(stores: Stores, content: str, number: int) -> None:
    """Read a set's table and write it as another one."""
    delta = stores.lake.table(SPEC.name, frozen_table(content))
    assert delta is not None
    stores.writer.write_whole(SPEC.name, f"copies/{number}", delta.to_pyarrow_table())


def seconds(act: Callable[[], object]) -> tuple[float, float]:
    """Return how long a call takes, by the clock and in seconds of the processors."""
    start, used = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - start, time.process_time() - used


def fill(stores: Stores, rows: int) -> None:
    """Write the log and the labels, a day's rows in each commit."""
    chance, each = np.random.default_rng(1), rows // DAYS
    for day in range(DAYS):
        first = START + timedelta(days=day)
        times = [first + timedelta(seconds=86_000 * row / each) for row in range(each)]
        ids = [
            new_request_id(SPEC.name, at, 1, int(row + day * each).to_bytes(7, "big"), SECRET).text
            for row, at in enumerate(times)
        ]
        identity = {
            "prediction_id": [f"{one}-0" for one in ids],
            "request_id": ids,
            "row_index": [0] * each,
            "event_time": times,
            "received_at": times,
            "date": [first.date()] * each,
            "worker": ["w"] * each,
            "segment": [day] * each,
        }
        answered = {"model_version": ["1"] * each, "prediction": ["1"] * each, "status": [200] * each}
        features = {
            **{name: chance.normal(size=each) for name, kind in FEATURES.items() if kind == "float"},
            "c0": chance.choice(["a", "b", "c"], each),
            "c1": chance.choice([f"place {number}" for number in range(300)], each),
            "n0": chance.integers(0, 1000, each),
        }
        log = pa.table({**identity, **answered, "source": ["live"] * each, **features})
        stores.writer.append_once(SPEC.name, log_table(stores, SPEC), log, "w", day + 1)
        later = [at + timedelta(days=1) for at in times]
        said = {"label_id": [one[8:] for one in ids], "label": chance.choice(["0", "1"], each), "labelled_at": later}
        labels = pa.table({**identity, **said, "received_at": later})
        stores.writer.append_once(SPEC.name, typed_for(LABELS, SPEC.task), labels, "w", day + 1)


if __name__ == "__main__":
    main()
