"""The sensor that raises alerts on failed runs, capture lag and faulty configurations.

A new drift alert starts the drift report.
All other alerts are raised by the run that judges the rule.
"""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord, RunsFilter

from modelops_pipelines.assets.improve import GATE
from modelops_pipelines.assets.monitoring import step_of
from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.timestamps import EPOCH
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.capture_watch import watch_capture
from modelops_pipelines.operations.alerting.configuration_watch import watch_configurations
from modelops_pipelines.operations.alerting.home_watch import watch_home
from modelops_pipelines.operations.alerting.raise_alerts import AlertChange, raise_alerts
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.load import ReadFiles
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import ENDPOINT_TAG, TICK_SECONDS, assets_of
from modelops_pipelines.sensors.monitoring_runs import monitored_by
from modelops_pipelines.sensors.run_requests import was_lost

RUNS_PER_TICK = 20
PIPELINE = "pipeline"
_STEP_ENDS = {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}
_EVENTS = {
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    *_STEP_ENDS,
}
REPORT_TAG = "modelops/drift_report"


@dataclass(frozen=True)
class Cursor:
    """The sensor's position: the newest finished run and the newest drift alert that it has handled."""

    runs: datetime = EPOCH
    alert: int = 0

    @classmethod
    def read(cls, stored: str | None) -> "Cursor":
        """Parse the stored cursor; before 0.3 it was the run's time alone."""
        if not stored:
            return cls()
        if not stored.startswith("{"):
            return cls(datetime.fromisoformat(stored))
        values = json.loads(stored)
        return cls(datetime.fromisoformat(values["runs"]), values["alert"])

    def text(self) -> str:
        """Return the cursor as text for Dagster."""
        return json.dumps({"runs": self.runs.isoformat(), "alert": self.alert})


def alerts_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor that raises alerts on failed runs and capture lag, and starts drift reports."""
    names = {spec.name for spec in specs}
    known_files = ReadFiles()  # the process that evaluates the sensor reads again only what has changed

    @dg.sensor(
        name="alerts",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises alerts on failed runs and on capture lag; starts the drift report on a new drift alert.",
    )
    def alerts(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        since = Cursor.read(context.cursor)
        records = _finished(context, since.runs)
        changes: list[AlertChange] = []
        with project.stores() as stores:
            changes += watch_capture(stores, specs, stores.now())  # also when every gateway is down
            problems = read_configurations(stores.settings, known_files=known_files).problems
            changes += watch_configurations(stores, problems, stores.now())
            changes += watch_home(stores, stores.now())
            for record in records:
                for endpoint, verdict in _verdicts(context, record, names).items():
                    changes += raise_alerts(stores, endpoint, [verdict], source=record.dagster_run.run_id)
            drifts = [a for a in stores.alerts.find(None, OPEN) if a.kind == "drift" and (a.id or 0) > since.alert]
        for change in changes:
            alert = change.alert
            context.log.info("alert %s: %s %s: %s", change.change, alert.endpoint, alert.rule, alert.message)
        if not records and not drifts:
            return dg.SkipReason(f"0 runs finished since {text(since.runs)}, 0 new drift alerts")
        runs = records[-1].update_timestamp if records else since.runs
        reached = Cursor(runs, max([since.alert, *(alert.id or 0 for alert in drifts)]))
        reports = [_report(a) for a in drifts if a.endpoint in names] + _lost_reports(records)
        return dg.SensorResult(run_requests=reports, cursor=reached.text())

    return alerts


def _finished(context: dg.SensorEvaluationContext, since: datetime) -> Sequence[RunRecord]:
    wanted = RunsFilter(statuses=[DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE], updated_after=since)
    found = context.instance.get_run_records(wanted, limit=RUNS_PER_TICK, order_by="update_timestamp", ascending=True)
    return [record for record in found if record.update_timestamp > since]


def _verdicts(context: dg.SensorEvaluationContext, record: RunRecord, names: AbstractSet[str]) -> dict[str, Verdict]:
    """Return the verdict on a run per endpoint. A run that the gate's check failed is not a failed run.

    Runs of the sensors have tags of their endpoints; for a run that a person started, its assets and the planned
    checks' name them: a check that was not judged has no evaluation. A drift report is made for people: that one
    succeeded says nothing of the pipeline.
    """
    run = record.dagster_run
    if run.tags.get(REPORT_TAG) and run.status == DagsterRunStatus.SUCCESS:
        return {}
    selected = {asset.path[0] for asset in run.asset_selection or ()}
    endpoints, gate_failed = {run.tags.get(ENDPOINT_TAG, ""), *monitored_by(run), *selected}, False
    ends: dict[str, DagsterEventType] = {}
    for event in context.instance.get_records_for_run(run.run_id, of_type=_EVENTS).records:
        said = event.event_log_entry.get_dagster_event()
        if said.event_type in _STEP_ENDS:
            ends[str(said.step_key)] = said.event_type
        elif said.event_type == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            endpoints.add(said.asset_check_planned_data.asset_key.path[0])
        else:
            check = said.asset_check_evaluation_data
            failed = not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
            gate_failed = gate_failed or (check.check_name == GATE and failed)
    known = endpoints & names
    failed_ones = set() if gate_failed or run.status != DagsterRunStatus.FAILURE else _failed(record, known, ends)
    return {name: _run_verdict(record, failed=name in failed_ones) for name in sorted(known)}


def _failed(record: RunRecord, endpoints: AbstractSet[str], ends: Mapping[str, DagsterEventType]) -> set[str]:
    """Return the endpoints whose part of a failed run failed: a step of theirs did, or theirs never came to its end."""
    steps = [key for key, end in ends.items() if end == DagsterEventType.STEP_FAILURE]
    failed = {max(mine, key=len) for key in steps if (mine := [e for e in endpoints if key.startswith(f"{e}__")])}
    if failed and not was_lost(record):
        return failed
    done = {name for name in endpoints if ends.get(step_of(name)) == DagsterEventType.STEP_SUCCESS}
    return failed | (endpoints - done)


def _run_verdict(record: RunRecord, *, failed: bool) -> Verdict:
    message = "the run succeeded"
    if failed and was_lost(record):
        message = f"run {record.dagster_run.run_id[:8]} lost its process: it was killed, or the machine stopped"
    elif failed:
        message = f"run {record.dagster_run.run_id[:8]} failed: open it in Dagster for the error"
    window = text(record.update_timestamp)
    return Verdict(PIPELINE, PIPELINE, "error", not failed, None, None, 1, window, message)


def _lost_reports(records: Sequence[RunRecord]) -> list[dg.RunRequest]:
    """Return the requests of drift reports whose run was killed: they are asked for again."""
    return [
        dg.RunRequest(
            run_key=f"drift report, again after run {run.run_id}",
            asset_selection=sorted(run.asset_selection or ()),
            tags={name: value for name, value in run.tags.items() if name in ("modelops/reason", REPORT_TAG)},
        )
        for run in [record.dagster_run for record in records if was_lost(record)]
        if run.tags.get(REPORT_TAG)
    ]


def _report(alert: Alert) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"drift report {alert.endpoint} {text(alert.opened_at)}",
        asset_selection=assets_of(alert.endpoint, ["drift_report"]),
        tags={"modelops/reason": alert.message, REPORT_TAG: "true"},
    )
