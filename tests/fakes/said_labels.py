"""Rows of labels and feedback as the lake's tables hold them, drawn by chance: who said what about a few predictions."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modelops_pipelines.core.tables.lake import FEEDBACK, LABELS

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLASSES = ("0", "1", "2")
SOURCES = (None, "crm", "review")
PEOPLE = (None, "ann", "bob")
_COLUMNS = {table.name: dict.fromkeys(table.names) for table in (LABELS, FEEDBACK)}


@dataclass(frozen=True)
class Said:
    """Rows of the tables labels and feedback, and the accepted feedback: its label and when it was accepted."""

    labels: list[dict[str, Any]]
    feedback: list[dict[str, Any]]
    accepted: Mapping[str, tuple[str, datetime]]


def label(number: int, prediction: str, value: str, hour: int, **others: Any) -> dict[str, Any]:
    """Return a row of labels."""
    known = {"label_id": f"l{number:03}", "prediction_id": prediction, "label": value, "event_time": START}
    return {**_COLUMNS["labels"], **known, "labelled_at": _hour(hour), "received_at": _hour(hour), **others}


def feedback(number: int, prediction: str, value: str | None, hour: int, **others: Any) -> dict[str, Any]:
    """Return a row of feedback."""
    known = {"feedback_id": f"f{number:03}", "prediction_id": prediction, "corrected_label": value}
    return {**_COLUMNS["feedback"], **known, "event_time": START, "received_at": _hour(hour), **others}


def said_by_chance(seed: int, predictions: int = 4, rows: int = 14) -> Said:
    """Return labels, corrections, withdrawals, feedback, acceptances and deletions about a few predictions."""
    chance = random.Random(seed)
    about = [f"p{number}" for number in range(predictions)]
    labels = [
        label(n, *_content(chance, about), source=chance.choice(SOURCES), author=chance.choice(PEOPLE))
        for n in range(rows)
    ]
    said = [feedback(n, *_content(chance, about), user_id=chance.choice(PEOPLE)) for n in range(rows)]
    for one in said:
        if chance.random() < 0.5:
            one["given_at"] = _hour(chance.randrange(6))
        if chance.random() < 0.2:
            one["corrected_label"] = None
    accepted = {
        one["feedback_id"]: (chance.choice(CLASSES), _hour(chance.randrange(6)))
        for one in said
        if chance.random() < 0.5
    }
    withdrawn = [{**one, "label_id": f"w{one['label_id']}", "withdraws": one["label_id"]} for one in labels]
    deleted = [{**one, "feedback_id": f"d{one['feedback_id']}", "deletes": one["feedback_id"]} for one in said]
    return Said(
        [*labels, *(one for one in withdrawn if chance.random() < 0.2)],
        [*said, *(one for one in deleted if chance.random() < 0.2)],
        accepted,
    )


def _content(chance: random.Random, about: list[str]) -> tuple[str, str, int]:
    return chance.choice(about), chance.choice(CLASSES), chance.randrange(6)


def _hour(hour: int) -> datetime:
    return START + timedelta(hours=hour)
