"""A shadow version answers logged requests, isolated from serving; see docs/decisions/0014.

It reads the log and writes ``shadow_log``. A shadow that fails affects nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError, ModelError, PredictionError, SchemaError
from modelops_pipelines.core.release.desired_state import SHADOW, WHOLE, DesiredState
from modelops_pipelines.core.release.guards import PLANNED_ROWS
from modelops_pipelines.core.release.sequential_tests import Moments
from modelops_pipelines.core.release.shadow import ShadowPeriod, agrees, paired_difference, shadow_periods, verdict
from modelops_pipelines.core.tables.lake import LABELS, SHADOW_LOG, typed_for
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.lake.incremental import derive_lock
from modelops_pipelines.operations.metrics.quality import rows_of
from modelops_pipelines.operations.models.sandbox import Predicted, predict_in_sandbox
from modelops_pipelines.operations.release import commands as releases
from modelops_pipelines.operations.release.apply import Change
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.rows.arrival_dates import dates_received
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

MAX_ROWS, DEADLINE = 10_000, 120.0
_MOMENTS = ("total", "squares", "products", "sizes")


@dataclass(frozen=True)
class Compared:
    """The counts of a run: rows compared (of them ``failed`` by the shadow), and rows left out.

    ``left_out`` rows are pending, over the maximum of one run; ``without_features`` are answered rows since the shadow
    began that can never be compared. ``seconds`` is how long the shadow took to answer; ``error`` is the first row's,
    or the whole run's.
    """

    version: str
    compared: int
    failed: int
    left_out: int
    without_features: int
    seconds: float
    error: str | None


def start_shadow(
    stores: Stores, spec: EndpointSpec, version: str, *, actor: str, reason: str, share: int = WHOLE
) -> Change:
    """Make a version the shadow; raises SchemaError when the log lacks a feature of it, and what ``shadow`` does."""
    known = known_version(stores, spec, version)
    champion = stores.deployments.desired(spec.name).champion
    redacted = [name for name in known.inputs if name in spec.capture.redact]
    if redacted:
        message = (
            f"Version {version} takes feature(s) {', '.join(redacted)}, which 'capture.redact' keeps out of the log"
        )
        raise SchemaError(message, "Compare it by an A/B test instead: modelops ab start")
    if champion is not None and version != champion and champion not in _compatible_versions(stores, spec, known):
        message = f"Version {version} takes feature(s) that champion {champion} does not, so the log does not hold them"
        raise SchemaError(message, "Compare it by an A/B test instead: modelops ab start")
    return releases.shadow(stores, spec, version, actor=actor, reason=reason, share=share)


def compare_shadow(
    stores: Stores, spec: EndpointSpec, most: int = MAX_ROWS, *, deadline: float = DEADLINE
) -> Compared | None:
    """Have the shadow answer the newest logged rows that it has not answered yet, at most ``most``; None without one.

    The rows of a run are one commit: killed at any instant and run again, it compares the same rows.
    """
    state = stores.deployments.desired(spec.name)
    if state.shadow is None:
        return None
    shadow = required_version(stores.deployments, spec.model_name, state.shadow)
    reign = shadow_periods(stores.deployments.events(spec.name))[-1]
    if reign.version != state.shadow:  # it was replaced a moment ago
        return None
    with derive_lock(stores, spec, SHADOW_LOG):
        rows, left_out, without = _pending_rows(stores, spec, state, shadow, reign, most)
        if not len(rows):
            return Compared(shadow.version, 0, 0, left_out, without, 0.0, None)
        answers = _answer(stores, spec, state, shadow, rows, deadline)
        table = typed_for(SHADOW_LOG, spec.task)
        stream = f"shadow {shadow.version}"
        sequence = stores.writer.committed(spec.name, table.name, stream) + 1
        compared = _table(spec, state, rows, answers)
        stores.writer.append_once(spec.name, table, compared, stream, sequence)
    errors = [error for error in answers.errors if error is not None]
    first = errors[0] if errors else None
    return Compared(shadow.version, len(rows), len(errors), left_out, without, answers.seconds, first)


def shadow_summary(stores: Stores, spec: EndpointSpec) -> dict[str, Any]:
    """Compare the present shadow's answers, or the last one's, with the live ones; raises EvidenceError without any.

    Returns the agreement, the mean distance of scores, the latency ratio, and with labels the paired losses with their
    interval; ``reason`` says why rows are in none of them.
    """
    reigns = shadow_periods(stores.deployments.events(spec.name))
    if not reigns:
        fix = f"Start one: modelops shadow start {spec.name} VERSION"
        raise EvidenceError(f"Endpoint {spec.name!r} never had a shadow", fix)
    reign = reigns[-1]
    found = _aggregate(stores, spec, reign)
    moments = Moments.of_clusters(found["people"], found["labelled"], *(found.pop(name) for name in _MOMENTS))
    interval = paired_difference(moments, planned=PLANNED_ROWS)
    mine, live = found["milliseconds"], found["live_milliseconds"]
    found["reason"] = _why_unnamed(found.pop("unnamed"), found["compared"])
    summary = {"version": reign.version, "since": reign.since, "until": reign.until, **found}
    losses = {
        "loss_difference": moments.mean if moments.rows else None,
        "lower": None if interval is None else interval.lower,
        "upper": None if interval is None else interval.upper,
        "verdict": verdict(interval),
    }
    return {**summary, "latency_ratio": mine / live if mine and live else None, **losses}


def _why_unnamed(unnamed: int, compared: int) -> str | None:
    """Return why rows are in no comparison of classes, or None when all are."""
    if not unnamed:
        return None
    return f"{unnamed} of {compared} rows are not compared: the classes of shadow or live version are unknown"


def _pending_rows(
    stores: Stores, spec: EndpointSpec, state: DesiredState, shadow: ModelVersion, reign: ShadowPeriod, most: int
) -> tuple[pa.Table, int, int]:
    """Return the rows to compare now, how many more are pending, and how many can never be compared."""
    since = {"since": reign.since, "until": stores.now(), "versions": _compatible_versions(stores, spec, shadow)}
    share = next(variant.share for variant in state.variants if variant.role == SHADOW)
    parameters = {**since, "version": shadow.version, "share": share, "most": most, "whole": not spec.row_wise}
    dates = dates_received(stores.lake, spec.name, "inference_log", reign.since)
    tables = [log_table(stores, spec), typed_for(SHADOW_LOG, spec.task)]
    with stores.lake.query(spec.name, tables, dates) as connected:
        rows = rows_of(connected, "shadow_waiting", parameters)
        [counts] = rows_of(connected, "shadow_counts", since).to_pylist()
    waiting = rows.column("waiting")[0].as_py() if len(rows) else 0
    return rows, waiting - len(rows), counts["without_features"]


def _compatible_versions(stores: Stores, spec: EndpointSpec, shadow: ModelVersion) -> list[str]:
    """Return the versions whose logged rows hold every feature that the shadow takes."""
    known = stores.deployments.versions(spec.model_name)
    wanted = set(shadow.inputs) - set(spec.capture.redact)
    return [version.version for version in known if wanted == set(shadow.inputs) and wanted <= set(version.inputs)]


def _answer(
    stores: Stores, spec: EndpointSpec, state: DesiredState, shadow: ModelVersion, rows: pa.Table, deadline: float
) -> Predicted:
    """Return the shadow's answers, and the champion's time on the same rows; a failure of the run is every row's error.

    The champion is timed again here because its latency in the gateway is not comparable with a batch's.
    """
    champion = stores.deployments.version(spec.model_name, str(state.champion))
    batches = None if spec.row_wise else _requests(rows)
    try:
        return predict_in_sandbox(shadow, spec, rows, deadline, batches=batches, low_priority=True, timed_with=champion)
    except (ModelError, PredictionError) as error:
        nothing = [None] * len(rows)
        return Predicted(nothing, nothing, [error.message] * len(rows), nothing, 0.0, 0.0)


def _requests(rows: pa.Table) -> list[int]:
    """Return how many rows each request has, in order."""
    return [len(list(same)) for _, same in groupby(rows.column("request_id").to_pylist())]


def _table(spec: EndpointSpec, state: DesiredState, rows: pa.Table, answers: Predicted) -> pa.Table:
    """Return the rows of ``shadow_log``."""
    schema = arrow_schema(typed_for(SHADOW_LOG, spec.task))
    live = rows.column("prediction").to_pylist()
    answered_by = rows.column("model_version").to_pylist()
    same = [agrees(mine, theirs) for mine, theirs in zip(answers.predictions, live, strict=True)]
    columns = {
        "prediction_id": rows.column("prediction_id"),
        "event_time": rows.column("event_time"),
        "model_version": [state.shadow] * len(rows),
        "live_version": answered_by,
        "prediction": answers.predictions,
        "score": answers.scores,
        "live_prediction": live,
        "live_score": rows.column("score"),
        "agrees": same,
        "milliseconds": answers.milliseconds,
        "live_milliseconds": [answers.timed_with if one == state.champion else None for one in answered_by],
        "error": answers.errors,
        "date": [moment.date() for moment in rows.column("event_time").to_pylist()],
    }
    return pa.table([_typed(columns[field.name], field.type) for field in schema], schema=schema)


def _typed(values: pa.ChunkedArray | Sequence[Any], kind: pa.DataType) -> pa.ChunkedArray:
    return values.cast(kind) if isinstance(values, pa.ChunkedArray) else pa.chunked_array([pa.array(values, kind)])


def _aggregate(stores: Stores, spec: EndpointSpec, reign: ShadowPeriod) -> dict[str, Any]:
    dates = dates_received(stores.lake, spec.name, "inference_log", reign.since)
    positive = spec.positive_label if spec.task == "binary_classification" else None
    until: datetime = reign.until or stores.now()
    parameters = {
        "version": reign.version,
        "since": reign.since,
        "until": until,
        "positive": positive,
        "regression": spec.task == "regression",
    }
    tables = [log_table(stores, spec), *(typed_for(one, spec.task) for one in (SHADOW_LOG, LABELS))]
    with stores.lake.query(spec.name, tables, dates) as connected:
        connected.execute(sql.named("label_now"))
        [found] = rows_of(connected, "shadow_summary", parameters).to_pylist()
    return {name: value for name, value in found.items() if value is not None or name != "prediction_difference"}
