"""Alerts of a state database of release 0.3's beginnings are told by kind after the migration."""

from pathlib import Path

import sqlalchemy as sa

from modelops_pipelines.store.state.alerting.alerts import Alerts
from modelops_pipelines.store.state.database import Database
from modelops_pipelines.store.state.migrations.run import upgrade

KIND_OF = {
    "error_rate": "error_rate",
    "latency_p95_ms": "latency_p95_ms",
    "drift": "drift",
    "data_quality": "data_quality",
    "quality_brier_skill": "quality",
    "estimated_quality_auc": "estimated_quality",
    "metric_drift_of_prices": "metric",
    "capture": "capture",
    "pipeline": "pipeline",
    "registry": "registry",
}


def test_the_kind_of_an_alert_is_read_from_its_rule_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = sa.create_engine(url)
    upgrade(engine, "0003")
    values = "'e', '{rule}', 'open', 'error', 'm', 1, 0, 0, 0, NULL, 'w', 'w'"
    names = "endpoint, rule, status, severity, message, count, passes, opened_at, last_seen_at, resolved_at"
    with engine.begin() as connected:
        for rule in KIND_OF:
            row = values.format(rule=rule)
            connected.exec_driver_sql(f"INSERT INTO alerts ({names}, opened_window, data_window) VALUES ({row})")
    engine.dispose()
    found = {alert.rule: alert.kind for alert in Alerts(Database(url)).find("e")}
    assert KIND_OF == found
