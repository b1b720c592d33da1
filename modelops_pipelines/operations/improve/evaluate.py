"""Evaluates a candidate against the champion, on the same rows, which neither was trained on."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError, PredictionError, SchemaError
from modelops_pipelines.core.evaluation.gate import GateResult
from modelops_pipelines.core.evaluation.paired_comparison import Rows, judge, log_loss, squared_error
from modelops_pipelines.core.evaluation.sanity_checks import Answered
from modelops_pipelines.core.models.classes import how_to_state, match_class, why_unknown
from modelops_pipelines.core.models.predictions import Answer, interpret
from modelops_pipelines.operations.improve.train import as_model_input
from modelops_pipelines.operations.improve.training_sets import EVENT_TIME, as_frame, content_hash, evaluation_rows
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.version_classes import with_classes
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.deployments import ModelVersion, required_version
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

BATCHES, BATCH_ROWS = 7, 1000
NULL = "(null)"
_MIB = 1024 * 1024
_NOTHING: NDArray[np.float64] = np.empty(0)


@dataclass(frozen=True, eq=False)
class _Version:
    """A loaded version with its answers to the evaluation rows."""

    known: ModelVersion
    model: Any
    answers: list[Answer]
    scores: list[float] | None
    fault: str | None = None

    def predict(self, frame: "pd.DataFrame") -> Any:
        return self.model.predict(as_model_input(frame[list(self.known.inputs)]))


def evaluate(stores: Stores, spec: EndpointSpec, version: str) -> Gate:
    """Judge a version against the champion on the evaluation days of base set and log; record and return the verdict.

    Raises EvidenceError when nothing is live to compare with or the classes of a version are unknown, UnknownError when
    the version is not recorded, and PredictionError when the champion itself cannot answer the rows.
    """
    champion = stores.deployments.desired(spec.name).champion
    if champion is None:
        raise EvidenceError(f"Endpoint {spec.name!r} has no champion to compare with", "Deploy a first version")
    rows = evaluation_rows(stores, spec)
    known = [required_version(stores.deployments, spec.model_name, one) for one in (champion, version)]
    result = _judge(spec, known[0], known[1], rows)
    record = Gate(
        endpoint=spec.name,
        version=version,
        champion=champion,
        data_hash=content_hash(rows),
        gate_hash=spec.gate.hash,
        verdict=result.verdict,
        numbers=result.numbers(),
        at=stores.now(),
    )
    stores.gates.record(record)
    return record


def _judge(spec: EndpointSpec, champion: ModelVersion, candidate: ModelVersion, rows: pa.Table) -> GateResult:
    frame, labels = as_frame(spec, rows), rows.column(spec.label).to_pylist()
    old = _load_and_predict(spec, champion, frame)
    if old.fault is not None:
        raise PredictionError(
            f"The champion cannot answer the evaluation rows: {old.fault}", "Roll back, or promote with --force"
        )
    labels = _named(labels, old.known)
    new = _check_answers(old, _load_and_predict(spec, candidate, frame), labels)
    scored = old.scores is not None and new.scores is not None and spec.task == "binary_classification"
    times = _ms_per_row(old, new, frame) if len(frame) and new.fault is None else (None, None)
    answered = [_measure(spec, one, labels, ms, scored=scored) for one, ms in zip((old, new), times, strict=True)]
    positives = np.array([label == spec.positive_label for label in labels], np.float64) if scored else None
    return judge(answered[0], answered[1], Rows(_days(rows), positives, _segments(spec, rows)), spec.gate)


def _load_and_predict(spec: EndpointSpec, known: ModelVersion, frame: "pd.DataFrame") -> _Version:
    """Load a version and have it answer every row; ``fault`` describes why it cannot."""
    model = load_model(known, spec)
    known = with_classes(known, spec, model)
    version = _Version(known, model, [], None)
    if not len(frame):
        return version
    try:
        output = _output(version, frame)
        answers, scores = interpret(spec.task, output, len(frame), known.classes, spec.positive_label, known.output)
    except PredictionError as error:
        return replace(version, fault=f"version {known.version}: {error.message}")
    named = [answer for answer in answers if answer is not None]
    if len(named) < len(answers):
        raise EvidenceError(
            f"Version {known.version} of {spec.name!r} cannot be judged: {why_unknown(known.version)}",
            how_to_state(known.version),
        )
    return replace(version, answers=named, scores=scores)


def _named(labels: list[Any], champion: ModelVersion) -> list[Any]:
    """Return the labels as the champion names its classes; a label that is none of them stays as it is."""
    if champion.classes is None:
        return labels
    names = {label: match_class(label, champion.classes) or label for label in set(labels)}
    return [names[label] for label in labels]


def _output(version: _Version, frame: "pd.DataFrame") -> Any:
    try:
        return version.predict(frame)
    except Exception as error:  # a model is the user's code: any error is reported with its type
        raise PredictionError(f"the model raised {type(error).__name__}: {error}", "Fix the model") from error


def _check_answers(champion: _Version, candidate: _Version, labels: list[Any]) -> _Version:
    """Return the candidate, with a fault where its answers are of another kind than the champion's and the labels."""
    if candidate.fault is not None or not labels:
        return candidate
    if champion.scores is not None and candidate.scores is None:
        return replace(candidate, fault="the candidate returns classes without scores; the champion returns scores")
    known = {*labels, *champion.answers}
    if isinstance(labels[0], str) and known.isdisjoint(candidate.answers):
        answered, wanted = (", ".join(sorted(map(str, names))[:5]) for names in (set(candidate.answers), known))
        return replace(
            candidate, fault=f"the candidate answers {answered}; the labels and the champion's answers are {wanted}"
        )
    return candidate


def _measure(spec: EndpointSpec, version: _Version, labels: list[Any], ms: float | None, *, scored: bool) -> Answered:
    """Return the losses and answers: log-loss of scores, squared error of numbers, otherwise 1 for a wrong class."""
    size = _size_mib(version.known)
    if version.fault is not None:
        return Answered(_NOTHING, _NOTHING, version.fault, None, size)
    if spec.task == "regression":
        values = np.asarray(version.answers, np.float64)
        return Answered(squared_error(values, np.asarray(labels, np.float64)), values, None, ms, size)
    if scored:
        scores = np.asarray(version.scores, np.float64)
        truth = np.array([label == spec.positive_label for label in labels], np.float64)
        return Answered(log_loss(scores, truth), scores, None, ms, size)
    wrong = np.array([answer != label for answer, label in zip(version.answers, labels, strict=True)], np.float64)
    return Answered(wrong, np.array(version.answers, str), None, ms, size)


def _ms_per_row(champion: _Version, candidate: _Version, frame: "pd.DataFrame") -> tuple[float, float]:
    """Return each version's best time per row of several batches, in turns: noise can only make a batch slower."""
    batch = frame.head(BATCH_ROWS)
    times = [[_milliseconds(one, batch) for one in (champion, candidate)] for _ in range(BATCHES)]
    old, new = (min(of_one) / len(batch) for of_one in zip(*times, strict=True))
    return old, new


def _milliseconds(version: _Version, batch: "pd.DataFrame") -> float:
    started = time.perf_counter()
    version.predict(batch)
    return 1000 * (time.perf_counter() - started)


def _size_mib(version: ModelVersion) -> float:
    folder = Path(version.artifact_uri.removeprefix("file://"))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / _MIB


def _days(rows: pa.Table) -> NDArray[np.int64]:
    days = rows.column(EVENT_TIME).cast(pa.date32()).to_pylist()
    return np.array([day.toordinal() for day in days], np.int64)


def _segments(spec: EndpointSpec, rows: pa.Table) -> dict[str, NDArray[Any]]:
    """Return each row's value of the endpoint's segments, as text."""
    missing = [name for name in spec.segments if name not in rows.column_names]
    if missing:
        message = f"Endpoint {spec.name!r} has segment(s) {', '.join(missing)} that the model does not take"
        raise SchemaError(message, "Correct 'segments' in the endpoint's YAML")
    texts = {name: pc.fill_null(rows.column(name).cast(pa.string()), NULL) for name in spec.segments}
    return {name: values.to_numpy() for name, values in texts.items()}
