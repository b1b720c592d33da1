"""Finished runs' checks become alerts, and capture is watched; a new drift alert asks for the drift report."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord, RunsFilter

from modelops_pipelines.assets.improve import GATE
from modelops_pipelines.assets.metadata import VERDICTS
from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.capture_watch import watch_capture
from modelops_pipelines.operations.alerting.raise_alerts import AlertChange, raise_alerts
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import ENDPOINT_TAG, TICK_SECONDS, assets_of

RUNS_A_TICK = 20
PIPELINE = "pipeline"


def alerts_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the one sensor that turns failed checks, failed runs and capture that lags into alerts."""
    names = {spec.name for spec in specs}

    @dg.sensor(
        name="alerts",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns failed checks into alerts: one open alert a rule, counted, resolved after two passes.",
    )
    def alerts(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        since = datetime.fromisoformat(context.cursor) if context.cursor else datetime.fromtimestamp(0, UTC)
        records = _finished(context, since)
        changes: list[AlertChange] = []
        with project.stores() as stores:
            changes += watch_capture(stores, specs, stores.now())  # also when every gateway is down
            for record in records:
                for endpoint, verdicts in _verdicts(context, record, names).items():
                    changes += raise_alerts(stores, endpoint, verdicts, record.dagster_run.run_id)
        for change in changes:
            alert = change.alert
            context.log.info("alert %s: %s %s: %s", change.change, alert.endpoint, alert.rule, alert.message)
        if not records:
            return dg.SkipReason(f"no run has finished since {text(since)}")
        requests = [_report(change) for change in changes if change.change == "opened" and change.alert.rule == "drift"]
        return dg.SensorResult(run_requests=requests, cursor=records[-1].update_timestamp.isoformat())

    return alerts


def _finished(context: dg.SensorEvaluationContext, since: datetime) -> Sequence[RunRecord]:
    wanted = RunsFilter(statuses=[DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE], updated_after=since)
    found = context.instance.get_run_records(wanted, limit=RUNS_A_TICK, order_by="update_timestamp", ascending=True)
    return [record for record in found if record.update_timestamp > since]


def _verdicts(
    context: dg.SensorEvaluationContext, record: RunRecord, names: AbstractSet[str]
) -> dict[str, list[Verdict]]:
    """Return, by endpoint, the verdicts of a run's checks and one on the run; a refusing gate is no failure of it.

    The sensors' runs bear their endpoint as a tag; a run that a person started is known by its checks' assets.
    """
    tagged = record.dagster_run.tags.get(ENDPOINT_TAG, "")
    found: dict[str, list[Verdict]] = {tagged: []} if tagged in names else {}
    refused = False
    events = context.instance.get_records_for_run(
        record.dagster_run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION
    )
    for event in events.records:
        said = event.event_log_entry.get_dagster_event().asset_check_evaluation_data
        refused = refused or (said.check_name == GATE and not said.passed)
        kept: Any = said.metadata.get(VERDICTS)
        if said.asset_key.path[0] in names:
            of_endpoint = found.setdefault(said.asset_key.path[0], [])
            of_endpoint += [Verdict(**verdict) for verdict in kept.value] if kept is not None else []
    for verdicts in found.values():
        verdicts.append(_on_the_run(record, refused=refused))
    return found


def _on_the_run(record: RunRecord, *, refused: bool) -> Verdict:
    failed = record.dagster_run.status == DagsterRunStatus.FAILURE and not refused
    message = f"run {record.dagster_run.run_id[:8]} failed: see it in Dagster" if failed else "the run succeeded"
    return Verdict(PIPELINE, "error", not failed, None, None, 1, text(record.update_timestamp), message)


def _report(change: AlertChange) -> dg.RunRequest:
    endpoint = change.alert.endpoint
    return dg.RunRequest(
        run_key=f"drift report {endpoint} {text(change.alert.opened_at)}",
        asset_selection=assets_of(endpoint, ["drift_report"]),
        tags={"modelops/reason": change.alert.message},
    )
