"""Import of a log of predictions with labels from a CSV file, against DuckDB reading the same file, by CPU time.

``python -m benchmarks.log_import [--rows 1000000] [--kills 20] [--monitor]``. The rate of both is rows per CPU second
of a process of its own; the ratio is what counts, as machines differ. DuckDB reads every column of every row into
memory with the types that it finds; the import converts, makes ids, and writes two tables by day. With ``--kills`` a
second project imports the file too, is killed at so many random moments and started again, and then has each row once.
With ``--monitor`` one run of Dagster computes the year's metrics, profiles, drift and quality.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: fraud
  served: elsewhere
  task: binary_classification
  label: is_fraud
  classes: [ok, fraud]
  positive_label: fraud
  window: day
  retention: {predictions: never}
"""
FEATURES, DAYS, SEED = 8, 365, 1


def write_log(path: Path, rows: int) -> None:
    """Write a year of predictions in order of time, each with a label."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pacsv

    draw = np.random.default_rng(SEED)
    start = datetime.now(UTC) - timedelta(days=DAYS + 1)
    micros = int(start.timestamp() * 1e6) + np.linspace(0, DAYS * 86_400e6, rows).astype(np.int64)
    score = draw.random(rows)
    columns: dict[str, Any] = {
        "call": np.char.add("call-", np.arange(rows).astype(str)),
        "asked_at": pa.array(micros).cast(pa.timestamp("us")),
        "model": np.where(np.arange(rows) < rows // 2, "v1", "v2"),
        "said": np.where(score > 0.5, "fraud", "ok"),
        "chance": score,
        "truth": np.where(draw.random(rows) < score, "fraud", "ok"),
        "country": draw.choice(["de", "fr", "it"], rows),
        **{f"x{number}": draw.normal(size=rows) for number in range(FEATURES)},
    }
    pacsv.write_csv(pa.table(columns), path)


def read_by_duckdb(path: Path, _: Path) -> dict[str, Any]:
    """Read the whole file into memory; return its rows."""
    import duckdb

    with duckdb.connect(":memory:") as connected:
        return {"rows": len(connected.read_csv(str(path)).to_arrow_table())}


def import_it(path: Path, project: Path) -> dict[str, Any]:
    """Import the file into the project, which is made if it is not there; return the predictions that were new."""
    from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping
    from modelops_pipelines.operations.capture.elsewhere.import_log import import_log
    from modelops_pipelines.operations.capture.elsewhere.sources import SourceOptions

    stores, spec = opened(project)
    named = {"time": "asked_at", "version": "model", "prediction": "said", "score": "chance", "label": "truth"}
    done = import_log(stores, spec, [str(path)], LogMapping(id=("call",), **named), SourceOptions())
    if done.refused or done.faults or done.labels + done.labels_repeated != done.read:
        raise SystemExit(f"the import lost rows: {done}")
    return {"rows": done.predictions, "repeated": done.repeated}


def monitor(_: Path, project: Path) -> dict[str, Any]:
    """Compute all that the endpoint's monitoring computes in one run of Dagster; return the days and rows of it."""
    import dagster as dg

    os.environ |= environment(project)
    from modelops_pipelines.core.tables.lake import DRIFT, QUALITY_METRICS, SERVICE_METRICS
    from modelops_pipelines.definitions import defs

    stores, spec = opened(project)
    run = (
        defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=dg.DagsterInstance.ephemeral(),
            asset_selection=[dg.AssetKey([spec.name, name]) for name in spec.monitored],
            tags={"endpoint": spec.name},
        )
    )
    with stores.lake.query(spec.name, [SERVICE_METRICS, QUALITY_METRICS, DRIFT]) as connected:
        counted = connected.sql(
            "SELECT (SELECT count(DISTINCT date) FROM service_metrics), "
            "(SELECT sum(predictions) FROM service_metrics), "
            "(SELECT count(DISTINCT date) FROM quality_metrics), (SELECT sum(labelled) FROM quality_metrics), "
            "(SELECT count(DISTINCT date) FROM drift), (SELECT count(*) FROM drift)"
        ).fetchall()
    names = ("days of metrics", "rows", "days of quality", "labelled", "days of drift", "rows of drift")
    return {**dict(zip(names, map(int, counted[0]), strict=True)), "succeeded": run.success}


def environment(project: Path) -> dict[str, str]:
    """Return the variables with the project's settings."""
    return {"MODELOPS_HOME": str(project / "home"), "MODELOPS_ENDPOINTS": str(project / "endpoints")}


def opened(project: Path) -> tuple[Any, Any]:
    """Return the project's stores and its endpoint; the project is made if it is not there."""
    from modelops_pipelines.operations.endpoints.load import read_endpoint
    from modelops_pipelines.store.settings import load_settings
    from modelops_pipelines.store.stores import Stores

    file = project / "endpoints" / "fraud.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(YAML)
    return Stores(load_settings(project, environment(project))), read_endpoint(file)


def killed_and_repeated(path: Path, project: Path, kills: int, seconds: float) -> dict[str, Any]:
    """Import the file, kill that at so many random moments of these seconds, import it whole; return what there is."""
    draw, alive = random.Random(SEED), 0
    for _ in range(kills):
        process = subprocess.Popen(command("import", path, project), start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=draw.random() * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            alive += 1
        process.wait()
    last = measured("import", path, project)
    return {"killed": alive, "last import": last, **counts(project)}


def counts(project: Path) -> dict[str, int]:
    """Return the rows and ids of the tables, and the windows and files that a killed import left unfinished."""
    from modelops_pipelines.core.tables.lake import LABELS
    from modelops_pipelines.operations.lake.endpoint_tables import log_table

    stores, spec = opened(project)
    with stores.lake.query(spec.name, [log_table(stores, spec), LABELS]) as connected:
        counted = connected.sql(
            "SELECT (SELECT count(*) FROM inference_log), (SELECT count(DISTINCT prediction_id) FROM inference_log), "
            "(SELECT count(DISTINCT client_request_id) FROM inference_log), (SELECT count(*) FROM labels), "
            "(SELECT count(DISTINCT prediction_id) FROM labels)"
        ).fetchall()
    names = ("rows", "ids", "ids of the file", "labels", "labelled rows")
    found = dict(zip(names, map(int, counted[0]), strict=True))
    marks = [stores.touched_windows.pending(spec.name, f"{name}.direct").windows for name in ("predictions", "labels")]
    found["unfinished windows"] = sum(map(len, marks))
    for name in ("inference_log", LABELS.name):
        files = {str(one) for one in stores.lake.path(spec.name, name).glob("date=*/*")}
        found[f"files of no commit in {name}"] = len(files - set(stores.lake.files(spec.name, name)))
    return found


_WORK = {"duckdb": read_by_duckdb, "import": import_it, "monitor": monitor}


def command(work: str, path: Path, project: Path) -> list[str]:
    """Return the command that does one work."""
    given = ["--only", work, "--file", str(path), "--project", str(project)]
    return [sys.executable, "-m", "benchmarks.log_import", *given]


def measured(work: str, path: Path, project: Path) -> dict[str, Any]:
    """Run one work in a process of its own; return its rows, seconds, CPU seconds and largest memory in MiB."""
    done = subprocess.run(command(work, path, project), check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _only(work: str, path: Path, project: Path) -> None:
    began = time.monotonic()
    found, used = _WORK[work](path, project), resource.getrusage(resource.RUSAGE_SELF)
    took = {"seconds": time.monotonic() - began, "cpu": used.ru_utime + used.ru_stime, "mib": _most_mib()}
    sys.stdout.write(json.dumps({**found, **took}) + "\n")


def _most_mib() -> float:
    """Return the most memory that this process had; ``ru_maxrss`` begins with that of the process which forked it."""
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _show(what: str, found: dict[str, Any]) -> None:
    told = ", ".join(f"{name} {one:,.1f}" if isinstance(one, float) else f"{name} {one}" for name, one in found.items())
    sys.stdout.write(f"{what}: {told}\n")
    sys.stdout.flush()


def main() -> None:
    """Print both rates and their ratio, and what was asked for besides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--within", type=float, help="seconds of an import that a kill may fall into; default: all")
    parser.add_argument("--monitor", action="store_true")
    parser.add_argument("--only", choices=list(_WORK), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--project", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        _only(given.only, given.file, given.project)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, project = Path(folder) / "log.csv", Path(folder) / "project"
        write_log(path, given.rows)
        found = {work: measured(work, path, project) for work in ("duckdb", "import")}
        rates = {work: one["rows"] / one["cpu"] for work, one in found.items()}
        for work, one in found.items():
            _show(work, {"rows/CPU s": rates[work], **one})
        sys.stdout.write(f"ratio {rates['import'] / rates['duckdb']:.2f} (goal: 0.5)\n")
        if given.monitor:
            _show("monitoring in one run", measured("monitor", path, project))
        if given.kills:
            seconds = given.within or found["import"]["seconds"]
            _show("killed", killed_and_repeated(path, Path(folder) / "killed", given.kills, seconds))


if __name__ == "__main__":
    main()
