"""Alerts on the home: they open by a reading, are counted once for each, and the first reading that passes resolves them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.alerting.alerts import OPEN, RESOLVED
from modelops_pipelines.core.maintenance.backups import TakenBackup
from modelops_pipelines.core.maintenance.growth import Reading, RunCost, TableFiles
from modelops_pipelines.operations.alerting.watches.home_watch import WHOLE_HOME, watch_home
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
GIB = 1 << 30


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    made = Stores(load_settings(tmp_path, {}))
    made.maintenance_ends.note("logs", NOW)
    return made


def record(stores: Stores, at: datetime, lake: int, files: int = 1, runs: RunCost | None = None) -> None:
    tables = (TableFiles("cancer", "inference_log", files, 5),)
    stores.readings.record(Reading(at, {"lake": lake}, 20 * GIB, tables, runs))


def changes(stores: Stores, at: datetime) -> list[tuple[str, str, str]]:
    return [(one.alert.endpoint, one.alert.rule, one.change) for one in watch_home(stores, at)]


def test_a_healthy_home_has_no_alert(stores: Stores) -> None:
    record(stores, NOW, GIB)
    record(stores, NOW + DAY, GIB)
    assert [] == changes(stores, NOW + DAY)
    assert [] == stores.alerts.find()


def test_a_disk_that_is_full_soon_opens_an_alert_that_a_calmer_reading_resolves(stores: Stores) -> None:
    record(stores, NOW, 0)
    record(stores, NOW + DAY, 10 * GIB)
    assert [(WHOLE_HOME, "disk_full", "opened")] == changes(stores, NOW + DAY)
    assert [] == changes(stores, NOW + DAY + 5 * SECOND)  # the same reading tells nothing new
    record(stores, NOW + 2 * DAY, 20 * GIB)
    assert [(WHOLE_HOME, "disk_full", "counted")] == changes(stores, NOW + 2 * DAY)
    [alert] = stores.alerts.find(None, OPEN)
    assert ("storage", "error", 2) == (alert.kind, alert.severity, alert.count)
    assert "the disk is full in 2 days" in alert.message
    record(stores, NOW + 3 * DAY, GIB)
    assert [(WHOLE_HOME, "disk_full", "resolved")] == changes(stores, NOW + 3 * DAY - 12 * SECOND)
    assert [RESOLVED] == [one.status for one in stores.alerts.find()]


def test_a_table_with_too_many_files_is_its_endpoint_s_alert_until_it_is_compacted(stores: Stores) -> None:
    record(stores, NOW, 1, files=2_500)
    assert [("cancer", "table_files", "opened")] == changes(stores, NOW)
    record(stores, NOW + SECOND, 1, files=20)
    assert [("cancer", "table_files", "resolved")] == changes(stores, NOW + SECOND)


def test_the_alert_of_an_endpoint_that_is_not_measured_any_more_is_resolved(stores: Stores) -> None:
    record(stores, NOW, 1, files=2_500)
    changes(stores, NOW)
    stores.readings.record(Reading(NOW + SECOND, {}, 20 * GIB))
    assert [("cancer", "table_files", "resolved")] == changes(stores, NOW + SECOND)


def test_maintenance_that_does_not_succeed_is_told_once_a_day_and_resolved_by_a_success(stores: Stores) -> None:
    late = NOW + 4 * DAY
    stores.maintenance_ends.note("logs", late, "the disk is full")
    assert [(WHOLE_HOME, "maintenance", "opened")] == changes(stores, late)
    assert [] == changes(stores, late + 60 * SECOND)
    assert [(WHOLE_HOME, "maintenance", "counted")] == changes(stores, late + DAY)
    assert "(logs: the disk is full)" in stores.alerts.find(None, OPEN)[0].message
    stores.maintenance_ends.note("logs", late + DAY)
    assert [(WHOLE_HOME, "maintenance", "resolved")] == changes(stores, late + DAY)


def test_runs_without_rest_and_slow_ticks_are_told(stores: Stores) -> None:
    record(stores, NOW, 1, runs=RunCost(9, 3 * 86_400.0, 100.0, 0, 20.0, "new_data"))
    assert {(WHOLE_HOME, "runs", "opened"), (WHOLE_HOME, "ticks", "opened")} == set(changes(stores, NOW))
    record(stores, NOW + SECOND, 1, runs=RunCost(9, 60.0, 10.0, 0, 0.2, "new_data"))
    assert {(WHOLE_HOME, "runs", "resolved"), (WHOLE_HOME, "ticks", "resolved")} == set(changes(stores, NOW + SECOND))


def test_the_alert_waits_for_a_process_that_changes_the_same_alerts(stores: Stores) -> None:
    from modelops_pipelines.operations.alerting.life.raise_alerts import alerts_lock

    record(stores, NOW, 1, files=2_500)
    with alerts_lock(stores, "cancer"):
        assert [] == changes(Stores(stores.settings), NOW)
    assert [("cancer", "table_files", "opened")] == changes(stores, NOW)


def test_a_late_backup_opens_an_alert_and_the_next_one_resolves_it(stores: Stores) -> None:
    for days in (21, 14, 7):
        stores.backups.note(TakenBackup(NOW - days * DAY, "/mnt/backups"))
    assert [] == changes(stores, NOW)
    late = NOW + 8 * DAY
    stores.maintenance_ends.note("logs", late)
    assert [(WHOLE_HOME, "backup", "opened")] == changes(stores, late)
    assert [] == changes(stores, late + SECOND)
    [alert] = stores.alerts.find(None, OPEN)
    assert ("storage", "warning") == (alert.kind, alert.severity)
    assert "The newest backup is 15.0 days old, in /mnt/backups" in alert.message
    stores.backups.note(TakenBackup(late, "/mnt/backups"))
    assert [(WHOLE_HOME, "backup", "resolved")] == changes(stores, late + SECOND)
