"""Synthetic requests, answers and labels of an endpoint, as records of the spool.

Values are like those that the version was trained on, where its reference profile is known, else plain ones of the
feature's type. Nothing calls a model.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from modelops_pipelines.core.capture.spool_records import label_row, prediction_record, response_record
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import ENTROPY_BYTES, RequestId, new_request_id
from modelops_pipelines.core.models.input_forms import JSON
from modelops_pipelines.core.profiles.profile import Profile
from modelops_pipelines.core.timestamps import EPOCH, to_micros
from modelops_pipelines.operations.testing.rule_trials.scenes import Scene

CALLERS = 12
SECRET = b"requests of a trial of alert rules"
LABELLED_AFTER = timedelta(minutes=1)
_SURE, _UNSURE = (0.8, 0.99), (0.49, 0.51)
_SPREAD, _NOISE = 1.0, 0.1
_WORDS = ("north", "east", "south", "west")
_DAYS = 365
Records = list[dict[str, Any]]
Draw = Callable[[random.Random, float], Any]
"""Draws a value of a feature; the number is how far it is shifted, in standard deviations."""


@dataclass(frozen=True)
class Subject:
    """Whose requests are made: the endpoint, its version and classes, and how to draw each feature's values."""

    spec: EndpointSpec
    version: str
    classes: Sequence[str]
    features: Mapping[str, Draw]


def drawing(kind: str, known: Profile | None) -> Draw:
    """Return how to draw values of a feature of this column type; ``known`` is its reference profile."""
    if kind == "text":
        return _categories(known) if known is not None and known.bins.kind == "categorical" else _texts
    if kind == JSON:
        return lambda _draw, _shift: "null"
    if kind == "bool":
        return lambda draw, shift: shift != 0 or draw.choice((True, False))
    if kind == "timestamp":
        return lambda draw, shift: to_micros(EPOCH + timedelta(days=20_000 + draw.random() * _DAYS + shift * _DAYS))
    number = _numbers(known)
    return (lambda draw, shift: round(number(draw, shift))) if kind == "int" else number


def _numbers(known: Profile | None) -> Callable[[random.Random, float], float]:
    """Return a draw between the deciles that the training set had; standard normal where they are unknown."""
    deciles = [] if known is None or known.bins.kind != "numeric" else list(known.bins.deciles)
    if len(set(deciles)) < 2:  # noqa: PLR2004 - a constant has one
        centre = deciles[0] if deciles else 0.0
        return lambda draw, shift: centre + draw.gauss(shift, _SPREAD)
    spread = (known.std if known is not None else None) or _SPREAD

    def drawn(draw: random.Random, shift: float) -> float:
        at = draw.randrange(len(deciles) - 1)
        return draw.uniform(deciles[at], deciles[at + 1]) + shift * spread

    return drawn


def _categories(known: Profile) -> Draw:
    names = known.bins.categories[: len(known.counts)]
    weights = list(accumulate(known.counts))
    if not names or not weights[-1]:
        return _texts
    return lambda draw, shift: draw.choices(names, cum_weights=weights)[0] if shift == 0 else "an unknown category"


def _texts(draw: random.Random, shift: float) -> str:
    return draw.choice(_WORDS) if shift == 0 else "an unknown category"


def window_records(
    subject: Subject, scene: Scene, starts: datetime, lasts: timedelta, rows: int
) -> tuple[Records, Records]:
    """Return the requests of a window, and the labels of those that have one; the same for the same window."""
    draw = random.Random(f"{subject.spec.name} {starts} {scene.about}")  # noqa: S311 - not a secret
    requests: Records = []
    labels: Records = []
    failed = round(rows * scene.failed)
    for number in range(rows):
        at = starts + lasts * (number / rows)
        entropy = (int(starts.timestamp()) * 100_000 + number).to_bytes(ENTROPY_BYTES, "big")
        request = new_request_id(subject.spec.name, at, 1, entropy, SECRET)
        fails = (number * failed) % rows < failed if failed else False
        answer, score, label = _answer(subject, scene, draw)
        requests.append(_request(subject, scene, draw, request, None if fails else (answer, score)))
        if not fails and draw.random() < scene.labelled:
            rows_of = [label_row(request, 0, label, at + LABELLED_AFTER, at + LABELLED_AFTER)]
            labels.append(dict(response_record(rows_of)))
    return requests, labels


def _request(
    subject: Subject, scene: Scene, draw: random.Random, request: RequestId, answer: tuple[Any, float | None] | None
) -> dict[str, Any]:
    features = {
        name: [None if draw.random() < scene.missing else of(draw, scene.shift)]
        for name, of in subject.features.items()
    }
    record = prediction_record(
        request_id=request.text,
        event_time=request.event_time,
        received_at=request.event_time,
        model_version=subject.version,
        variant="champion",
        rows=1,
        status=200 if answer else 500,
        error_code=None if answer else "model_failed",
        latency_ms=scene.latency_ms * draw.uniform(0.9, 1.1),
        user_id=f"user {draw.randrange(CALLERS)}",
        session_id=None,
        client_request_id=None,
        source="live",
        key_id=None,
        prediction=[answer[0]] if answer else None,
        score=[answer[1]] if answer and answer[1] is not None else None,
        features=features,
    )
    return dict(record)


def _answer(subject: Subject, scene: Scene, draw: random.Random) -> tuple[Any, float | None, Any]:
    """Return the prediction, its score, and the label that the scene gives it."""
    if subject.spec.task == "regression":
        number = draw.gauss(scene.shift * _SPREAD, _SPREAD)
        return number, None, _number_label(number, scene, draw)
    sure = draw.uniform(*(_UNSURE if scene.unsure else _SURE))
    answer = draw.choice(subject.classes)
    others = [one for one in subject.classes if one != answer]
    positive = subject.spec.task == "multiclass" or answer == subject.spec.positive_label
    return answer, sure if positive else 1 - sure, _class_label(answer, others, sure, scene, draw)


def _number_label(answer: float, scene: Scene, draw: random.Random) -> float:
    by: Mapping[str, float] = {"right": 0.0, "off": scene.off, "wrong": 10 * _SPREAD}
    if scene.labels == "chance":
        return draw.gauss(0, _SPREAD)
    return answer + by.get(scene.labels, draw.gauss(0, _NOISE))


def _class_label(answer: str, others: Sequence[str], sure: float, scene: Scene, draw: random.Random) -> str:
    if scene.labels == "right":
        return answer
    if scene.labels == "wrong":
        return others[0]
    if scene.labels == "one class":
        return min([answer, *others])
    if scene.labels == "chance":
        return draw.choice([answer, *others])
    return answer if draw.random() < sure else draw.choice(others)
