"""One rule for times from a file to a model: whatever zone and unit a file has, a version gets the same numbers."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.improve.training.files import read_frame
from modelops_pipelines.operations.improve.training.sets import read_training_set
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.testing.batch_evaluation import evaluate_file
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.gateway import running_gateway
from tests.support.project import Project, make_project

YAML = """type: modelops_pipelines.ModelEndpoint
attributes:
  name: clock
  model_name: clock
  task: regression
  label: seconds
  label_horizon: 1h
  window: day
  owners: ["team:data-science"]
  allow_pickle: true
  trainer: tests.fakes.trainers:clock
  training: {guards: {leakage: warn}}  # the only feature is a time, and the label is that time
"""
FIRST = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
TIMES = [FIRST + timedelta(hours=5 * row) for row in range(200)]
SECONDS = [moment.timestamp() for moment in TIMES]
_ZONES = {"naive": None, "UTC": "UTC", "Paris": "Europe/Paris", "offset": "+02:00"}


def table(unit: str, zone: str | None) -> pa.Table:
    """Return rows with a feature that is a time, in a unit and a zone."""
    given = pa.array(TIMES, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "UTC"))
    given = given.cast(pa.timestamp(unit)) if zone is None else given.cast(pa.timestamp(unit, zone))
    event_times = pa.array([moment - timedelta(minutes=1) for moment in TIMES], pa.timestamp("us", "UTC"))
    return pa.table({"at": given, "seconds": SECONDS, "event_time": event_times})


def _by_arrow(unit: str, zone: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pq.write_table(table(unit, _ZONES[zone]), folder / "rows.parquet", coerce_timestamps=None)
        return folder / "rows.parquet"

    return write


def _by_pandas(unit: str, zone: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        frame = table(unit, _ZONES[zone]).to_pandas()
        assert f"datetime64[{unit}" in str(frame["at"].dtype)
        frame.to_parquet(folder / "rows.parquet")
        return folder / "rows.parquet"

    return write


def _as_csv(form: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        texts = [moment.strftime(form) for moment in TIMES]
        table("us", "UTC").to_pandas().assign(at=texts).to_csv(folder / "rows.csv", index=False)
        return folder / "rows.csv"

    return write


FILES = {
    **{f"pyarrow {unit} {zone}": _by_arrow(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in _ZONES},
    **{
        f"pandas {unit} {zone}": _by_pandas(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in ("naive", "UTC")
    },
    "CSV naive": _as_csv("%Y-%m-%dT%H:%M:%S"),
    "CSV with blanks": _as_csv("%Y-%m-%d %H:%M:%S"),
    "CSV with Z": _as_csv("%Y-%m-%dT%H:%M:%SZ"),
    "CSV with an offset": _as_csv("%Y-%m-%dT%H:%M:%S+00:00"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project whose version 1 was trained on naive microseconds, and is live."""
    folder = tmp_path_factory.mktemp("times")
    made = make_project(folder / "project", YAML)
    train_first(made.stores, made.spec, read_frame(_by_arrow("us", "naive")(folder)))
    deploy(made.stores, made.spec, "1", actor="ann", reason="first")
    yield made
    made.stores.database.close()


@pytest.mark.parametrize("file", FILES)
def test_each_file_of_the_same_moments_is_the_same_training_set_and_the_same_version(
    project: Project, file: str, tmp_path: Path
) -> None:
    assert "1" == train_first(project.stores, project.spec, read_frame(FILES[file](tmp_path))).version


@pytest.mark.parametrize("file", ["pyarrow s naive", "pyarrow ns Paris", "pandas ms UTC", "CSV naive", "CSV with Z"])
def test_each_file_of_the_same_moments_is_answered_with_the_same_numbers(
    project: Project, file: str, tmp_path: Path
) -> None:
    found = evaluate_file(project.stores, project.spec, "1", FILES[file](tmp_path))
    assert 0 == found.failed
    assert SECONDS == found.answers.column("prediction").to_pylist()


def test_what_is_trained_on_times_is_served_retrained_evaluated_and_deployed(project: Project, tmp_path: Path) -> None:
    stores, spec = project.stores, project.spec
    texts = ["2026-03-01T12:00:07", "2026-03-01T12:00:07Z", "2026-03-01T13:00:07+01:00", "2026-03-01T12:00:07.000001"]
    with running_gateway(project) as gateway:
        answered = gateway.predict([{"at": text} for text in texts], endpoint="clock").json()
    assert [FIRST.timestamp()] * 3 == answered["predictions"][:3]
    assert answered["predictions"][3] == pytest.approx(FIRST.timestamp() + 1e-6, abs=1e-9)
    _label(project, FIRST + timedelta(days=30))
    frozen, trained, judged = retrain(stores, spec, "drift")
    assert pa.timestamp("us", "UTC") == read_training_set(stores, frozen.record).schema.field("at").type
    assert {"at": "timestamp"} == trained.record.inputs
    assert judged.record.numbers["candidate_loss"] == pytest.approx(0.0, abs=1e-6)
    assert judged.record.version == evaluate(stores, spec, trained.record.version).version
    deploy(stores, spec, trained.record.version, actor="ann", reason="the same numbers", force=True)
    with running_gateway(project) as gateway:
        again = gateway.predict([{"at": text} for text in texts], endpoint="clock").json()
    assert (trained.record.version, answered["predictions"]) == (again["model_version"], again["predictions"])


def test_a_date_is_its_midnight_in_utc(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", YAML)
    days = [date(2026, 3, 1) + timedelta(days=row) for row in range(20)]
    frame = pd.DataFrame({"at": days, "seconds": np.arange(20.0)})
    version = train_first(project.stores, project.spec, frame)
    assert {"at": "timestamp"} == version.inputs
    rows = read_training_set(project.stores, project.stores.training_sets.of("clock")[0])
    assert datetime(2026, 3, 1, tzinfo=UTC) == rows.column("at")[0].as_py()


SECRET = "1234567890"
_WRONG = {
    "a time before pandas' first": {"at": [datetime(1, 1, 1, tzinfo=UTC)] * 3, "seconds": [1.0] * 3},
    "a time after pandas' last": {"at": pa.array([10**15] * 3, pa.timestamp("s")), "seconds": [1.0] * 3},
    "texts that are no event times": {"at": [FIRST] * 3, "seconds": [1.0] * 3, "event_time": [SECRET] * 3},
    "numbers as event times": {"at": [FIRST] * 3, "seconds": [1.0] * 3, "event_time": [int(SECRET)] * 3},
    "an event time of year one": {
        "at": [FIRST] * 3,
        "seconds": [1.0] * 3,
        "event_time": [datetime(1, 1, 1, tzinfo=UTC)] * 3,
    },
    "several types in a column": {"at": [FIRST] * 3, "seconds": [1.0] * 3, "x": [SECRET, int(SECRET), None]},
}


@pytest.mark.parametrize("columns", _WRONG.values(), ids=_WRONG)
def test_a_file_that_is_refused_is_told_by_column_without_its_values(columns: dict[str, Any], tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", YAML)
    frame = pd.DataFrame({name: _pandas(values) for name, values in columns.items()})
    with pytest.raises(InputError) as refused:
        train_first(project.stores, project.spec, frame)
    assert "column '" in refused.value.message
    assert SECRET not in str(refused.value)
    assert [] == project.stores.training_sets.of("clock")


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_file_to_evaluate_that_does_not_fit_is_told_without_its_values(
    project: Project, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    frame = pd.DataFrame({"at": [TIMES[0].isoformat(), f"secret {SECRET}"]})
    frame.to_csv(path) if path.suffix == ".csv" else frame.to_parquet(path)
    with pytest.raises(InputError, match="'at' cannot be read as times: row 1 is none") as refused:
        evaluate_file(project.stores, project.spec, "1", path)
    assert SECRET not in str(refused.value)


def _pandas(values: Any) -> Any:
    return values.to_pandas() if isinstance(values, pa.Array) else pd.Series(values, dtype="object")


def _label(project: Project, at: datetime) -> None:
    """Let the log hold labelled requests of the champion, on days of training and of evaluation."""
    for day in range(20):
        moment = at + timedelta(days=day)
        micros = [int(one.timestamp() * 1_000_000) for one in TIMES[:6]]
        record = request_record("clock", moment.day, moment, 6, f={"at": micros}, p=[1.0] * 6, s=None)
        labels = [{"rows": [label_row(record, row, SECONDS[row], moment) for row in range(6)]}]
        for stream, lines in (("predictions", [record]), ("labels", labels)):
            write_segment(project.stores, "clock", stream, "w", lines)
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)
