"""The gate on a real log: what is compared, what disqualifies a candidate, and what the verdict keeps."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError, PredictionError, SchemaError
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, GateConfig, held_reasons, is_evaluation_day
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.evaluation import evaluate as evaluation
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.improve.training.sets import build_training_set
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import VERSION, label_row, request_record, write_segment
from tests.support.project import Project, make_project

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS, ROWS = 62, 100
"""Sixty-two days hold twelve evaluation days, in two regimes."""


class Fake:
    """A model whose answer to a frame is a function's; it may be slow."""

    def __init__(self, answer: Any, slow: float = 0.0) -> None:
        self.answer, self.slow = answer, slow

    def predict(self, frame: Any) -> Any:
        end = time.perf_counter() + self.slow
        while time.perf_counter() < end:
            pass
        return self.answer(frame)


def late(x: Any) -> Any:
    """Tell which rows are of class 1: every third."""
    return np.asarray(x) % 3 == 0


def probabilities(frame: Any, sure: float) -> Any:
    """Return both classes' probabilities; the higher ``sure``, the more of the truth is in them."""
    wiggle = 0.02 * np.sin(np.asarray(frame["x"]))
    score = np.where(late(frame["x"]), sure, 1 - sure) * 0.6 + 0.15 + wiggle
    return np.stack([1 - score, score], axis=1)


MODELS = {
    "1": Fake(lambda frame: probabilities(frame, 0.5)),
    "2": Fake(lambda frame: probabilities(frame, 0.9)),
    "3": Fake(lambda frame: probabilities(frame, 0.1)),
    "4": Fake(lambda frame: np.full((len(frame), 2), np.nan)),
    "5": Fake(lambda frame: late(frame["x"]).astype(int)),
    "6": Fake(lambda frame: frame["no such column"]),
    "7": Fake(lambda frame: np.full((len(frame), 2), 0.5)),
    "8": Fake(lambda frame: probabilities(frame, np.where(frame["c"] == "b", 0.05, 0.95))),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project with two months of labelled traffic; version 1 is live."""
    folder = tmp_path_factory.mktemp("evaluation")
    project = make_project(folder / "project")
    for version in MODELS:
        files = folder / version
        files.mkdir()
        (files / "model").write_bytes(b"x" * (1024 * 1024 if version == "1" else 2 * 1024 * 1024))
        project.stores.deployments.record_version(replace(VERSION, version=version, artifact_uri=f"file://{files}"))
    send(project, range(DAYS))
    deploy(project.stores, project.spec, "1", actor="ann", reason="first")
    yield project
    project.stores.database.close()


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    """Load fakes for models."""
    loaded = dict(MODELS)
    monkeypatch.setattr(evaluation, "load_model", lambda version, _: loaded[version.version])
    return loaded


def send(project: Project, days: range) -> None:
    """Capture a request a day; each row has its label at once."""
    words = ["b" if row % 5 == 0 else "a" for row in range(ROWS)]
    features = {"x": [float(row) for row in range(ROWS)], "c": words}
    records = [request_record(project.spec.name, day, START + timedelta(days=day), ROWS, f=features) for day in days]
    truth = [str(int(value)) for value in late(np.arange(ROWS))]
    labels = [{"rows": [label_row(record, row, truth[row], START) for row in range(ROWS)]} for record in records]
    for stream, rows in (("predictions", records), ("labels", labels)):
        write_segment(project.stores, project.spec.name, stream, "w", rows)
        ingest(project.stores, project.spec, stream)


def with_gate(project: Project, **changes: Any) -> EndpointSpec:
    return replace(project.spec, gate=GateConfig(**changes), segments=("c",))


def test_a_better_candidate_passes_with_all_numbers_by_name(made: Project) -> None:
    spec = with_gate(made)
    gate = evaluate(made.stores, spec, "2")
    assert (PASS, "1", spec.gate.hash) == (gate.verdict, gate.champion, gate.gate_hash)
    numbers = json.loads(json.dumps(gate.numbers, allow_nan=False))
    kept = sum(is_evaluation_day((START + timedelta(days=day)).date(), 5) for day in range(DAYS))
    assert (kept * ROWS, kept) == (numbers["rows"], numbers["days"])
    assert numbers["improvement"] >= numbers["lower_bound"] > 0
    assert ["c=a", "c=b"] == [one["name"] for one in numbers["slices"]]
    assert 2 == len(numbers["regimes"])
    assert (1.0, 2.0, 0.34) == (numbers["champion_mib"], numbers["candidate_mib"], numbers["base_rate"])
    assert numbers["champion_ms_a_row"] > 0
    assert gate == made.stores.gates.of("cancer")[-1]


def test_a_candidate_that_knows_the_outcome_is_held_and_the_column_is_named(
    made: Project, models: dict[str, Fake]
) -> None:
    """Column c is b for the first of five rows, whatever came true; x decides all of it."""
    sure = Fake(lambda frame: np.stack([1 - (p := np.where(late(frame["x"]), 0.999, 0.001)), p], axis=1))
    models["2"] = sure
    gate = evaluate(made.stores, with_gate(made), "2")
    assert (PASS, "x") == (gate.verdict, gate.numbers["suspicious_column"])
    good, *_, column = held_reasons(gate.numbers)
    assert good.startswith("the candidate is too good: its loss is 0.00")
    assert column.startswith(
        "suspicious column: 'x'; with its values shuffled the candidate's loss rises from 0.0010 to "
    )
    models["2"] = MODELS["2"]
    ordinary = evaluate(made.stores, with_gate(made), "2")
    assert (PASS, []) == (ordinary.verdict, held_reasons(ordinary.numbers))


def test_a_verdict_that_is_no_pass_is_never_held(made: Project) -> None:
    for version in ("3", "4", "7"):
        gate = evaluate(made.stores, with_gate(made), version)
        assert (FAIL, []) == (gate.verdict, held_reasons(gate.numbers))


def test_a_worse_candidate_fails(made: Project) -> None:
    assert FAIL == evaluate(made.stores, with_gate(made), "3").verdict


def test_a_candidate_that_is_worse_for_one_segment_fails_by_its_name(made: Project) -> None:
    gate = evaluate(made.stores, with_gate(made), "8")
    assert (FAIL, True) == (gate.verdict, gate.numbers["improvement"] > 0)
    assert "worse in slice c=b: improvement -" in gate.numbers["reason"]
    assert PASS == evaluate(made.stores, replace(made.spec, segments=()), "8").verdict


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("4", "version 4: The model returned a probability outside 0 to 1"),
        ("5", "the candidate returns classes without scores; the champion returns scores"),
        ("6", "version 6: the model raised KeyError: … such column'"),
    ],
)
def test_a_candidate_that_cannot_answer_fails_and_says_why(made: Project, version: str, reason: str) -> None:
    gate = evaluate(made.stores, with_gate(made), version)
    assert (FAIL, reason) == (gate.verdict, gate.numbers["reason"])
    assert gate.numbers["candidate_mib"] == 2.0


def test_a_constant_candidate_fails(made: Project) -> None:
    assert "predicts 0.5 for all" in evaluate(made.stores, with_gate(made), "7").numbers["reason"]


def test_a_champion_that_cannot_answer_is_no_candidates_fault(made: Project, models: dict[str, Fake]) -> None:
    models["1"] = MODELS["6"]
    with pytest.raises(
        PredictionError, match="The champion cannot answer the evaluation rows: version 1: the model raised"
    ):
        evaluate(made.stores, with_gate(made), "2")


def test_classes_are_compared_by_the_share_of_wrong_ones_where_a_version_has_no_scores(
    made: Project, models: dict[str, Fake]
) -> None:
    models["1"] = Fake(lambda frame: (np.asarray(frame["x"]) % 2 == 0).astype(int))
    gate = evaluate(made.stores, with_gate(made), "2")
    assert (PASS, 0.0, None) == (gate.verdict, gate.numbers["candidate_loss"], gate.numbers.get("base_rate"))
    models["3"] = Fake(lambda frame: np.where(late(frame["x"]), "late", "on time"))
    strange = evaluate(made.stores, with_gate(made), "3")
    assert (
        "the candidate answers late, on time; the labels and the champion's answers are 0, 1"
        == strange.numbers["reason"]
    )


def test_a_slow_candidate_fails_above_the_ratio_and_the_floor(made: Project, models: dict[str, Fake]) -> None:
    models["2"] = Fake(MODELS["2"].answer, slow=0.05)
    spec = with_gate(made, time_floor_ms=0.01)
    gate = evaluate(made.stores, spec, "2")
    assert FAIL == gate.verdict
    assert "ms per row and the champion" in gate.numbers["reason"]
    assert gate.numbers["candidate_ms_a_row"] >= 0.05
    assert PASS == evaluate(made.stores, with_gate(made), "2").verdict


def test_a_large_candidate_fails_above_the_ratio_and_the_floor(made: Project) -> None:
    gate = evaluate(made.stores, with_gate(made, max_size_ratio=1.5, size_floor_mib=1), "2")
    assert FAIL == gate.verdict
    assert (
        "the candidate takes 2 MiB of files and the champion 1: more than 1.5 times as much, and above the floor of 1"
        in (gate.numbers["reason"])
    )


def test_the_gate_is_the_endpoints_own(made: Project) -> None:
    spec = with_gate(made, min_days=50, min_regimes=4)
    gate = evaluate(made.stores, spec, "2")
    assert (NOT_ENOUGH, spec.gate.hash) == (gate.verdict, gate.gate_hash)
    assert "but 1000 rows and 50 days are required; 2 regimes" in gate.numbers["reason"]
    every_second = with_gate(made, every_nth_day=2)
    assert DAYS / 2 == evaluate(made.stores, every_second, "2").numbers["days"]
    assert DAYS // 2 * ROWS == build_training_set(made.stores, every_second).rows


def test_a_segment_that_no_version_takes_is_told(made: Project) -> None:
    with pytest.raises(SchemaError, match="has segment\\(s\\) tail that the model does not take"):
        evaluate(made.stores, replace(made.spec, segments=("c", "tail")), "2")


def test_nothing_to_compare_with_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with pytest.raises(EvidenceError, match="has no champion to compare with"):
        evaluate(project.stores, project.spec, "2")
    project.stores.deployments.record_version(VERSION)
    deploy(project.stores, project.spec, "1", actor="ann", reason="first")
    write_segment(project.stores, "cancer", "predictions", "w", [request_record("cancer", 1, START, 1)])
    ingest(project.stores, project.spec, "predictions")
    gate = evaluate(project.stores, project.spec, "1")
    assert (NOT_ENOUGH, 0) == (gate.verdict, gate.numbers["rows"])
