"""The asset ``alerts``: reported by the sensor, without a run, when something has happened to an alert."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from modelops_pipelines.operations.alerting.life.act_on_alerts import acknowledge
from modelops_pipelines.resources.asset_reports import ALERTS, delete_reports, expired_reports
from modelops_pipelines.resources.run_history import orphaned_files
from modelops_pipelines.sensors import alerts as sensor
from modelops_pipelines.sensors.alerts import Cursor
from tests.fakes.raised_alerts import raised
from tests.support.alert_verdicts import verdict
from tests.support.told_alerts import alerted_stores
from tests.worlds.dagster_project import world


def test_what_happens_to_an_alert_is_shown_without_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path) as made:
        stores = made.project.stores
        alert = raised(stores, rule="quality", severity="warning")
        first = made.tick("alerts")
        [shown] = first.asset_events
        metadata = {name: value.value for name, value in shown.metadata.items()}
        assert (ALERTS, [], 1, 0, 1) == (
            shown.asset_key, list(first.run_requests), *(metadata[n] for n in ("open", "acknowledged", "severity_warning"))
        )  # fmt: skip
        assert "quality 0.31 is above 0.1" in metadata["alerts"]
        assert "opened" in metadata["history"]
        assert [] == list(made.tick("alerts", first.cursor).asset_events)
        acknowledge(stores, alert.id or 0, "ann", "<img src=x>")
        assert [] == list(made.tick("alerts", first.cursor).asset_events), "a minute has not passed"
        monkeypatch.setattr(sensor, "BOARD_EVERY", sensor.BOARD_EVERY * 0)
        [later] = made.tick("alerts", first.cursor).asset_events
        assert (0, 1) == (later.metadata["open"].value, later.metadata["acknowledged"].value)
        assert "\\<img src=x\\>" in str(later.metadata["history"].value)


def test_a_run_whose_alert_cannot_be_raised_holds_up_no_other_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores: Any = alerted_stores(tmp_path)
    lock = stores.settings.home / "locks" / "aaa.alerts.lock"
    lock.mkdir(parents=True)
    start = stores.now()
    made: Any = [
        SimpleNamespace(dagster_run=SimpleNamespace(run_id=name), update_timestamp=start + timedelta(seconds=number))
        for number, name in enumerate(("pay", "aaa", "flights"))
    ]
    monkeypatch.setattr(sensor, "_verdicts", lambda _, run, __: {run.dagster_run.run_id: verdict(False)})
    context: Any = None

    def raise_runs() -> tuple[list[str], datetime]:
        changes, reached = sensor._raise_runs(context, stores, made, set(), start - timedelta(days=1))
        return [one.alert.endpoint for one in changes], reached

    assert (["pay", "flights"], start) == raise_runs()
    assert ([], start) == raise_runs()
    lock.rmdir()
    assert (["aaa"], made[2].update_timestamp) == raise_runs()
    lock.unlink()
    lock.mkdir()
    stores.moment += 2 * sensor.TRIED_FOR
    assert ([], made[2].update_timestamp) == raise_runs()


def test_a_cursor_of_an_earlier_release_is_read() -> None:
    old = '{"runs": "2026-03-01T00:00:00+00:00", "alert": 7}'
    assert (7, 0) == (Cursor.read(old).alert, Cursor.read(old).event)
    assert Cursor.read(Cursor.read(old).text()) == Cursor.read(old)


def test_reports_past_their_retention_go_and_the_newest_stays(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for number in range(5):
            instance.report_runless_asset_event(dg.AssetMaterialization(ALERTS, metadata={"open": number}))
        instance.report_runless_asset_event(dg.AssetMaterialization("another"))
        count, size = expired_reports(instance, ALERTS, now + timedelta(hours=1))
        assert (4, True) == (count, size > 0)
        assert 0 == expired_reports(instance, ALERTS, now - timedelta(hours=1))[0]
        delete_reports(instance, ALERTS, now + timedelta(hours=1))
        assert 0 == expired_reports(instance, ALERTS, now + timedelta(hours=1))[0]
        shown = instance.get_latest_materialization_event(ALERTS)
        assert shown is not None
        assert shown.asset_materialization is not None
        assert 4 == shown.asset_materialization.metadata["open"].value
        assert instance.get_latest_materialization_event(dg.AssetKey("another")) is not None


def test_the_file_of_reports_is_no_orphan_of_a_run(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(ALERTS))
        assert [] == orphaned_files(instance, datetime.now(UTC) + timedelta(days=9))
