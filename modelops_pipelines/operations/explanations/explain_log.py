"""Explains a sample of the log's rows after their answers, so that no request waits; see docs/decisions/0063.

It reads the log and writes ``explanations``. Which rows are in the sample follows from their ids, so a run that was
killed explains the same rows when it is run again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError, PredictionError
from modelops_pipelines.core.explanations.attributions import FEWEST
from modelops_pipelines.core.explanations.explained import Explanation, agrees_with
from modelops_pipelines.core.tables.explanations import EXPLANATIONS
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.explanations.references import forget_redacted, reference_of
from modelops_pipelines.operations.explanations.version_process import explain_apart
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.lake.incremental import derive_lock
from modelops_pipelines.operations.metrics.quality import rows_of
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.lake.rows.arrival_dates import dates_received
from modelops_pipelines.store.registry.references.reference_rows import Contributed, ReferenceRows
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

MAX_ROWS, DEADLINE = 500, 120.0
KEPT_WAITING = timedelta(days=2)
"""How long ago a row may have been received to be explained: older ones stay without."""
_MILLION = 1_000_000
_NO_ROWS = pa.schema([("model_version", pa.string())])


@dataclass(frozen=True)
class Run:
    """The counts of a run: rows explained, rows without explanation with the most frequent reason, rows that wait.

    ``without_reference`` are sampled rows of versions that have no reference rows yet: they wait too. ``references``
    are the reference rows of the versions that answer, or why one of them has none.
    """

    explained: int = 0
    unexplained: int = 0
    waiting: int = 0
    without_reference: int = 0
    reason: str | None = None
    references: str | None = None


def explain_log(stores: Stores, spec: EndpointSpec, most: int = MAX_ROWS, *, deadline: float = DEADLINE) -> Run:
    """Explain the newest sampled rows that are not explained yet, at most ``most``; each version in its own process.

    Of an endpoint that explains on request only, the reference rows are taken, and nothing is explained. ``deadline``
    is how many seconds each version's process has. The rows of a version are one commit.
    """
    counts, reasons, references = Counter[str](), Counter[str](), list[str]()
    with derive_lock(stores, spec, EXPLANATIONS):
        _pass_on_marks(stores, spec)
        forget_redacted(stores, spec)
        rows, waiting = _waiting_rows(stores, spec, most) if spec.is_explained else (_NO_ROWS.empty_table(), 0)
        counts["waiting"] = waiting - len(rows)
        for version in _versions(stores, spec, rows):
            mine = rows.filter(pc.equal(rows.column("model_version"), version.version))
            reference = reference_of(stores, spec, version)
            references.append(_told(reference))
            if isinstance(reference, str):
                counts["without_reference"] += len(mine)
                continue
            if reference.contributed is not None and reference.contributed.output != spec.output:
                reference = reference.explained(None)  # of another of its values
            if not spec.is_explained or (not len(mine) and reference.contributed is not None):
                continue
            found = _explain_version(stores, spec, version, mine, reference, deadline)
            _write(stores, spec, version, mine.slice(0, len(found)), found)
            reasons.update(one.reason for one in found if one.reason is not None)
            counts["explained"] += sum(one.reason is None for one in found)
            counts["waiting"] += len(mine) - len(found)
    first = reasons.most_common(1)
    reason, told = first[0][0] if first else None, "; ".join(references) or None
    return Run(**counts, unexplained=reasons.total(), reason=reason, references=told)


def _told(reference: ReferenceRows | str) -> str:
    return reference if isinstance(reference, str) else f"{reference.source} ({len(reference.ids)})"


def _pass_on_marks(stores: Stores, spec: EndpointSpec) -> None:
    """Mark the windows of rows that were written, for the tables that are derived from these."""
    touched = stores.touched_windows.pending(spec.name, EXPLANATIONS.name)
    if touched.windows:
        stores.touched_windows.clear(spec.name, EXPLANATIONS.name, touched, spec.dependents(EXPLANATIONS.name))


def _waiting_rows(stores: Stores, spec: EndpointSpec, most: int) -> tuple[pa.Table, int]:
    """Return the rows to explain now, and how many there are in all."""
    now = stores.now()
    versions = [one.version for one in stores.deployments.versions(spec.model_name)]
    share = spec.explain.sample if spec.explain else 0.0
    since = now - KEPT_WAITING
    parameters = {
        "versions": versions,
        "since": since,
        "until": now,
        "millionths": round(share * _MILLION),
        "most": most,
    }
    dates = dates_received(stores.lake, spec.name, "inference_log", since)
    with stores.lake.query(spec.name, [log_table(stores, spec), EXPLANATIONS], dates) as connected:
        rows = rows_of(connected, "explanations_waiting", parameters)
    return rows, rows.column("waiting")[0].as_py() if len(rows) else 0


def _versions(stores: Stores, spec: EndpointSpec, rows: pa.Table) -> list[ModelVersion]:
    """Return the versions of the rows, and those that answer: their reference rows are taken before the first one."""
    answering = {one.version for one in stores.deployments.desired(spec.name).answering}
    wanted = answering | set(rows.column("model_version").to_pylist())
    return [one for one in stores.deployments.versions(spec.model_name) if one.version in wanted]


def _explain_version(
    stores: Stores,
    spec: EndpointSpec,
    version: ModelVersion,
    rows: pa.Table,
    reference: ReferenceRows,
    deadline: float,
) -> list[Explanation]:
    """Return the explanations of the first of the rows; a failure of the run is the reason of every row."""
    try:
        found = explain_apart(version, spec, rows, reference, deadline)
    except (ModelError, PredictionError) as error:
        return [Explanation(reason=error.message)] * len(rows)
    contributed = _contributed(found.reference, spec.output)
    if contributed is not None:
        explained = reference.explained(contributed)
        stores.reference_rows.write(spec.name, spec.model_name, version.version, explained)
    logged = rows.select(["prediction", "score"]).to_pylist()
    return [_as_answered(one, row) for one, row in zip(found.rows, logged, strict=False)]


def _as_answered(one: Explanation, logged: Mapping[str, Any]) -> Explanation:
    """Return an explanation, or the reason in its place where the log's features no longer give the logged answer.

    A feature that was redacted then is null in the log, and a model of chance answers anew.
    """
    answered = logged["prediction"] if logged["score"] is None else logged["score"]
    if one.value is None or one.scale is None or not isinstance(answered, float):
        return one
    if agrees_with(one.scale, one.value, answered):
        return one
    return Explanation(reason=f"the version does not answer the logged features by {answered:.6g} again, as it did")


def _contributed(found: Sequence[Explanation], output: str | None) -> Contributed | None:
    """Return what columns contributed to the answers of reference rows; None where too few were explained alike."""
    ways = Counter((one.method, one.scale) for one in found if one.contributions is not None)
    if not ways:
        return None
    [(way, count)] = ways.most_common(1)
    if count < FEWEST:
        return None
    mine = [one.contributions for one in found if one.contributions and (one.method, one.scale) == way]
    return Contributed(str(way[0]), str(way[1]), {name: [one[name] for one in mine] for name in mine[0]}, output)


def _write(
    stores: Stores, spec: EndpointSpec, version: ModelVersion, rows: pa.Table, found: Sequence[Explanation]
) -> None:
    """Write the rows' explanations in one commit, and mark their windows: killed in between, the next run does."""
    if not found:
        return
    windows = {window_of(moment, spec.window) for moment in rows.column("event_time").to_pylist()}
    stores.touched_windows.mark(spec.name, [EXPLANATIONS.name], windows)
    stream = f"explanations {version.version}"
    sequence = stores.writer.committed(spec.name, EXPLANATIONS.name, stream) + 1
    stores.writer.append_once(spec.name, EXPLANATIONS, _table(stores, rows, found), stream, sequence)
    _pass_on_marks(stores, spec)


def _table(stores: Stores, rows: pa.Table, found: Sequence[Explanation]) -> pa.Table:
    now, named = stores.now(), rows.select(["prediction_id", "event_time", "model_version"]).to_pylist()
    written = [{**row, **_columns(one), "explained_at": now} for row, one in zip(named, found, strict=True)]
    written = [{**row, "date": row["event_time"].date()} for row in written]
    return pa.Table.from_pylist(written, schema=arrow_schema(EXPLANATIONS))


def _columns(one: Explanation) -> dict[str, Any]:
    texts = {
        name: None if values is None else orjson.dumps(dict(values)).decode()
        for name, values in (("contributions", one.contributions), ("standard_errors", one.errors))
    }
    more = {"value": one.value, "base_value": one.base_value, "reason": one.reason}
    return {"method": one.method, "scale": one.scale, "class_name": one.of_class, **more, **texts}
