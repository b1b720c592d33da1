"""A shadow answers what the log has gained, at most once a minute, and never in the way of monitoring.

Its runs do not bear the endpoint's tag, so that neither the queue nor the sensor of new data waits for them; one at a
time of all endpoints, with the lowest priority, so that they never take the queue's places from others.
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
from modelops_pipelines.sensors.common import KIND_TAG, TICK_SECONDS, assets_of
from modelops_pipelines.store.stores import Stores

KIND = "shadow"
SHADOW_TAG = "modelops/shadow"
EVERY_SECONDS = 60
_FINISHED = {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED}


def shadow_sensor(specs: Sequence[EndpointSpec]) -> dg.SensorDefinition:
    """Return the one sensor that has every shadow compared."""

    @dg.sensor(
        name="shadows",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Has each shadow answer what the log has gained: one at a time, each at most once a minute.",
    )
    def shadow(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
        with project.stores() as stores:
            marks = _marks(stores, specs)
            now = int(stores.now().timestamp())
        if not marks:
            return dg.SkipReason(f"0 of {len(specs)} endpoints have a shadow")
        if _is_running(context):
            return dg.SkipReason(f"{len(marks)} shadow(s); one is being compared")
        asked = _read(context.cursor)
        chosen = next_shadow(marks, asked, now, EVERY_SECONDS)
        if chosen is None:
            return dg.SkipReason(f"{len(marks)} shadow(s), each compared within {EVERY_SECONDS} s or without new rows")
        kept = {name: one for name, one in asked.items() if name in marks}
        cursor = json.dumps({**kept, chosen: LastComparison(now, marks[chosen])})
        return dg.SensorResult(run_requests=[_request(chosen, marks[chosen], now)], cursor=cursor)

    return shadow


def _marks(stores: Stores, specs: Sequence[EndpointSpec]) -> dict[str, str]:
    """Return, for each endpoint with a shadow, what changes when there is something new to compare."""
    states = {state.endpoint: state for state in stores.deployments.all_desired()}
    found = {}
    for spec in specs:
        state = states.get(spec.name)
        if state is not None and state.shadow is not None and state.status == ACTIVE:
            found[spec.name] = f"{state.generation} {stores.ingest_progress.of(spec.name).predictions}"
    return found


def _is_running(context: dg.SensorEvaluationContext) -> bool:
    wanted = RunsFilter(tags={KIND_TAG: KIND}, statuses=[one for one in DagsterRunStatus if one not in _FINISHED])
    return bool(context.instance.get_run_records(wanted, limit=1))


def _read(cursor: str | None) -> Mapping[str, LastComparison]:
    return {name: LastComparison(*one) for name, one in json.loads(cursor or "{}").items()}


def _request(endpoint: str, mark: str, now: int) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"shadow {endpoint} {mark} {now // EVERY_SECONDS}",
        asset_selection=assets_of(endpoint, [SHADOW_LOG.name]),
        tags={SHADOW_TAG: endpoint, KIND_TAG: KIND, "dagster/priority": "-10"},
    )
