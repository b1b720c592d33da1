"""What MLflow is told of the data that a version is trained on: set, base, signal, feedback, guards."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.training import FEEDBACK, frozen_table
from modelops_pipelines.store.lake.rows.origins import count_of_origin, label_sources
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    from modelops_pipelines.store.registry.run_inputs import RunInputs

_TYPES = {"bool": "boolean", "int64": "long", "int32": "integer", "double": "double", "float": "float"}
_OF_GUARD = {True: "passed", False: "failed", None: "not judged"}


def run_inputs(stores: Stores, spec: EndpointSpec, record: TrainingSet, rows: pa.Table) -> "RunInputs":
    """Return a set as the input of the run that trains on it."""
    from modelops_pipelines.store.registry.run_inputs import RunInputs

    return RunInputs(
        name=f"{record.endpoint}.training_set",
        content_hash=record.content_hash,
        path=str(stores.lake.path(record.endpoint, frozen_table(record.content_hash))),
        rows=record.rows,
        types={one.name: _type(one.type) for one in rows.schema},
        tags=_tags(stores, spec, record),
    )


def _tags(stores: Stores, spec: EndpointSpec, record: TrainingSet) -> Mapping[str, str]:
    checks = stores.set_checks.of(record.endpoint, record.content_hash)
    past = stores.retrainings.of(spec.name)
    feedback = count_of_origin(stores.lake, record.endpoint, record.content_hash, FEEDBACK)
    signal = next((one.reason for one in past[-1:] if one.version is None and one.ended_at is None), None)
    return {
        "modelops.endpoint": record.endpoint,
        **({} if record.base_hash is None else {"modelops.base": record.base_hash}),
        **({} if feedback is None else {"modelops.feedback": str(feedback)}),
        **({} if signal is None else {"modelops.signal": signal}),
        **{f"modelops.guard.{check.guard}": _OF_GUARD[check.passed] for check in checks},
    }


def _type(kind: pa.DataType) -> str:
    """Return MLflow's name of a column's type."""
    return "datetime" if pa.types.is_timestamp(kind) else _TYPES.get(str(kind), "string")


def set_sources(stores: Stores, record: TrainingSet) -> Mapping[str, Any]:
    """Return what an asset says of a set's rows: the pieces of feedback that count, and the label sources with rows."""
    feedback = count_of_origin(stores.lake, record.endpoint, record.content_hash, FEEDBACK)
    sources = label_sources(stores.lake, record.endpoint, record.content_hash)
    return {} if feedback is None else {"feedback": feedback, "label_sources": dict(sources)}
