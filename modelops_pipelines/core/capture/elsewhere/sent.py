"""A prediction that others made and sent, as the spool's records: of the prediction, and of its label."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelops_pipelines.core.capture.elsewhere.foreign_ids import foreign_request_id
from modelops_pipelines.core.capture.elsewhere.mapping import UNVERSIONED
from modelops_pipelines.core.capture.elsewhere.values import (
    READERS,
    RefusedValueError,
    feature_fault,
    finite_of,
    kind_of,
    text_of,
)
from modelops_pipelines.core.capture.spool_records import Origin, PredictionRecord, label_row, prediction_record
from modelops_pipelines.core.endpoints.spec import ELSEWHERE, EndpointSpec
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.core.models.classes import match_class
from modelops_pipelines.core.tables.feature_columns import column_of, feature_of

LABEL_SOURCE = "import"
"""The source of labels that came with predictions."""
OK, FIRST_ERROR = 200, 400
Feature = bool | int | float | str | None


@dataclass(frozen=True)
class Sent:
    """A prediction as it was sent; ``probabilities`` are by class. None where the sender does not say."""

    id: str
    time: datetime
    version: str | None = None
    prediction: Any = None
    score: float | None = None
    probabilities: Mapping[str, float] | None = None
    features: Mapping[str, Feature] = field(default_factory=dict)
    status: int = OK
    error: str | None = None
    latency_ms: float | None = None
    user: str | None = None
    session: str | None = None
    label: Any = None
    labelled_at: datetime | None = None

    @property
    def answered(self) -> bool:
        """Whether there is a prediction."""
        return self.status < FIRST_ERROR


@dataclass(frozen=True)
class Recorded:
    """What is written to the spool: a prediction, and the row of its label where it has one."""

    prediction: PredictionRecord
    label: dict[str, Any] | None
    request: RequestId


def types_of(spec: EndpointSpec, sent: Sent, known: Mapping[str, str]) -> dict[str, str]:
    """Return the types of a prediction's features by their columns, where known the known ones.

    Raises RefusedValueError for a value or a name that the log cannot have.
    """
    found = {}
    for name, value in sent.features.items():
        fault = feature_fault(name, spec.label)
        if fault is not None:
            raise RefusedValueError(f"the name of the feature {name[:80]!r} {fault}")
        column = column_of(name)
        if value is not None and not {name, column} & {*spec.capture.redact}:
            found[column] = known.get(column) or kind_of(value)
    return found


def recorded(
    spec: EndpointSpec, sent: Sent, types: Mapping[str, str], secret: bytes, now: datetime, key_id: str | None
) -> Recorded:
    """Return the records; raises RefusedValueError for a value that the endpoint's log cannot have."""
    _check_texts(sent)
    request = foreign_request_id(spec.name, sent.id, sent.time, 1 if sent.answered else 0, secret)
    prediction, score = answer_of(spec, sent) if sent.answered else (None, None)
    hidden = spec.capture.redact
    made = prediction_record(
        request_id=request.text,
        event_time=sent.time,
        received_at=now,
        model_version=sent.version or UNVERSIONED,
        variant=ELSEWHERE,
        rows=1,
        status=sent.status if not sent.answered else OK,
        error_code=sent.error,
        latency_ms=sent.latency_ms,
        user_id=None if "user_id" in hidden else sent.user,
        session_id=None if "session_id" in hidden else sent.session,
        client_request_id=None if "client_request_id" in hidden else sent.id,
        source=ELSEWHERE,
        key_id=key_id,
        prediction=[prediction],
        score=[score],
        features=_features(sent, types),
    )
    return Recorded(made, _label(spec, sent, request, now, key_id), request)


def _check_texts(sent: Sent) -> None:
    """Raise RefusedValueError for a text that the log or the state cannot keep, as in an import."""
    for name in ("id", "version", "user", "session", "error"):
        value = getattr(sent, name)
        try:
            if value is not None:
                text_of(value)
        except RefusedValueError as error:
            raise RefusedValueError(f"the {name} {error}") from None


def answer_of(spec: EndpointSpec, sent: Sent) -> tuple[str | float, float | None]:
    """Return the prediction and the score: what was sent, else what the probabilities or the score say."""
    if spec.task == "regression":
        number = None if sent.prediction is None else finite_of(sent.prediction)
        if number is None:
            raise RefusedValueError("it has no prediction that is a number")
        return number, None
    chances = None if sent.probabilities is None else _chances(spec, sent.probabilities)
    score = sent.score
    if score is None and chances is not None:
        binary = spec.task == "binary_classification"
        score = chances[spec.positive_label] if binary else max(chances.values())
    if sent.prediction is not None:
        return _class(spec, sent.prediction, "the prediction"), score
    if chances is not None:
        return max(spec.classes, key=chances.__getitem__), score
    if score is None or spec.task != "binary_classification":
        raise RefusedValueError("it has neither a prediction nor probabilities")
    other = next(name for name in spec.classes if name != spec.positive_label)
    of_two = {spec.positive_label: score, other: 1 - score}
    return max(spec.classes, key=lambda name: of_two[name]), score


def _chances(spec: EndpointSpec, given: Mapping[str, float]) -> dict[str, float]:
    found = {_class(spec, name, "a probability's class"): value for name, value in given.items()}
    if set(found) != set(spec.classes) or len(found) != len(given):
        raise RefusedValueError("the probabilities are not one for each class")
    return found


def _class(spec: EndpointSpec, given: Any, what: str) -> str:
    found = match_class(given, spec.classes)
    if found is None:
        raise RefusedValueError(f"{what} is none of the endpoint's classes ({', '.join(spec.classes)[:120]})")
    return found


def _features(sent: Sent, types: Mapping[str, str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, kind in types.items():
        value = sent.features.get(feature_of(name))
        if value is not None:
            read: Callable[[Any], Any] = READERS[kind]
            try:
                found[name] = [read(value)]
            except RefusedValueError as error:
                raise RefusedValueError(f"the feature {feature_of(name)[:80]!r} (a {kind}) {error}") from None
    return found


def _label(
    spec: EndpointSpec, sent: Sent, request: RequestId, now: datetime, key_id: str | None
) -> dict[str, Any] | None:
    if sent.label is None or not sent.answered:
        return None
    if spec.task == "regression":
        label: Any = finite_of(sent.label)
        if label is None:
            raise RefusedValueError("the label is not a number")
    else:
        label = _class(spec, sent.label, "the label")
    return label_row(request, 0, label, sent.labelled_at or sent.time, now, Origin(LABEL_SOURCE)) | {"key_id": key_id}
