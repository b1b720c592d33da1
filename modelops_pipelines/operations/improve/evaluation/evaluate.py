"""Evaluates a candidate against the champion, on the same rows, which neither was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError, PredictionError, SchemaError
from modelops_pipelines.core.evaluation.gate import NOT_ENOUGH, GateResult
from modelops_pipelines.core.evaluation.paired_comparison import Rows, judge, log_loss, squared_error
from modelops_pipelines.core.evaluation.plausibility import Truth
from modelops_pipelines.core.evaluation.sanity_checks import Answered
from modelops_pipelines.core.foreign_text import error_text, quoted
from modelops_pipelines.core.models.classes import how_to_state, match_class, why_unknown
from modelops_pipelines.core.models.predictions import Answer, interpret
from modelops_pipelines.operations.improve.evaluation.champions import champion_to_beat
from modelops_pipelines.operations.improve.evaluation.holds import Compared, hold_numbers
from modelops_pipelines.operations.improve.training.frames import as_frame, served_input
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, content_hash, evaluation_rows
from modelops_pipelines.operations.model_runtime.answers import answer_columns
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_version
from modelops_pipelines.operations.models.isolated_model import load_model, milliseconds, version_of
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.state.improve.gates import Gate
from modelops_pipelines.store.state.release.deployments import required_version
from modelops_pipelines.store.state.release.model_versions import ModelVersion
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
        return self.model.predict(self.given(frame))

    def given(self, frame: "pd.DataFrame") -> Any:
        """Return the rows as the model gets them."""
        return served_input(frame[list(self.known.inputs)], form_of_version(self.known))


def evaluate(stores: Stores, spec: EndpointSpec, version: str) -> Gate:
    """Judge a version against the champion on the evaluation days of base set and log; record and return the verdict.

    Any version of the model in the registry can be judged, whoever trained it. One that competed with others in its
    retraining is judged at a level corrected for their number, whenever that is. A pass whose ``numbers`` have ``held``
    (``core.evaluation.gate.held_reasons``) waits for a person.

    Raises EvidenceError when nothing is live to compare with or the classes of a version are unknown, UnknownError when
    the registry has no such version, SchemaError when its inputs clash with the endpoint, ModelError when it cannot be
    loaded, and PredictionError when the champion itself cannot answer the rows.
    """
    champion = champion_to_beat(stores, spec)
    candidate = known_version(stores, spec, version)
    rows = evaluation_rows(stores, spec)
    old = required_version(stores.deployments, spec.model_name, champion)
    rivals = stores.training_runs.rivals(spec.name, version)
    verdict, numbers = _judge(stores, spec, old, candidate, rows, rivals)
    if rivals > 1:
        numbers = {**numbers, "rivals": rivals, "confidence": 1 - (1 - spec.gate.confidence) / rivals}
    record = Gate(
        endpoint=spec.name,
        version=version,
        champion=champion,
        data_hash=content_hash(rows),
        gate_hash=spec.gate.hash,
        verdict=verdict,
        numbers=numbers,
        at=stores.now(),
    )
    stores.gates.record(record)
    return record


def _judge(
    stores: Stores, spec: EndpointSpec, champion: ModelVersion, candidate: ModelVersion, rows: pa.Table, rivals: int
) -> tuple[str, dict[str, Any]]:
    """Return the verdict and its numbers; ``rivals`` is how many candidates compete for the place."""
    missing = _features_without_values(champion, candidate, rows)
    if missing:
        reason = (
            f"no evaluation row has a value of feature(s) {', '.join(missing)}, which version {candidate.version} takes"
        )
        result = GateResult(NOT_ENOUGH, reason, len(rows), len(np.unique(_days(rows))))
        return result.verdict, result.numbers()
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
    truth = _truth(spec, labels, scored=scored)
    judged = Rows(_days(rows), truth.values if scored else None, _segments(spec, rows))
    result = judge(answered[0], answered[1], judged, spec.gate, rivals)
    if result.lower_bound is None:
        return result.verdict, result.numbers()

    def losses_of(features: "pd.DataFrame", places: Sequence[int]) -> NDArray[np.float64]:
        again = _predict(spec, new, features)
        return _measure(spec, again, [labels[place] for place in places], None, scored=scored).losses

    def judge_on(mask: NDArray[np.bool_]) -> GateResult:
        some = [replace(one, losses=one.losses[mask], values=one.values[mask]) for one in answered]
        return judge(some[0], some[1], judged.where(mask), spec.gate, rivals)

    losses = (answered[0].losses, answered[1].losses)
    compared = Compared(candidate, champion, rows, frame, judged.days, truth, losses, losses_of, judge_on)
    return result.verdict, {**result.numbers(), **hold_numbers(stores, spec, compared, result)}


def _features_without_values(champion: ModelVersion, candidate: ModelVersion, rows: pa.Table) -> list[str]:
    """Return the features that only the candidate takes and of which no row has a value: nobody has logged them yet."""
    new = [name for name in candidate.inputs if name not in champion.inputs]
    return [name for name in new if len(rows) and rows.column(name).null_count == len(rows)]


def _truth(spec: EndpointSpec, labels: list[Any], *, scored: bool) -> Truth:
    if scored:
        return Truth(np.array([label == spec.positive_label for label in labels], np.float64), scored=True)
    return Truth(np.array(labels, np.float64 if spec.task == "regression" else str), scored=False)


def _load_and_predict(spec: EndpointSpec, known: ModelVersion, frame: "pd.DataFrame") -> _Version:
    """Load a version and have it answer every row; ``fault`` describes why it cannot."""
    model = load_model(known, spec)
    return _predict(spec, _Version(version_of(model, known, spec), model, [], None), frame)


def _predict(spec: EndpointSpec, version: _Version, frame: "pd.DataFrame") -> _Version:
    """Return the version with its answers to every row; ``fault`` describes why it has none."""
    known = version.known
    if not len(frame):
        return version
    try:
        output = _output(version, frame)
        columns = answer_columns(known, spec.task)
        positive, kind = spec.positive_label, known.output
        answers, scores = interpret(spec.task, output, len(frame), columns, positive, kind, spec.output)
    except PredictionError as error:
        return replace(version, fault=f"version {known.version}: {error.message}")
    named = [answer for answer in answers if answer is not None]
    if len(named) < len(answers) and spec.task == "regression":
        raise EvidenceError(
            f"Version {known.version} of {spec.name!r} cannot be judged: it answers several values a row",
            "Name the one that is the prediction: 'output' in the endpoint's YAML",
        )
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
    except Exception as error:  # noqa: BLE001 - a model is the user's code: any error is reported with its type
        values = [frame[name].tolist() for name in frame if frame[name].dtype == object]
        raise PredictionError(f"the model raised {error_text(error, values)}", "Fix the model") from quoted(
            error, values
        )


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
    return milliseconds(version.model, version.given(batch))


def _size_mib(version: ModelVersion) -> float:
    return sum(path.stat().st_size for path in version.folder.rglob("*") if path.is_file()) / _MIB


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
