"""A prediction without a class is in no number of classes: each is that of the other rows alone, or absent."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.metrics.quality import JUDGED, quality_of, rows_of
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.reader import session

AT = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = {"binary_classification": ("0", "1"), "multiclass": ("a", "b", "c")}
COUNTED = {"predictions", "labelled", "coverage", "confidence", "reason", "score_counts"}
"""What counts all rows, and sums as text, whose last digits depend on the order of the rows."""


def spec_of(task: Any) -> EndpointSpec:
    return EndpointSpec("any", "any", task, "label")


def rows(task: str, seed: int) -> list[dict[str, Any]]:
    """Return labelled rows of two versions; about half name no class, with scores that are wrong on purpose."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(60):
        label = str(random.choice(NAMES[task]))
        named = bool(random.random() < 0.5)
        right = float(random.uniform(0.5, 1) if label == NAMES[task][-1] else random.uniform(0, 0.6))
        found.append(
            {
                "prediction_id": f"r{number}-0",
                "request_id": f"r{number}",
                "user_id": f"u{number % 7}",
                "session_id": None,
                "window_start": AT,
                "received_at": AT,
                "source": "live",
                "status": 200,
                "model_version": str(1 + number % 2),
                "prediction": str(random.choice(NAMES[task])) if named else None,
                "score": right if named else 1 - right,
                "label": label,
                "feedback": 0,
                "complaints": 0,
            }
        )
    return found


def judged(given: list[dict[str, Any]]) -> pa.Table:
    types = {"window_start": pa.timestamp("us", "UTC"), "score": pa.float64(), "feedback": pa.int64()}
    types["complaints"] = pa.int64()
    return pa.table({n: pa.array([row[n] for row in given], types.get(n, pa.string())) for n in JUDGED})


@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_quality_is_that_of_the_rows_that_name_a_class(task: str, seed: int) -> None:
    given = rows(task, seed)
    named = [row for row in given if row["prediction"] is not None]
    found, expected = (quality_of(spec_of(task), judged(some)).to_pylist() for some in (given, named))
    for one, other in zip(found, expected, strict=True):
        for name in set(one) - COUNTED:
            assert pytest.approx(other[name]) == one[name] if isinstance(one[name], float) else other[name] == one[name]
    for one in found:
        mine = [row for row in given if row["model_version"] == one["model_version"]]
        unnamed = sum(row["prediction"] is None for row in mine)
        assert f"classes of version {one['model_version']} were unknown for {unnamed} of {len(mine)}" in one["reason"]


@pytest.mark.parametrize("task", NAMES)
def test_without_any_class_there_is_no_quality_and_one_reason(task: str) -> None:
    given = [{**row, "prediction": None} for row in rows(task, 1)]
    for one in quality_of(spec_of(task), judged(given)).to_pylist():
        absent = ("accuracy", "precision", "recall", "f1", "confusion", "auc", "log_loss", "brier", "base_rate")
        assert dict.fromkeys(absent) == {name: one[name] for name in absent}
        assert "returns no score" not in one["reason"]
        assert "undefined: no" not in one["reason"]


@pytest.mark.parametrize(("task", "positive"), [("binary_classification", "1"), ("multiclass", None)])
def test_a_trials_losses_and_scores_are_of_the_rows_that_name_a_class(task: str, positive: str | None) -> None:
    given = rows(task, 3)
    parameters = {"versions": ["1", "2"], "since": AT, "until": datetime(2027, 1, 1, tzinfo=UTC), "regression": False}

    def losses(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with session(None) as connected:
            connected.register("inference_log", pa.Table.from_pylist(some).drop_columns("label"))
            connected.register("label_now", pa.Table.from_pylist(some).select(["prediction_id", "label"]))
            return rows_of(connected, "trial_losses", {**parameters, "positive": positive}).to_pylist()

    expected = losses([row for row in given if row["prediction"] is not None])
    assert 2 == len(expected)
    for one, other in zip(expected, losses(given), strict=True):
        assert pytest.approx(one) == other


@pytest.mark.parametrize("unnamed", ["prediction", "live_prediction"])
@pytest.mark.parametrize(("task", "positive"), [("binary_classification", "1"), ("multiclass", None)])
def test_a_shadow_is_compared_on_rows_where_both_versions_name_a_class(
    task: str, positive: str | None, unnamed: str
) -> None:
    given = rows(task, 4)
    other = NAMES[task][0]
    both = [
        {
            "prediction_id": row["prediction_id"],
            "model_version": "2",
            "prediction": other if unnamed == "live_prediction" else row["prediction"],
            "live_prediction": other if unnamed == "prediction" else row["prediction"],
            "score": row["score"],
            "live_score": 0.4,
            "agrees": None if row["prediction"] is None else row["prediction"] == other,
            "milliseconds": 1.0,
            "live_milliseconds": 1.0,
            "error": None,
        }
        for row in given
    ]
    schema = pa.Table.from_pylist(both).schema
    schema = schema.set(schema.get_field_index("error"), pa.field("error", pa.string()))
    parameters = {"version": "2", "since": AT, "until": datetime(2027, 1, 1, tzinfo=UTC), "regression": False}

    def summary(some: list[dict[str, Any]]) -> dict[str, Any]:
        with session(None) as connected:
            connected.register("inference_log", pa.Table.from_pylist(given).drop_columns("label"))
            connected.register("label_now", pa.Table.from_pylist(given).select(["prediction_id", "label"]))
            connected.register("shadow_log", pa.Table.from_pylist(some, schema=schema))
            [found] = rows_of(connected, "shadow_summary", {**parameters, "positive": positive}).to_pylist()
        return {name: value for name, value in found.items() if name not in {"compared", "unnamed"}} | {
            "unnamed": found["unnamed"]
        }

    named = [row for row in both if row["agrees"] is not None]
    found, expected = summary(both), summary(named)
    assert len(both) - len(named) == found.pop("unnamed")
    assert 0 == expected.pop("unnamed")
    assert pytest.approx(expected) == found


def test_the_named_query_of_answers_counts_those_without_a_class() -> None:
    given = rows("binary_classification", 5)
    table = pa.Table.from_pylist([{**row, "event_time": AT} for row in given])
    with session(None) as connected:
        connected.execute(sql.named("score_bin"))
        connected.register("inference_log", table)
        parameters = {"size": "day", "windows": [AT], "positive": "1"}
        counted = rows_of(connected, "answer_counts", parameters).to_pylist()
    unnamed = sum(row["prediction"] is None for row in given)
    assert unnamed == sum(row["unnamed"] for row in counted)
    assert len(given) - unnamed == sum(row["predictions"] for row in counted if row["bin"] is not None)
