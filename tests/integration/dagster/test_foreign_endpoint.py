"""Months of predictions that others made: imported at once, and monitored by one run, with drift, quality and alerts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from modelops_pipelines.core.tables.lake import DRIFT, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.alerting.objectives.health_score import health_score
from tests.fakes.foreign_logs import YAML, imported, rows_of_days, write_csv
from tests.support.project import CANCER_YAML
from tests.worlds.dagster_project import World, shown_of, world

DAYS, A_DAY = 100, 40
RULES = """\
  alerts:
    - {kind: quality, metric: accuracy, below: 0.99, severity: error, minimum: 10}
    - {kind: drift}
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, CANCER_YAML, yaml=YAML + RULES) as found:
        yield found


def test_months_are_imported_at_once_and_one_run_computes_all_of_them(made: World, tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=DAYS + 3)
    rows = rows_of_days(DAYS, A_DAY, start=start)
    done = imported(made.project, write_csv(tmp_path / "months.csv", rows))
    assert (len(rows), len(rows), 0) == (done.predictions, done.read, done.refused)
    run = made.materialise(endpoint="fraud")
    assert run.success
    assert len(rows) == shown_of(run, "inference_log").metadata["dagster/row_count"].value
    stores = made.project.stores
    with stores.lake.query("fraud", [SERVICE_METRICS, QUALITY_METRICS, DRIFT]) as connected:
        [(days, requests)] = connected.sql(
            "SELECT count(DISTINCT date), sum(requests) FROM service_metrics WHERE variant = 'elsewhere'"
        ).fetchall()
        [(quality, labelled)] = connected.sql("SELECT count(accuracy), sum(labelled) FROM quality_metrics").fetchall()
        drifted = connected.sql('SELECT DISTINCT "column" FROM drift WHERE drifted').fetchall()
        [(judged,)] = connected.sql("SELECT count(*) FROM drift WHERE drifted IS NOT NULL").fetchall()
    assert (DAYS, len(rows)) == (days, requests)
    assert (DAYS, len(rows) // 2) == (quality, labelled)
    assert judged
    assert ("amount",) in drifted
    made.tick("alerts")
    assert {"quality_accuracy", "drift"} <= {alert.rule for alert in stores.alerts.find("fraud")}
    assert health_score(stores, made.project.spec, stores.now()).parts
    again = imported(made.project, tmp_path / "months.csv")
    assert (0, len(rows)) == (again.predictions, again.repeated)


def test_its_assets_are_those_that_need_no_model_and_sensors_pass_it_over(made: World) -> None:
    keys = {key for key in made.definitions.resolve_asset_graph().get_all_asset_keys() if key.path[0] == "fraud"}
    assert {dg.AssetKey(["fraud", name]) for name in made.project.spec.monitored} <= keys
    assert not {"candidate", "evaluation", "training_set", "drift_report"} & {key.path[1] for key in keys}
    for sensor in ("promotion", "retraining", "trials", "shadows", "new_data"):
        made.tick(sensor)
