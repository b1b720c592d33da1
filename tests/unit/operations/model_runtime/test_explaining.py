"""The steps of an explanation: which questions are asked, and what becomes of the rows when one of them fails."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.explain import PERMUTATION
from modelops_pipelines.core.endpoints.spec import CapturePolicy, EndpointSpec
from modelops_pipelines.core.errors import CrashError, ModelOpsError, OverloadError, PredictionError
from modelops_pipelines.core.models.input_forms import COLUMNS, Input, InputForm
from modelops_pipelines.operations.model_runtime.explanations.explaining import (
    AT_ONCE,
    advance,
    explain_at_once,
    explaining,
)
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.store.state.release.model_versions import ModelVersion

NAMES = tuple(f"x{place}" for place in range(12))
DRAW = np.random.default_rng(1)
REFERENCE = {name: DRAW.normal(size=40).tolist() for name in NAMES}
ROWS = Rows({name: DRAW.normal(size=3).tolist() for name in NAMES}, 3)
SPEC = EndpointSpec("e", "m", "regression", "y")


def model(predict: Callable[[Any], Any], kind: str = "float", spec: EndpointSpec = SPEC, outputs: Any = None) -> Model:
    inputs = tuple(Input(name, name, kind, {"type": "double"}) for name in NAMES)
    version = ModelVersion("m", "7", "nowhere", dict.fromkeys(NAMES, kind), None, None, None, datetime.now(UTC))
    path = PredictionPath(predict, "frame", None, None)
    return Model(version, path, spec, form=InputForm(inputs, COLUMNS), outputs=outputs)


def squares(columns: Any) -> Any:
    return np.array([columns[name] for name in NAMES[:3]]).prod(axis=0)


def answered(one: Model) -> Outcome:
    [outcome] = one.answer([ROWS])
    assert isinstance(outcome, Outcome)
    return outcome


def test_no_question_is_larger_than_a_thousand_rows_and_32_reference_rows_are_asked_about() -> None:
    one = model(squares)
    steps = explaining(one, ROWS, answered(one), REFERENCE, PERMUTATION)
    asked, question = [], advance(steps)
    while not isinstance(question, list):
        assert isinstance(question, Rows)
        asked.append(question.count)
        [reply] = one.answer([question])
        question = advance(steps, reply)
    assert max(asked) <= AT_ONCE
    assert 3 * 64 * 13 == sum(asked)
    assert [None] * 3 == [found.reason for found in question]


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (PredictionError("it raised", "mend it"), ["mixed", None, None]),
        (CrashError("it crashed", "mend it"), ["it crashed"] * 3),
        (OverloadError("too late", "again"), ["too late"] * 3),
    ],
)
def test_a_failed_question_costs_its_row_and_a_crash_or_the_deadline_those_that_follow(
    error: ModelOpsError, reasons: list[str | None]
) -> None:
    one = model(squares)
    steps = explaining(one, ROWS, answered(one), REFERENCE, PERMUTATION)
    advance(steps)
    question = advance(steps, error=error)
    while not isinstance(question, list):
        assert isinstance(question, Rows)
        [reply] = one.answer([question])
        question = advance(steps, reply)
    for found, reason in zip(question, reasons, strict=True):
        assert (found.reason is None) == (reason is None)
        assert reason is None or reason in str(found.reason)
        assert (found.contributions is None) == (reason is not None)


def test_mixed_rows_that_have_no_number_leave_the_row_without_one() -> None:
    def fragile(columns: Any) -> Any:
        found = squares(columns)
        return np.where(np.arange(len(found)) == 5, np.nan, found)

    one = model(fragile)
    [found, *_] = explain_at_once(one, ROWS, answered(one), REFERENCE, "auto")
    assert found.reason == "it gives no number for some rows mixed of this and reference rows"


def test_columns_that_the_model_does_not_use_get_exactly_nothing_and_the_others_all() -> None:
    one = model(squares)
    outcome = answered(one)
    for row, found in enumerate(explain_at_once(one, ROWS, outcome, REFERENCE, "auto")):
        assert found.contributions is not None
        assert {0.0} == {found.contributions[name] for name in NAMES[3:]}
        assert np.isclose(float(found.base_value or 0) + sum(found.contributions.values()), outcome.predictions[row])


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (model(squares, kind="json"), "is no number, text, boolean or time"),
        (model(squares, outputs=["a", "b"]), "several numbers a row, and"),
        (model(squares, spec=EndpointSpec("e", "m", "binary_classification", "y")), "its classes are unknown"),
    ],
)
def test_what_cannot_be_explained_asks_nothing(one: Model, why: str) -> None:
    found = advance(explaining(one, ROWS, Outcome([1.0] * 3, [1.0] * 3, None), REFERENCE, "auto"))
    assert isinstance(found, list)
    assert all(why in str(each.reason) for each in found)


def several(columns: Any) -> Any:
    return np.stack([squares(columns), np.array(columns["x5"]) * 2], axis=1)


@pytest.mark.parametrize(("output", "outputs"), [("high", ["low", "high"]), ("1", None)])
def test_of_several_outputs_the_endpoints_one_is_explained(output: str, outputs: Any) -> None:
    one = model(several, spec=replace(SPEC, output=output), outputs=outputs)
    outcome = answered(one)
    for row, found in enumerate(explain_at_once(one, ROWS, outcome, REFERENCE, "auto")):
        assert found.contributions is not None
        assert found.value == pytest.approx(outcome.predictions[row])
        assert {"x5"} == {name for name, value in found.contributions.items() if value}


def test_of_several_outputs_without_one_chosen_there_is_a_reason() -> None:
    for outputs in (["low", "high"], None):
        one = model(several, outputs=outputs)
        for found in explain_at_once(one, ROWS, answered(one), REFERENCE, "auto"):
            assert "'output' in the endpoint's YAML does not say which is the prediction" in str(found.reason)


def test_without_reference_rows_the_reason_says_what_to_do_or_that_there_never_are_any() -> None:
    one = model(squares)
    [found, *_] = explain_at_once(one, ROWS, answered(one), None, "auto")
    assert str(found.reason).endswith("where Dagster runs, else on the gateway's host by modelops explain run e")
    hidden = model(squares, spec=replace(SPEC, capture=CapturePolicy(redact=("x3",))))
    [found, *_] = explain_at_once(hidden, ROWS, answered(hidden), None, "auto")
    assert "version 7 takes x3, which 'capture.redact' keeps from the disk: of it there are none" in str(found.reason)
