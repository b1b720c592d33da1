"""The sensor that runs shadows on newly logged requests, at most once a minute each, without delaying monitoring.

Its runs have no endpoint tag, so that neither the run queue nor the sensor of new data waits for them. One run at a
time over all endpoints, with the lowest priority, so that monitoring runs always come first.
"""

import json
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import ACTIVE
from modelops_pipelines.core.release.shadow import LastComparison, next_shadow
from modelops_pipelines.core.tables.lake import SHADOW_LOG
from modelops_pipelines.resources.project import ProjectResource
from modelops_pipelines.resources.run_scope import KIND_TAG
from modelops_pipelines.sensors.common import CALM_TICK_SECONDS, assets_of
from modelops_pipelines.sensors.run_requests import was_lost
from modelops_pipelines.store.stores import Stores

KIND = "shadow"
SHADOW_TAG = "modelops/shadow"
EVERY_SECONDS = 60
_FINISHED = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}


def shadow_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the sensor that runs every shadow."""

    @dg.sensor(
        name="shadows",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=CALM_TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs each shadow on newly logged requests: one at a time, each at most once a minute.",
    )
    def shadow(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        with project.stores() as stores:
            marks = _marks(stores, specs)
            now = int(stores.now().timestamp())
        if not marks:
            return dg.SkipReason(f"0 of {len(specs)} endpoints have a shadow")
        if _is_running(context):
            return dg.SkipReason(f"{len(marks)} shadow(s); a shadow run is in progress")
        last_runs = {name: last for name, last in _parse(context.cursor).items() if not _last_was_lost(context, name)}
        endpoint = next_shadow(marks, last_runs, now, EVERY_SECONDS)
        if endpoint is None:
            return dg.SkipReason(f"{len(marks)} shadow(s), each without new rows or run in the last {EVERY_SECONDS} s")
        current = {name: last for name, last in last_runs.items() if name in marks}
        cursor = json.dumps({**current, endpoint: LastComparison(now, marks[endpoint])})
        return dg.SensorResult(run_requests=[_request(endpoint, marks[endpoint], now)], cursor=cursor)

    return shadow


def _marks(stores: Stores, specs: Sequence[EndpointSpec]) -> dict[str, str]:
    """Return a mark per endpoint with a shadow; it changes when there are new rows to compare."""
    states = {state.endpoint: state for state in stores.deployments.all_desired()}
    marks = {}
    for spec in specs:
        state = states.get(spec.name)
        if state is not None and state.shadow is not None and state.status == ACTIVE:
            marks[spec.name] = f"{state.generation} {stores.ingest_progress.of(spec.name).predictions}"
    return marks


def _is_running(context: dg.SensorEvaluationContext) -> bool:
    wanted = RunsFilter(
        tags={KIND_TAG: KIND}, statuses=[status for status in DagsterRunStatus if status not in _FINISHED]
    )
    return bool(context.instance.get_run_records(wanted, limit=1))


def _last_was_lost(context: dg.SensorEvaluationContext, endpoint: str) -> bool:
    """Return whether the newest run of an endpoint's shadow was killed: its rows are still to be compared."""
    return any(map(was_lost, context.instance.get_run_records(RunsFilter(tags={SHADOW_TAG: endpoint}), limit=1)))


def _parse(cursor: str | None) -> Mapping[str, LastComparison]:
    return {name: LastComparison(*last) for name, last in json.loads(cursor or "{}").items()}


def _request(endpoint: str, mark: str, now: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"shadow {endpoint} {mark} {now // EVERY_SECONDS}",
        asset_selection=assets_of(endpoint, [SHADOW_LOG.name]),
        tags={SHADOW_TAG: endpoint, KIND_TAG: KIND, "dagster/priority": "-10"},
    )
