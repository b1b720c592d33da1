"""Capture in Dagster's face: a check on the log, and an alert though no gateway and no run is there to raise it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from modelops_pipelines.core.capture.health import CAPTURE
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.worlds.dagster_project import World, checks_of, world


@pytest.fixture
def lagging(tmp_path: Path) -> Iterator[World]:
    """Return a project whose gateway is gone and left a segment that nothing has ingested for two minutes."""
    with world(tmp_path) as made:
        stores = made.project.stores
        stores.deployments.record_version(VERSION)
        write_segment(stores, "cancer", "predictions", "w", [request_record("cancer", 1, START, 1)])
        (segment,) = stores.settings.spool.glob("*/*/*/*.jsonl")
        os.utime(segment, (time.time() - 120, time.time() - 120))
        yield made


def test_the_sensor_raises_the_alert_while_no_gateway_is_up(lagging: World) -> None:
    lagging.tick("alerts")
    (alert,) = lagging.project.stores.alerts.find("cancer")
    assert (CAPTURE, "error", "open") == (alert.rule, alert.severity, alert.status)
    assert "Start Dagster" in alert.message


def test_the_check_on_the_log_shows_lag_backlog_and_disk_after_the_ingest(lagging: World) -> None:
    run = lagging.materialise(["inference_log"])
    check = checks_of(run)[CAPTURE]
    assert (True, True, dg.AssetCheckSeverity.ERROR) == (run.success, check.passed, check.severity)
    shown = {name: value.value for name, value in check.metadata.items()}
    assert {"lag": 0.0, "backlog": 0.0} == {name: shown[name] for name in ("lag", "backlog")}
    assert 0 < shown["disk"] <= 0.9
