"""Random logs, and their quality counted again by plain Python and scikit-learn."""

import json
import math
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sklearn import metrics

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import QUALITY_METRICS
from modelops_pipelines.core.windows import window_of
from tests.fakes.records import START, request_record

CLASSES = {"binary_classification": ["0", "1"], "multiclass": ["a", "b", "c"]}
NO_SCORE = "the model returns no score: log it with probabilities (docs/endpoints.md: Flavours)"
ONE_CLASS = "auc and brier_skill are undefined: the labels have one class only"
Rows = list[dict[str, Any]]


def made_up(rng: np.random.Generator, task: str, number: int) -> dict[str, Any]:
    """Return a request's record: its rows' features, answers and scores drawn; some without features, or scores."""
    n = int(rng.integers(1, 30))
    scores = rng.beta(0.5, 0.5, n).round(int(rng.integers(1, 6))).tolist()
    answers: list[Any] = [float(v) for v in rng.normal(size=n)]
    if task == "binary_classification":
        answers = [str(int(score >= 0.5)) for score in scores]
    elif task == "multiclass":
        answers = [CLASSES[task][k] for k in rng.integers(0, 3, n)]
    features = {
        "x": [None if v == 3 else float(v) for v in rng.integers(0, 4, n)],
        "c": [None if v == 5 else f"c{v}" for v in rng.integers(0, 6, n)],
    }
    kept = number % 8 != 3
    said = {"p": answers, "s": None if task == "regression" or number % 9 == 4 else scores}
    where = {"version": str(rng.integers(1, 3)), "source": "test" if number % 10 == 9 else "live"}
    at = START + timedelta(minutes=int(rng.integers(0, 180)))  # over midnight
    return request_record("any", number, at, n, f=features if kept else {}, sampled=kept, **said, **where)


def truth(rng: np.random.Generator, task: str) -> Any:
    return float(rng.normal()) if task == "regression" else str(rng.choice(CLASSES[task]))


def recount(requests: Rows, truths: list[tuple[dict[str, Any], int, Any]], spec: EndpointSpec) -> dict[Any, Any]:
    labels = {(record["id"], row): label for record, row, label in truths}
    groups: dict[Any, Rows] = defaultdict(list)
    for record in requests:
        if record["source"] == "test":
            continue
        window = window_of(datetime.fromtimestamp(record["t"] / 1e6, START.tzinfo), spec.window)
        for row in range(record["n"]):
            one = {
                "prediction": record["p"][row],
                "score": record["s"][row] if record["s"] else None,
                "label": labels.get((record["id"], row)),
                "complaint": (record, row) == (requests[0], 0),
            }
            for segment, value in [("all", ""), *((name, value_of(record, name, row)) for name in spec.segments)]:
                groups[window, record["version"], segment, value].append(one)
    return {key: recounted(rows, spec.task) | {"date": key[0].date()} for key, rows in groups.items()}


def value_of(record: dict[str, Any], segment: str, row: int) -> str:
    if not record["f"]:
        return "(not kept)"
    value = record["f"][segment][row]
    return "(null)" if value is None else str(value)


def recounted(rows: Rows, task: str) -> dict[str, Any]:
    known = [row for row in rows if row["label"] is not None]
    shares = {"predictions": len(rows), "labelled": len(known), "coverage": len(known) / len(rows)}
    complaints = sum(row["complaint"] for row in rows)
    own = {"regression": of_numbers, "multiclass": of_classes, "binary_classification": of_scores}[task]
    confidences = [of_one(row["score"], task) for row in rows if row["score"] is not None]
    confidence = sum(confidences) / len(confidences) if confidences else None
    empty = dict.fromkeys(set(QUALITY_METRICS.names) - {*QUALITY_METRICS.key, "date", "reason", "score_counts"})
    said = {"feedback": complaints, "complaints": complaints, "confidence": confidence}
    return empty | shares | said | (own(known) if known else {"reason": "no label has arrived yet"})


def of_one(score: float, task: str) -> float:
    return score if task == "multiclass" else max(score, 1 - score)


def of_numbers(rows: Rows) -> dict[str, Any]:
    truths, answers = [row["label"] for row in rows], [row["prediction"] for row in rows]
    return {
        "mae": metrics.mean_absolute_error(truths, answers),
        "rmse": metrics.root_mean_squared_error(truths, answers),
        "bias": sum(answers) / len(rows) - sum(truths) / len(rows),
        "r2": metrics.r2_score(truths, answers) if len(rows) > 1 else None,
        "reason": None if len(rows) > 1 else "r2 is undefined: all labels are equal",
    }


def of_classes(rows: Rows) -> dict[str, Any]:
    truths, answers = [row["label"] for row in rows], [row["prediction"] for row in rows]
    return {
        "accuracy": metrics.accuracy_score(truths, answers),
        "f1": metrics.f1_score(truths, answers, average="macro", zero_division=0),
        "confusion": confusion(rows),
        "reason": "more than two classes: metrics of a single score are undefined",
    }


def confusion(rows: Rows) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row["label"]][row["prediction"]] += 1
    return {label: dict(answers) for label, answers in counts.items()}


def of_scores(rows: Rows) -> dict[str, Any]:
    truths, answers = [row["label"] for row in rows], [row["prediction"] for row in rows]
    scored = [row for row in rows if row["score"] is not None]
    y, p = [row["label"] == "1" for row in scored], [row["score"] for row in scored]
    hit = metrics.confusion_matrix(truths, answers, labels=["0", "1"])
    reasons = {
        NO_SCORE: not scored,
        ONE_CLASS: len(set(y)) == 1,
        "precision is undefined: no prediction is positive": "1" not in answers,
        "recall is undefined: no label is positive": "1" not in truths,
    }
    return {
        "accuracy": metrics.accuracy_score(truths, answers),
        "precision": hit[1, 1] / hit[:, 1].sum() if "1" in answers else None,
        "recall": hit[1, 1] / hit[1].sum() if "1" in truths else None,
        "f1": metrics.f1_score(truths, answers, pos_label="1") if "1" in {*answers, *truths} else None,
        "confusion": confusion(rows),
        **(of_probabilities(y, p) if scored else {}),
        "reason": "; ".join(reason for reason, holds in reasons.items() if holds) or None,
    }


def of_probabilities(y: list[bool], p: list[float]) -> dict[str, Any]:
    base, both = sum(y) / len(y), len(set(y)) > 1
    brier = metrics.brier_score_loss(y, p, pos_label=True)
    gaps: Counter[int] = Counter()
    for truth_, score in zip(y, p, strict=True):
        gaps[min(int(score * 10), 9)] += score - truth_
    return {
        "base_rate": base,
        "mean_score": sum(p) / len(p),
        "auc": metrics.roc_auc_score(y, p) if both else None,
        "log_loss": sum(-math.log(max(s if t else 1 - s, 1e-15)) for t, s in zip(y, p, strict=True)) / len(y),
        "brier": brier,
        "brier_skill": 1 - brier / (base * (1 - base)) if both else None,
        "calibration_error": sum(abs(gap) for gap in gaps.values()) / len(y),
    }


def assert_same(expected: dict[Any, dict[str, Any]], actual: dict[Any, dict[str, Any]]) -> None:
    assert set(expected) == set(actual)
    for key, row in expected.items():
        for name, value in row.items():
            found = json.loads(actual[key][name] or "null") if name == "confusion" else actual[key][name]
            if isinstance(value, float) and found is not None:
                assert math.isclose(value, found, rel_tol=1e-9, abs_tol=1e-12), (key, name, value, found)
            else:
                assert value == found, (key, name)
