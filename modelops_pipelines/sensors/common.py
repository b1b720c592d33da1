"""Tags, queries and results that the sensors share. A tick reads folders and the state database only."""

import time
from collections.abc import Sequence

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from modelops_pipelines.sensors.run_requests import ask_again

ENDPOINT_TAG = "endpoint"
KIND_TAG = "modelops/kind"
TICK_SECONDS = 4  # under the daemon's own loop of 5 s, or every second loop is skipped
RETRAINING_ASSETS = ("training_set", "candidate", "evaluation")
_UNFINISHED = [
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
    wanted = RunsFilter(tags=tags, statuses=_UNFINISHED)
    return bool(context.instance.get_run_records(wanted, limit=1))


def sensor_result(
    context: dg.SensorEvaluationContext,
    requests: list[dg.RunRequest],
    reasons: list[str],
    *,
    after_faults: bool = False,
) -> dg.SensorResult | dg.SkipReason:
    """Return the run requests, or without any a skip reason per endpoint; ``after_faults`` as in ``ask_again``."""
    if not requests:
        return dg.SkipReason("; ".join(reasons) or "there are no endpoints")
    again = [ask_again(context.instance, one, time.time(), after_faults=after_faults) for one in requests]
    return dg.SensorResult(run_requests=again)
