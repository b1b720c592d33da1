"""The sensor that raises alerts on failed runs, capture lag, faulty configurations and hours without traffic.

A new drift alert starts the drift report, and what happens to alerts is shown by the asset ``modelops/alerts``.
All other alerts are raised by the run that judges the rule.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.execution.plan.objects import StepFailureData

from modelops_pipelines.assets.alerts import alerts_report
from modelops_pipelines.assets.improve import GATE
from modelops_pipelines.assets.monitoring import step_of
from modelops_pipelines.core.alerting.alerts import OPEN, Alert, Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.timestamps import EPOCH
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.delivery.channel_watch import watch_channels
from modelops_pipelines.operations.alerting.delivery.watchers import DAGSTER, Watcher
from modelops_pipelines.operations.alerting.judges.quiet_hours import QuietHours
from modelops_pipelines.operations.alerting.life.escalate import look_after_alerts
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, raise_alerts
from modelops_pipelines.operations.alerting.watches.capture_watch import watch_capture
from modelops_pipelines.operations.alerting.watches.code_location_watch import LoadedEndpoints, watch_code_location
from modelops_pipelines.operations.alerting.watches.configuration_watch import watch_configurations
from modelops_pipelines.operations.alerting.watches.home_watch import watch_home
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.endpoints.load import ReadFiles
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.sensors.common import ENDPOINT_TAG, TICK_SECONDS, assets_of
from modelops_pipelines.sensors.monitoring_runs import monitored_by
from modelops_pipelines.sensors.run_requests import in_one_process, was_lost
from modelops_pipelines.store.stores import Stores

RUNS_PER_TICK = 20
BOARD_EVERY = timedelta(minutes=1)
"""The asset ``modelops/alerts`` is reported at most so often: each report is a row of Dagster's history."""
TRIED_FOR = timedelta(hours=1)
PIPELINE = "pipeline"
_RUNS = Apart("The watch of runs")
_STEP_ENDS = {DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}
_EVENTS = {
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    *_STEP_ENDS,
}
REPORT_TAG = "modelops/drift_report"


@dataclass(frozen=True)
class Cursor:
    """The sensor's position: the newest finished run and the newest drift alert that it has handled.

    ``event`` is the newest event of an alert that the asset ``modelops/alerts`` shows, ``shown`` when it was reported.
    """

    runs: datetime = EPOCH
    alert: int = 0
    event: int = 0
    shown: datetime = EPOCH

    @classmethod
    def read(cls, stored: str | None) -> "Cursor":
        """Parse the stored cursor; before 0.3 it was the run's time alone."""
        if not stored:
            return cls()
        if not stored.startswith("{"):
            return cls(datetime.fromisoformat(stored))
        values = json.loads(stored)
        shown = datetime.fromisoformat(values["shown"]) if "shown" in values else EPOCH
        return cls(datetime.fromisoformat(values["runs"]), values["alert"], values.get("event", 0), shown)

    def text(self) -> str:
        """Return the cursor as text for Dagster."""
        runs, shown = self.runs.isoformat(), self.shown.isoformat()
        return json.dumps({"runs": runs, "alert": self.alert, "event": self.event, "shown": shown})


def alerts_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor that raises alerts on failed runs and capture lag, and starts drift reports."""
    names = {spec.name for spec in specs}
    loaded = LoadedEndpoints(specs, datetime.now(UTC))
    reported = {spec.name for spec in specs if not spec.is_elsewhere}
    known_files = ReadFiles()  # the process that evaluates the sensor reads again only what has changed
    quiet_hours = QuietHours()
    watcher, apart = Watcher(DAGSTER), Apart("The watch")

    @dg.sensor(
        name="alerts",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises alerts on failed runs and on capture lag; starts the drift report on a new drift alert.",
    )
    def alerts(
        context: dg.SensorEvaluationContext, modelops_project: ProjectResource
    ) -> dg.SensorResult | dg.SkipReason:
        since = Cursor.read(context.cursor)
        records = _finished(context, since.runs)
        changes: list[AlertChange] = []
        with modelops_project.stores() as stores:
            watches: Mapping[str, Callable[[datetime], Sequence[AlertChange]]] = {
                "capture": partial(watch_capture, stores, specs),  # also when every gateway is down
                "configurations": partial(_watch_files, stores, known_files, loaded),
                "the home": partial(watch_home, stores),
                "quiet hours": partial(quiet_hours.judge, stores, specs),
                "channels": partial(watch_channels, stores),
                "watchers": partial(watcher.turn, stores),
                "open alerts": partial(look_after_alerts, stores),  # as the gateway does
            }
            for name, watch in watches.items():
                with apart.alone(name):
                    changes += watch(stores.now())
            raised, runs = _raise_runs(context, stores, records, names, since.runs)
            changes += raised
            drifts = [a for a in stores.alerts.find(None, OPEN) if a.kind == "drift" and (a.id or 0) > since.alert]
            board, shown = _board(stores, since)
        for change in changes:
            alert = change.alert
            context.log.info("alert %s: %s %s: %s", change.change, alert.endpoint, alert.rule, alert.message)
        if not records and not drifts and not board:
            return dg.SkipReason(f"0 runs finished since {text(since.runs)}, 0 new drift alerts")
        reached = replace(shown, runs=runs, alert=max([since.alert, *(alert.id or 0 for alert in drifts)]))
        reports = [_report(a) for a in drifts if a.endpoint in reported] + _lost_reports(records)
        return dg.SensorResult(run_requests=in_one_process(context, reports), cursor=reached.text(), asset_events=board)

    return alerts


def _board(stores: Stores, since: Cursor) -> tuple[list[dg.AssetMaterialization], Cursor]:
    """Return the report of the asset when something has happened to an alert, at most one in BOARD_EVERY."""
    newest, now = stores.alert_events.newest(), stores.now()
    if newest <= since.event or abs(now - since.shown) < BOARD_EVERY:
        return [], since
    return [alerts_report(stores)], replace(since, event=newest, shown=now)


def _raise_runs(
    context: dg.SensorEvaluationContext,
    stores: Stores,
    records: Sequence[RunRecord],
    names: AbstractSet[str],
    since: datetime,
) -> tuple[list[AlertChange], datetime]:
    """Raise the alerts on finished runs; return what changed, and up to which run it is done.

    A run whose alert cannot be raised is tried again for TRIED_FOR; it holds up no other run.
    """
    changes: list[AlertChange] = []
    undone: datetime | None = None
    for record in records:
        verdicts, done = _verdicts(context, record, names), 0
        for endpoint, verdict in verdicts.items():
            with _RUNS.alone(endpoint):
                changes += raise_alerts(stores, endpoint, [verdict], source=record.dagster_run.run_id)
                done += 1
        if done < len(verdicts) and stores.now() - record.update_timestamp < TRIED_FOR:
            undone = undone or since
        since = record.update_timestamp
    return changes, undone or since


def _watch_files(stores: Stores, known_files: ReadFiles, loaded: LoadedEndpoints, now: datetime) -> list[AlertChange]:
    found = read_configurations(stores.settings, known_files=known_files)
    behind = loaded.behind(found, stores.settings.endpoints, now)
    return watch_configurations(stores, found.problems, now) + watch_code_location(stores, behind, now)


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
    errors: dict[str, str] = {}
    for event in context.instance.get_records_for_run(run.run_id, of_type=_EVENTS).records:
        said = event.event_log_entry.get_dagster_event()
        if said.event_type in _STEP_ENDS:
            ends[str(said.step_key)] = said.event_type
            if said.event_type == DagsterEventType.STEP_FAILURE:
                errors[str(said.step_key)] = _kind_of_error(said.step_failure_data)
        elif said.event_type == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            endpoints.add(said.asset_check_planned_data.asset_key.path[0])
        else:
            check = said.asset_check_evaluation_data
            failed = not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
            gate_failed = gate_failed or (check.check_name == GATE and failed)
    known = endpoints & names
    failed_ones = set() if gate_failed or run.status != DagsterRunStatus.FAILURE else _failed(record, known, ends)
    return {name: _run_verdict(record, _steps_of(name, errors), failed=name in failed_ones) for name in sorted(known)}


def _kind_of_error(failure: StepFailureData) -> str:
    """Return the class of what a step raised; its message may hold what a model or a row said, and stays in Dagster."""
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "failed" if error is None else str(error.cls_name)


def _steps_of(endpoint: str, errors: Mapping[str, str]) -> dict[str, str]:
    own = {step: error for step, error in errors.items() if step.startswith(f"{endpoint}__")}
    return own or dict(errors)


def _failed(record: RunRecord, endpoints: AbstractSet[str], ends: Mapping[str, DagsterEventType]) -> set[str]:
    """Return the endpoints whose part of a failed run failed: a step of theirs did, or theirs never came to its end."""
    steps = [key for key, end in ends.items() if end == DagsterEventType.STEP_FAILURE]
    failed = {max(mine, key=len) for key in steps if (mine := [e for e in endpoints if key.startswith(f"{e}__")])}
    if failed and not was_lost(record):
        return failed
    done = {name for name in endpoints if ends.get(step_of(name)) == DagsterEventType.STEP_SUCCESS}
    return failed | (endpoints - done)


def _run_verdict(record: RunRecord, errors: Mapping[str, str], *, failed: bool) -> Verdict:
    message = "the run succeeded"
    if failed and was_lost(record):
        message = f"run {record.dagster_run.run_id[:8]} lost its process: it was killed, or the machine stopped"
    elif failed:
        steps = ", ".join(f"{step} ({error})" for step, error in sorted(errors.items()))
        where = f" in {steps}" if steps else " outside its steps"
        message = f"run {record.dagster_run.run_id[:8]} failed{where}: open it in Dagster for the error"
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
