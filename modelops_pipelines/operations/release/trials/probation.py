"""A new champion's quality against the champion before: both versions' answers to the same labelled rows.

The previous champion answers the logged rows in a separate process (operations/models/sandbox.py), as a shadow does.
"""

from dataclasses import replace
from datetime import timedelta
from itertools import groupby

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError, PredictionError, SchemaError
from modelops_pipelines.core.release.desired_state import ACTIVE, DesiredState
from modelops_pipelines.core.release.event_log import Event, champions, replacement
from modelops_pipelines.core.release.guards import Verdict
from modelops_pipelines.core.release.probation import Loss, PairedAnswer, judge_new_losses, probation_pace
from modelops_pipelines.core.release.sequential_tests import FAIL, INCONCLUSIVE, PASS
from modelops_pipelines.core.tables.lake import LABELS, typed_for
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.metrics.quality import rows_of
from modelops_pipelines.operations.models.sandbox import predict_in_sandbox
from modelops_pipelines.operations.release.trials.canary import DRIVER, TrialOutcome
from modelops_pipelines.operations.release.trials.withdraw import record_verdict, withdraw_version
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.stores import Stores

MOST_ROWS = 20_000
"""Labelled rows that decide at most: the oldest, so that every look is at the same rows and newer ones."""


def probation_due(stores: Stores, spec: EndpointSpec, state: DesiredState) -> timedelta | None:
    """Return the time between two judgements of the champion's quality.

    None when it is on no probation, has passed it, or has no labels since the last judgement.
    """
    release = _release_on_probation(stores, spec, state)
    if release is None:
        return None
    judged = [one for one in stores.trials.of(spec.name, state.generation) if one.numbers.get("guard") == "quality"]
    labels = stores.ingest_progress.of(spec.name).labels
    if judged and (judged[-1].verdict == PASS or judged[-1].numbers.get("labels_seen") == labels):
        return None
    return probation_pace(release.at, stores.now(), spec.guard)


def judge_new_champion(stores: Stores, spec: EndpointSpec) -> TrialOutcome | None:
    """Judge the quality of a champion on probation, and roll it back if it fails; None when there is nothing to judge.

    Pending rows of the spool are ingested first. Without new labels since the last judgement nothing is judged.
    """
    state = stores.deployments.desired(spec.name)
    release = _release_on_probation(stores, spec, state)
    line = champions(stores.deployments.events(spec.name))
    if state.champion is None or release is None or len(line) < 2:  # noqa: PLR2004 - the champion and the one before
        return None
    for stream in ("predictions", "labels"):
        ingest(stores, spec, stream)
    if probation_due(stores, spec, state) is None:
        return None
    seen = stores.ingest_progress.of(spec.name).labels
    rows = _labelled_rows(stores, spec, state.champion, release)
    verdict = _judge(stores, spec, line[-2], rows)
    verdict = replace(verdict, numbers={**verdict.numbers, "labels_seen": seen})
    if verdict.verdict == FAIL and spec.guard.automatic:
        change = withdraw_version(stores, spec, state, state.champion, verdict, actor=DRIVER)
        return TrialOutcome(state.champion, verdict, change)
    record_verdict(stores, spec, state, state.champion, verdict)
    return TrialOutcome(state.champion, verdict, None)


def _release_on_probation(stores: Stores, spec: EndpointSpec, state: DesiredState) -> Event | None:
    if state.status != ACTIVE or state.challenger is not None:
        return None
    return replacement(stores.deployments.events(spec.name), state.champion)


def _labelled_rows(stores: Stores, spec: EndpointSpec, version: str, release: Event) -> pa.Table:
    tables = [log_table(stores, spec), typed_for(LABELS, spec.task)]
    parameters = {"version": version, "since": release.at, "until": stores.now(), "most": MOST_ROWS}
    with stores.lake.query(spec.name, tables) as connected:
        connected.execute(sql.named("label_now"))
        return rows_of(connected, "probation_rows", parameters)


def _judge(stores: Stores, spec: EndpointSpec, previous: str, rows: pa.Table) -> Verdict:
    """Have the previous champion answer the rows, and judge the differences."""
    if not len(rows):
        return judge_new_losses([], spec.guard)
    batches = None
    if not spec.row_wise:
        batches = [len(list(same)) for _, same in groupby(rows.column("request_id").to_pylist())]
    known = required_version(stores.deployments, spec.model_name, previous)
    numbers = {"previous": previous, "logged_rows": len(rows)}
    try:
        answers = predict_in_sandbox(known, spec, rows, batches=batches, low_priority=True)
    except (ModelError, PredictionError, SchemaError) as error:
        reason = f"quality: version {previous} cannot answer the logged rows: {error.message}"
        return Verdict(INCONCLUSIVE, "quality", reason, numbers)
    loss = Loss(spec.task == "regression", spec.positive_label if spec.task == "binary_classification" else None)
    pairs = []
    columns = [rows.column(name).to_pylist() for name in ("caller_of_row", "prediction", "score", "label_of_row")]
    for caller, prediction, score, label, theirs, their_score in zip(
        *columns, answers.predictions, answers.scores, strict=True
    ):
        mine, other = loss.of(prediction, score, label), loss.of(theirs, their_score, label)
        if mine is not None and other is not None:
            pairs.append(PairedAnswer(caller, mine, other))
    verdict = judge_new_losses(pairs, spec.guard)
    return Verdict(verdict.verdict, verdict.guard, verdict.reason, {**verdict.numbers, **numbers})
