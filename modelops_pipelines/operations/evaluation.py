"""The candidate against the champion, on the same rows that neither was trained on."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modelops_pipelines.core.answers import interpret
from modelops_pipelines.core.comparison import judge, log_loss, squared_error
from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError
from modelops_pipelines.core.gate import GateConfig
from modelops_pipelines.operations.trainers import as_model_input
from modelops_pipelines.operations.training_sets import EVENT_TIME, as_frame, content_hash, labelled_log
from modelops_pipelines.store.deployments import ModelVersion, required_version
from modelops_pipelines.store.journal import Gate
from modelops_pipelines.store.model_files import load_model
from modelops_pipelines.store.stores import Stores

Floats = NDArray[np.float64]


def evaluate(stores: Stores, spec: EndpointSpec, version: str, config: GateConfig | None = None) -> Gate:
    """Judge a version against the champion on the evaluation days of the log; record and return the verdict.

    Raises EvidenceError when nothing is live to compare with, UnknownError when the version is not recorded.
    """
    gate = config or GateConfig()
    champion = stores.deployments.desired(spec.name).champion
    if champion is None:
        raise EvidenceError(f"Endpoint {spec.name!r} has no champion to compare with", "Deploy a first version")
    rows = labelled_log(stores, spec, gate).evaluation
    old, new = (
        _losses(spec, required_version(stores.deployments, spec.model_name, v), rows) for v in (champion, version)
    )
    days = np.array([moment.toordinal() for moment in rows.column(EVENT_TIME).cast(pa.date32()).to_pylist()])
    result = judge(old, new, days, gate)
    record = Gate(
        endpoint=spec.name,
        version=version,
        champion=champion,
        data_hash=content_hash(rows),
        gate_hash=gate.hash,
        verdict=result.verdict,
        numbers=result.numbers(),
        at=stores.now(),
    )
    stores.journal.record_gate(record)
    return record


def _losses(spec: EndpointSpec, version: ModelVersion, rows: pa.Table) -> Floats:
    """Return the version's loss on each row: log-loss for classes, squared error for a regression."""
    if not len(rows):
        return np.empty(0)
    predict = load_model(version, spec).predict
    frame = as_frame(spec, rows)
    output = predict(as_model_input(frame[list(version.inputs)]))
    return _loss_of(spec, output, version, rows)


def _loss_of(spec: EndpointSpec, output: Any, version: ModelVersion, rows: pa.Table) -> Floats:
    answers, scores = interpret(spec.task, output, len(rows), version.classes, spec.positive_label, version.output)
    labels = rows.column(spec.label).to_pylist()
    if spec.task == "regression":
        return squared_error(np.asarray(answers, np.float64), np.asarray(labels, np.float64))
    if spec.task == "binary_classification" and scores is not None:
        return log_loss(np.asarray(scores), np.array([label == spec.positive_label for label in labels], np.float64))
    return np.array([answer != label for answer, label in zip(answers, labels, strict=True)], np.float64)
