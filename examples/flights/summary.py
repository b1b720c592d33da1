"""The demo's summary from the lake and the state database: one row per month, and whether the counts agree."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from modelops_pipelines.cli.output import table
from modelops_pipelines.core.tables.lake import DRIFT, LABELS, SERVICE_METRICS, typed_for
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.metrics.quality import quality_of
from modelops_pipelines.store.lake import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelops_pipelines.core.endpoints.spec import EndpointSpec
    from modelops_pipelines.store.stores import Stores

_COUNTS = "SELECT (SELECT count(*) FROM inference_log), (SELECT sum(predictions)::BIGINT FROM service_metrics)"
_TRAFFIC = (
    "SELECT strftime(window_start, '%Y-%m') AS month, sum(requests)::BIGINT AS requests, "
    "sum(predictions)::BIGINT AS predictions FROM service_metrics GROUP BY 1 ORDER BY 1"
)
_VERSIONS = (
    "SELECT strftime(window_start, '%Y-%m') AS month, string_agg(DISTINCT model_version, ', ' ORDER BY model_version) "
    "AS live FROM service_metrics WHERE predictions > 0 GROUP BY 1"
)
_DRIFTED = (
    "SELECT strftime(window_start, '%Y-%m') AS month, "
    "count(*) FILTER (drifted) / nullif(count(*) FILTER (drifted IS NOT NULL), 0) AS share FROM drift GROUP BY 1"
)
_JUDGED = (
    "SELECT date_trunc('month', p.event_time) AS window_start, '' AS model_version, p.prediction, p.score, l.label, "
    "0 AS feedback, 0 AS complaints FROM inference_log AS p LEFT JOIN label_now AS l USING (prediction_id) "
    "WHERE p.status = 200"
)


def print_table(stores: "Stores", spec: "EndpointSpec") -> None:
    """Print one row per month: live version, requests, quality by labels, drift, alerts, actions."""
    tables = [log_table(stores, spec), SERVICE_METRICS, DRIFT, typed_for(LABELS, spec.task)]
    with stores.lake.query(spec.name, tables) as lake:
        traffic = lake.sql(_TRAFFIC).to_arrow_table().to_pylist()
        live = dict(lake.execute(_VERSIONS).fetchall())
        drifted = dict(lake.execute(_DRIFTED).fetchall())
    quality = _quality(stores, spec)
    alerts, actions = _alerts(stores, spec), _actions(stores, spec)
    rows = [
        {
            "month": row["month"],
            "live version": live.get(row["month"]),
            "requests": row["requests"],
            "predictions": row["predictions"],
            "AUC": quality.get(row["month"], {}).get("auc"),
            "Brier skill": quality.get(row["month"], {}).get("brier_skill"),
            "columns drifted": _percent(drifted.get(row["month"])),
            "alerts opened": _times(alerts.get(row["month"], [])) or "-",
            "action taken": "; ".join(actions.get(row["month"], [])) or "-",
        }
        for row in traffic
    ]
    print("\n" + table(rows), flush=True)


def check_counts(stores: "Stores", spec: "EndpointSpec", answered: int, messages: "Mapping[str, bool]") -> bool:
    """Print whether answered = logged = measured and which parts of the loop happened; return whether all hold.

    ``messages`` says which messages of an alert reached the person on call.
    """
    with stores.lake.query(spec.name, [log_table(stores, spec), SERVICE_METRICS]) as lake:
        logged, measured = lake.execute(_COUNTS).fetchall()[0]
    events = stores.deployments.events(spec.name)
    done = {action: sum(event.action == action for event in events) for action in ("promote", "rollback")}
    gates = [f"version {g.version} {g.verdict} ({g.numbers['reason']})" for g in stores.gates.of(spec.name)]
    print(f"\npredictions answered {answered:,} = rows in inference_log {logged:,} = service_metrics {measured:,}")
    print("gate: " + "\n      ".join(gates or ["none"]))
    happened = {
        "counts agree": answered == logged == measured,
        "alert": bool(stores.alerts.find(spec.name)),
        "retraining": bool(stores.retrainings.of(spec.name)),
        "gate": bool(gates),
        "promotion": done["promote"] > 0,
        "rollback": done["rollback"] > 0,
        "messages on the alert: opened, acknowledged, resolved": all(messages.values()),
    }
    print("checks: " + ", ".join(f"{name} {'yes' if ok else 'NO'}" for name, ok in happened.items()))
    return all(happened.values())


def _quality(stores: "Stores", spec: "EndpointSpec") -> "dict[str, Mapping[str, Any]]":
    with stores.lake.query(spec.name, [log_table(stores, spec), typed_for(LABELS, spec.task)]) as lake:
        lake.execute(sql.named("label_now"))
        judged = lake.sql(_JUDGED).to_arrow_table()
    return {f"{row['window_start']:%Y-%m}": row for row in quality_of(spec, judged).to_pylist()}


def _alerts(stores: "Stores", spec: "EndpointSpec") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alert in stores.alerts.find(spec.name)[::-1]:
        found.setdefault(alert.opened_window[:7], []).append(alert.rule)
    return found


def _actions(stores: "Stores", spec: "EndpointSpec") -> dict[str, list[str]]:
    """Return the changes per month of the watermark; the first deploy has none, since it came before any data."""
    actions: dict[str, list[str]] = {}
    for event in stores.deployments.events(spec.name):
        month = str(event.evidence.get("watermark"))[:7]
        words = {"deploy": "deployed", "promote": "promoted", "rollback": "rolled back to"}.get(
            event.action, event.action
        )
        forced = " by force" if event.evidence.get("forced") else ""
        actions.setdefault(month, []).append(f"{words} {event.to_version}{forced}")
    verdicts = {gate.version: gate.verdict for gate in stores.gates.of(spec.name)}
    for past in stores.retrainings.of(spec.name):
        month = str(past.watermark)[:7]
        actions.setdefault(month, []).insert(0, f"retrained {past.version}: {verdicts.get(str(past.version))}")
    return actions


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _times(names: list[str]) -> str:
    """Return the distinct names with their counts."""
    counts = Counter(names)
    return ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in counts.items())
