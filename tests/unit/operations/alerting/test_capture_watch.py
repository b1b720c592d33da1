"""Capture's health is read from the spool as it is on the disk, and its alert follows it."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED
from modelops_pipelines.core.capture.health import CAPTURE, Thresholds
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.alerting.watches.capture_watch import capture_health, watch_capture
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.store.spool.backlog import Backlog, backlog
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
from modelops_pipelines.store.state.alerting.alerts import SOURCES_KEPT
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

ROOMY = Thresholds(disk_used=1.0)
STEP = timedelta(seconds=5)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    return made


def capture(project: Project, number: int = 1) -> None:
    write_segment(project.stores, "cancer", "predictions", f"w{number}", [request_record("cancer", number, START, 1)])


def age_all(project: Project, seconds: float) -> None:
    """Make everything in the spool look that old."""
    then = datetime.now(UTC).timestamp() - seconds
    for path in sorted(project.stores.settings.spool.rglob("*"), reverse=True):
        os.utime(path, (then, then))


def test_an_empty_spool_is_healthy_and_so_is_one_that_does_not_exist(project: Project) -> None:
    assert Backlog(0, 0, None, None) == backlog(project.stores.settings.spool, "cancer")
    assert capture_health(project.stores.settings, "cancer", datetime.now(UTC), ROOMY).ok


def test_sealed_segments_are_counted_and_aged_and_are_gone_after_the_ingest(project: Project) -> None:
    capture(project, 1)
    capture(project, 2)
    age_all(project, 100)
    settings = project.stores.settings
    health = capture_health(settings, "cancer", datetime.now(UTC), ROOMY)
    size = sum(path.stat().st_size for path in settings.spool.rglob("*.jsonl"))
    assert (2, size) == (health.reading.segments, health.reading.bytes)
    assert 100 <= health.reading.sealed_seconds < 110
    assert [False, True, True] == [check.ok for check in health.checks]
    ingest(project.stores, project.spec, "predictions")
    assert capture_health(settings, "cancer", datetime.now(UTC), ROOMY).ok


def test_a_segment_that_is_never_sealed_lags_though_rows_are_still_written_to_it(project: Project) -> None:
    settings = project.stores.settings
    writer = SegmentWriter(settings.spool, "cancer", "labels", "w")
    writer.append(encode({"n": 1}), 0.0)
    age_all(project, 100)
    writer.append(encode({"n": 2}), 0.0)
    health = capture_health(settings, "cancer", datetime.now(UTC), ROOMY)
    assert "does not seal" in health.message
    assert 99 <= health.checks[0].value + settings.seal_after_seconds < 110


def test_each_threshold_can_be_overridden(project: Project) -> None:
    capture(project)
    age_all(project, 2)
    for thresholds, name in (
        (Thresholds(1, 1 << 30, 1.0), "lag"),
        (Thresholds(60, 1, 1.0), "backlog"),
        (Thresholds(60, 1 << 30, 0.0), "disk"),
    ):
        health = capture_health(project.stores.settings, "cancer", datetime.now(UTC), thresholds)
        assert [name] == [check.name for check in health.checks if not check.ok]


def test_one_alert_is_opened_counted_and_resolved_by_whoever_watches(project: Project) -> None:
    capture(project)
    age_all(project, 100)
    stores, now = project.stores, datetime.now(UTC)
    others = [Stores(stores.settings) for _ in range(2)]
    changes = [watch(each, project, now + n * STEP) for n in range(3) for each in (stores, *others)]
    assert [["opened"], [], [], ["counted"], [], [], ["counted"], [], []] == changes
    (alert,) = stores.alerts.find("cancer", OPEN)
    assert (CAPTURE, "error", 3) == (alert.rule, alert.severity, alert.count)
    assert "Start Dagster" in alert.message
    ingest(stores, project.spec, "predictions")
    changes = [watch(each, project, now + n * STEP) for n in range(3, 6) for each in (stores, *others)]
    assert [["passed"], [], [], ["resolved"], [], [], [], [], []] == changes
    assert [RESOLVED] == [alert.status for alert in stores.alerts.find("cancer")]


def watch(stores: Stores, project: Project, now: datetime) -> list[str]:
    return [change.change for change in watch_capture(stores, [project.spec], now, ROOMY)]


def test_watchers_at_the_same_instant_open_one_alert(project: Project) -> None:
    capture(project)
    age_all(project, 100)
    now = datetime.now(UTC)
    each = [Stores(project.stores.settings) for _ in range(6)]
    found: list[str] = []
    threads = [threading.Thread(target=lambda one=one: found.extend(watch(one, project, now))) for one in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["opened"] == found
    assert [1] == [alert.count for alert in project.stores.alerts.find("cancer")]


def test_watching_forgets_no_run_whose_alerts_were_written(project: Project) -> None:
    capture(project)
    age_all(project, 100)
    raise_alerts(project.stores, "cancer", [], source="run 1")
    for n in range(SOURCES_KEPT + 1):
        watch_capture(project.stores, [project.spec], datetime.now(UTC) + n * STEP, ROOMY)
    assert ["run 1"] == project.stores.alerts.sources("cancer")
    assert [SOURCES_KEPT + 1] == [alert.count for alert in project.stores.alerts.find("cancer", OPEN)]
