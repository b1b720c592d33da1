"""A small world of feedback, sets and versions, written as the steps of a retraining record them; nothing is trained."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from modelops_pipelines.core.capture.spool_records import Feedback, deletion_row, feedback_row, response_columns
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import RequestId, new_request_id
from modelops_pipelines.core.release.desired_state import variants_of
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.lake import FEEDBACK, typed_for
from modelops_pipelines.core.tables.training import TRAINING_ORIGINS
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.state.database import to_micros
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.state.sql_tables import STATE_TABLES
from modelops_pipelines.store.stores import Stores

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MANIFEST = {
    "tables": {"inference_log": 7, "labels": 3, "feedback": 2},
    "code_hash": "c0de",
    "yaml_hash": "ya31",
    "policy": {"labels": ["review", "label", "feedback"]},
    "counts": {"rows": 3, "provided": 0, "left_out": {}},
}


def request(stores: Stores, spec: EndpointSpec, number: int, at: datetime = NOW) -> RequestId:
    """Return a request of one row, always the same for a number."""
    return new_request_id(spec.name, at, 1, number.to_bytes(7, "big"), stores.database.secret())


def write_feedback(
    stores: Stores, spec: EndpointSpec, requests: Sequence[RequestId], *, deleted: Sequence[str] = ()
) -> list[str]:
    """Write a piece of feedback on each request into the lake, and deletions of some; return the ids."""
    rows = [
        feedback_row(one, 0, Feedback(thumbs="down", corrected_label="1", user_id=f"user {number % 3}"), NOW, "key 1")
        for number, one in enumerate(requests)
    ]
    ids = [str(row["feedback_id"]) for row in rows]
    gone = [deletion_row(requests[ids.index(one)], 0, one, NOW + DAY) for one in deleted]
    table = typed_for(FEEDBACK, spec.task)
    written = pa.table(response_columns({"rows": [*rows, *gone]}))
    days = [moment.date() for moment in written.column("event_time").to_pylist()]
    written = written.append_column("date", pa.array(days, pa.date32()))
    sequence = stores.lake.committed(spec.name, FEEDBACK.name, "test") + 1
    stores.writer.append_once(spec.name, table, written, "test", sequence)
    return ids


def origin(row_id: str, position: int | None, origin: str, **values: Any) -> dict[str, Any]:
    """Return a row of a set's origins."""
    return {"row_id": row_id, "position": position, "origin": origin, "event_time": NOW, **values}


def write_set(
    stores: Stores,
    spec: EndpointSpec,
    content_hash: str,
    origins: Sequence[dict[str, Any]] | None,
    *,
    at: datetime = NOW + 2 * DAY,
    base: str | None = None,
) -> TrainingSet:
    """Record a training set, and write where its rows came from (None: as a release that recorded nothing)."""
    if origins is not None:
        rows = pa.Table.from_pylist(list(origins), arrow_schema(TRAINING_ORIGINS))
        stores.writer.write_whole(spec.name, f"{TRAINING_ORIGINS.name}/{content_hash}", rows)
    size = sum(one["position"] is not None for one in origins or ())
    record = TrainingSet(
        spec.name, content_hash, base, size, size, at - DAY, at, manifest=None if origins is None else MANIFEST
    )
    stores.training_sets.record(record)
    return record


def write_version(stores: Stores, spec: EndpointSpec, version: str, training_set: str | None, **more: Any) -> None:
    """Record a version of the endpoint's model."""
    features: dict[str, Any] = {"x": "float"}
    known = ModelVersion(spec.model_name, version, "/nowhere", features, ["0", "1"], training_set, None, NOW, **more)
    stores.deployments.record_version(known)


def write_gate(stores: Stores, spec: EndpointSpec, version: str, champion: str | None, verdict: str = "pass") -> None:
    """Record a verdict on a version."""
    numbers = {"improvement": 0.1, "lower": 0.05, "rows": 400, "reason": "the lower bound clears the margin"}
    stores.gates.record(Gate(spec.name, version, champion, f"data {version}", spec.gate.hash, verdict, numbers, NOW))


def serve(stores: Stores, spec: EndpointSpec, version: str, actor: str, action: str = "deploy") -> None:
    """Let a version serve alone, as a deployment records it."""
    before = stores.deployments.desired(spec.name)
    evidence = {"share": 100, "forced": True, "status": "active"}
    parts = (0, spec.name, stores.now(), actor, action, before.champion, version)
    event = Event(*parts, before.generation + 1, "better", evidence)
    stores.deployments.change(before, variants_of(version), event)


def insert(stores: Stores, table: str, **values: Any) -> None:
    """Write a row of a state table; moments are stored as such."""
    stored = {name: to_micros(one) if isinstance(one, datetime) else one for name, one in values.items()}
    with stores.database.begin() as connected:
        connected.execute(sa.insert(STATE_TABLES[table]).values(**stored))
