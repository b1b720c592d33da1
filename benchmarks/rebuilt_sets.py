"""Is every training set of the flights' year built again, byte for byte, after all that may happen to the log?

``python -m benchmarks.rebuilt_sets [--every 1]``. January 2013 is the first frame; the flights from February on are
predictions, sent by a user for each carrier, a request for each carrier and half day. Labels are known at the landing;
2 % of them are wrong and corrected a day later, 0.5 % are withdrawn. All of it goes through the spool and the ingest,
half of each month at a time. A set is built each month with what is known then. After the year the lake is compacted
and vacuumed, and every set is built again in a new process. Then a user is erased, the lake compacted and vacuumed, and
every set is built again in a new process, with a new one. ``--every`` takes every n-th flight only. Everything is in
the folder for temporary files (TMPDIR), and removed at the end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd  # noqa: TID253 - nothing but this benchmark imports it

from examples.flights.data import CATEGORIES, LABEL, flights_frame, labelled, months
from modelops_pipelines.core.capture.spool_records import withdrawal_row
from modelops_pipelines.core.tables.training import ROW_ID
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.training.origins import origins_of
from modelops_pipelines.operations.improve.training.rebuild import by_reason, rebuild_training_set
from modelops_pipelines.operations.improve.training.sets import build_training_set, freeze_frame, read_training_set
from modelops_pipelines.operations.maintenance import compaction, vacuum
from modelops_pipelines.operations.maintenance.run import require_success, run_tasks
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import label_row, request_record, write_segment

SPEC: Final = read_endpoint(Path("examples/flights/endpoints/flights.yaml"))
TYPES: Final = {name: "text" if name in CATEGORIES else "float" for name in SPEC.features}
START, MONTH, DAY = datetime(2013, 2, 1, 5, tzinfo=UTC), timedelta(days=31), timedelta(days=1)
END: Final = datetime(2014, 1, 2, tzinfo=UTC)
PARTS, HALF_DAY, ERASED, WRONG, WITHDRAWN = 2, "12h", "US", 0.02, 0.005
Said = tuple[datetime, dict[str, Any]]


def main() -> None:
    """Live the year, or build the sets of one that was lived again; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th flight")
    parser.add_argument("--rebuild", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rebuild is not None:
        _print_rebuilt(given.rebuild)
        return
    with tempfile.TemporaryDirectory(prefix="rebuilt-sets-") as folder:
        _live(Path(folder), given.every)


def _stores(folder: Path) -> Stores:
    environment = {"MODELOPS_HOME": f"{folder}/home", "MODELOPS_ENDPOINTS": f"{folder}/endpoints"}
    return Stores(load_settings(folder, environment))


def _live(folder: Path, every: int) -> None:
    flights = labelled(flights_frame()).astype({name: "float64" for name in TYPES if TYPES[name] == "float"})[::every]
    stores = _stores(folder)
    stores.deployments.record_version(
        ModelVersion(SPEC.model_name, "1", "/nowhere", TYPES, ["0", "1"], None, None, START)
    )
    january = months(flights, 1, 1).rename(columns={"departs_at": "event_time"})
    freeze_frame(stores, SPEC, january[["event_time", *TYPES, LABEL]])
    hers = _answer(stores, months(flights, 2, 12))
    folder.joinpath("hers.json").write_bytes(orjson.dumps(hers))
    before = _files(stores)
    _maintain(stores)
    print(
        f"Parquet files of the log and its labels: {before:,}, after compaction and vacuum {_files(stores):,}",
        flush=True,
    )
    stores.database.close()
    _rebuild_anew(folder, "after compaction, vacuum and a restart")
    stores = _stores(folder)
    erased = erase_user(stores, ERASED, [SPEC], "benchmark", patience=5)[0]
    _maintain(stores)
    stores.database.close()
    print(f"erased user {ERASED}: {sum(erased.rows.values()):,} rows of tables", flush=True)
    _rebuild_anew(folder, "after an erasure, vacuum and a restart")


def _answer(stores: Stores, flights: "pd.DataFrame") -> list[str]:
    """Capture all flights and build a set after each month; return the ids of the erased user's predictions."""
    hers, said, sets = list[str](), list[Said](), list[str]()
    chance, segment, number = np.random.default_rng(1), 0, 0
    month, end = START, START + MONTH
    while month < END:
        of_month = flights[(flights["departs_at"] >= month) & (flights["departs_at"] < end)]
        requests = []
        for (carrier, _), rows in of_month.groupby(["carrier", pd.Grouper(key="departs_at", freq=HALF_DAY)]):
            number += 1
            if len(rows):
                requests.append(_request(number, str(carrier), rows))
                said += _labels(chance, requests[-1], rows)
                hers += [f"{requests[-1]['id']}-{row}" for row in range(len(rows)) if carrier == ERASED]
        due, said = [row for at, row in said if at < end], [one for one in said if one[0] >= end]
        for part in range(PARTS):
            segment += 1
            _ingest(stores, "predictions", requests[part::PARTS], segment)
            _ingest(stores, "labels", [{"rows": [row]} for row in due[part::PARTS]], segment)
        sets.append(build_training_set(stores, SPEC, as_of=end).content_hash)
        month, end = end, end + MONTH
    print(f"{len(flights):,} flights in {number:,} requests; {len(set(sets))} sets, the last of {_last(stores):,} rows")
    return hers


def _request(number: int, user: str, rows: "pd.DataFrame") -> dict[str, Any]:
    features = {name: _values(rows[name]) for name in TYPES}
    at = rows["departs_at"].iloc[0].to_pydatetime()
    answered = {"p": ["0"] * len(rows), "s": [0.3] * len(rows), "user": user, "f": features}
    return request_record(SPEC.name, number, at, len(rows), **answered)


def _values(column: "pd.Series[Any]") -> list[Any]:
    return [None if pd.isna(value) else value for value in column.tolist()]


def _labels(chance: np.random.Generator, record: dict[str, Any], rows: "pd.DataFrame") -> Iterator[Said]:
    """Yield what becomes known of a request's rows and when: some labels are wrong at first, some are withdrawn."""
    for row, (late, landed) in enumerate(zip(rows[LABEL], rows["landed_at"], strict=True)):
        at = landed.to_pydatetime()
        wrong, withdrawn = chance.random() < WRONG, chance.random() < WITHDRAWN
        said = label_row(record, row, str(1 - late if wrong else late), at)
        yield at, said
        if wrong:
            yield at + DAY, label_row(record, row, str(late), at + DAY)
        elif withdrawn:
            yield at + DAY, withdrawal_row(said, at + DAY)


def _ingest(stores: Stores, stream: str, records: Sequence[dict[str, Any]], segment: int) -> None:
    write_segment(stores, SPEC.name, stream, "w", records, segment)
    ingest(stores, SPEC, stream)


def _last(stores: Stores) -> int:
    return stores.training_sets.of(SPEC.name)[-1].rows


def _files(stores: Stores) -> int:
    return sum(
        1 for table in ("inference_log", "labels") for _ in stores.lake.path(SPEC.name, table).rglob("*.parquet")
    )


def _maintain(stores: Stores) -> None:
    """Compact, and remove what was replaced: as of two days later, when nothing keeps it."""
    require_success(run_tasks(stores, [compaction.TASK, vacuum.TASK], datetime.now(UTC) + timedelta(days=2)))


def _rebuild_anew(folder: Path, when: str) -> None:
    print(f"\n{when}:", flush=True)
    subprocess.run([sys.executable, "-m", "benchmarks.rebuilt_sets", "--rebuild", str(folder)], check=True)


def _print_rebuilt(folder: Path) -> None:
    """Build all sets again in this process, and print how many are identical and what is missing in the log."""
    stores, hers = _stores(folder), set(orjson.loads(folder.joinpath("hers.json").read_bytes()))
    reasons, identical, listed, began = Counter[str](), 0, 0, time.process_time()
    sets = stores.training_sets.of(SPEC.name)
    for record in sets:
        found = rebuild_training_set(stores, SPEC, record)
        identical += found.identical
        reasons.update(by_reason(found.missing))
        inside = hers.intersection(read_training_set(stores, record).column(ROW_ID).to_pylist())
        listed += inside == {one.row_id for one in found.missing}
    rows = sum(record.rows for record in sets)
    print(
        f"{identical} of {len(sets)} sets ({rows:,} rows) identical, missing in the log: {dict(reasons) or 'nothing'}"
    )
    if reasons:
        print(f"in {listed} of {len(sets)} sets exactly the erased user's rows are listed")
        new = build_training_set(stores, SPEC, as_of=END + DAY)
        still = hers.intersection(origins_of(stores, SPEC.name, new.content_hash).column(ROW_ID).to_pylist())
        print(f"a new set has {new.rows:,} rows, {len(still)} of them or of those left out the erased user's")
    print(f"{time.process_time() - began:.0f} CPU s")
    stores.database.close()


if __name__ == "__main__":
    main()
