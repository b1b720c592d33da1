"""Tags, queries and results that the sensors share. A tick reads folders and the state database only."""

import time
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from modelops_pipelines.resources.run_scope import KIND_TAG
from modelops_pipelines.sensors.run_requests import ask_again
from modelops_pipelines.sensors.skip_reasons import summary

ENDPOINT_TAG = "endpoint"
TICK_SECONDS = 4  # under the daemon's own loop of 5 s, or every second loop is skipped
CALM_TICK_SECONDS = 14
"""Between the ticks of what may wait: each costs a tenth of a CPU second, whatever it finds."""
RETRAINING_ASSETS = ("training_set", "candidate", "evaluation")
UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def assets_of(endpoint: str, names: Sequence[str]) -> list[dg.AssetKey]:
    """Return the keys of an endpoint's assets."""
    return [dg.AssetKey([endpoint, name]) for name in names]


def is_running(context: dg.SensorEvaluationContext, endpoint: str, kind: str | None = None) -> bool:
    """Return whether a run of this endpoint (of this kind, if given) is queued or in progress."""
    tags = {ENDPOINT_TAG: endpoint, **({KIND_TAG: kind} if kind else {})}
    wanted = RunsFilter(tags=tags, statuses=UNFINISHED)
    return bool(context.instance.get_run_records(wanted, limit=1))


def sensor_result(
    context: dg.SensorEvaluationContext, requests: list[dg.RunRequest], reasons: Mapping[str, str]
) -> dg.SensorResult | dg.SkipReason:
    """Return the run requests, or without any a skip reason; ``reasons`` are by endpoint."""
    if not requests:
        return dg.SkipReason(summary(reasons))
    return dg.SensorResult(run_requests=[ask_again(context.instance, one, time.time()) for one in requests])
