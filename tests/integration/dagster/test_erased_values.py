"""A person is erased: values that only she had are in no file, of the home or of Dagster's, in any form."""

import base64
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.tables.lake import CUSTOM_METRICS, DATA_QUALITY, PROFILES, QUALITY_METRICS
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.reports.health_page import write_health_page
from modelops_pipelines.resources.project import ProjectResource
from tests.fakes.records import VERSION, feedback_row, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML
from tests.worlds.dagster_project import World, failure_of, world

YAML = (
    CANCER_YAML.replace("method: fixed", "method: calibrated").replace("trainers:logistic", "speaking:train")
    + "  segments: [c]\n  metrics: [{name: m, function: tests.fakes.speaking:measure}]\n"
)
CITY, NUMBER, USER = "Zorroville", 77007725.25, "u-4711"
NEEDLES = (CITY, "77007725", "7.7007725", "7.701e+07")
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def _capture(made: World) -> None:
    """Capture three days of hourly requests: a person's are among the first, from which the reference is made."""
    stores = made.project.stores
    stores.deployments.record_version(VERSION)
    for day in range(3):
        records: list[dict[str, Any]] = []
        for n in range(8):
            at = DAY + timedelta(days=day, hours=10, minutes=n)
            features = {"x": [float(row % 50) for row in range(300)], "c": ["ab"[row % 2] for row in range(300)]}
            records.append(request_record("cancer", 100 * day + n, at, 300, user=f"u{n}", f=features))
        hers = {"x": [NUMBER] * 120, "c": [CITY] * 120}
        at = DAY + timedelta(days=day, hours=10, minutes=30)
        records.append(request_record("cancer", 100 * day + 50, at, 120, user=USER, f=hers))
        write_segment(stores, "cancer", "predictions", "w", records)
        labels = [label_row(one, row, str(row % 2), at) for one in records for row in range(60)]
        write_segment(stores, "cancer", "labels", "w", [{"rows": labels}])
        said = [feedback_row(one, 0, 1, "down") for one in records]
        write_segment(stores, "cancer", "feedback", "w", [{"rows": said}])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("erased"), yaml=YAML) as made:
        _capture(made)
        done = made.materialise()
        assert done.success
        write_health_page(made.project.stores, made.project.spec)
        yield made


def test_what_a_library_a_metric_or_a_trainer_says_is_in_no_run_of_dagsters(made: World) -> None:
    failed = _arrow_fails.execute_in_process(
        instance=made.instance, resources={"modelops_project": ProjectResource()}, raise_on_error=False
    )
    assert "ArrowInvalid" in failure_of(failed)
    trained = made.run("retrain")
    assert not trained.success
    with made.project.stores.lake.query("cancer", [CUSTOM_METRICS]) as connected:
        reasons = {row[0] for row in connected.sql("SELECT reason FROM custom_metrics").fetchall()}
    assert {"ValueError: could not convert string to float: …"} == reasons
    assert [] == _holders(made.project.folder.parent / "dagster")


@dg.op
def _cast(modelops_project: ProjectResource) -> None:
    with modelops_project.stores():
        pa.array([CITY]).cast(pa.int64())


@dg.job
def _arrow_fails() -> None:
    _cast()


def test_nothing_that_only_she_had_is_left_and_everything_is_computed_again(made: World) -> None:
    home, dagster = made.project.stores.settings.home, made.project.folder.parent / "dagster"
    assert [] == _holders(dagster)
    held = " ".join(_holders(home))
    for table in (PROFILES, QUALITY_METRICS):
        assert f"cancer/{table.name}/" in held
    assert "references" in held
    assert "health.html" in held
    (erased,) = erase_user(made.project.stores, USER, [made.project.spec], "test", patience=5)
    assert (360, 180, 3) == tuple(erased.rows[name] for name in ("inference_log", "labels", "feedback"))
    assert [] == _holders(home, "training_sets")  # a frozen one stays
    assert made.materialise().success
    assert [] == _holders(home, "training_sets") + _holders(dagster)
    counted = made.project.stores.lake.rows("cancer", QUALITY_METRICS.name)
    assert counted >= 3
    assert made.project.stores.lake.rows("cancer", DATA_QUALITY.name) > 0
    reference = made.project.stores.references.read("tumours", "1")
    assert reference is not None
    assert ("a", "b") == tuple(sorted(reference.bins["c"].categories))


def _holders(folder: Path, besides: str = "") -> list[str]:
    """Return the files that hold one of the values: in their bytes, in what Parquet packs, in SQLite, in pictures."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and _holds(path)]
    return [str(path) for path in found if besides not in path.parts]


def _holds(path: Path) -> bool:
    content = path.read_bytes()
    texts = [content.decode("latin-1")]
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        texts.append(repr([file.read().to_pylist(), file.metadata.to_dict(), file.schema_arrow.metadata]))
    if content.startswith(b"SQLite format 3"):
        texts += _rows(path)
    pictures = [found for text in texts for found in re.findall(r"base64,([A-Za-z0-9+/=]+)", text)]
    texts += [_decoded(one) for one in pictures]
    return any(needle in text for text in texts for needle in NEEDLES)


def _decoded(picture: str) -> str:
    """Return a picture's source, up to where a page of SQLite cuts it off."""
    return base64.b64decode(picture[: len(picture) // 4 * 4]).decode("latin-1")


def _rows(path: Path) -> list[str]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connected:
        names = [row[0] for row in connected.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [repr(connected.execute(f"SELECT * FROM {name!r}").fetchall()) for name in names]
