"""Suites of stored cases: read by line and column, run on real versions, compared, taken from the log."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from modelops_pipelines.core.errors import (
    ConflictError,
    EvidenceError,
    InputError,
    PredictionError,
    SchemaError,
    UnknownError,
)
from modelops_pipelines.core.evaluation.suites import Answered, Case, inputs_hash, passes
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.testing.batch_evaluation import evaluate_file, write_answers
from modelops_pipelines.operations.testing.run_suites import compare, read_suite, run_suite, suite_from_log, suite_names
from tests.fakes import moody_models as moody
from tests.fakes.records import START, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first

FEATURES = ("mean_radius", "mean_texture", "mean_smoothness", "mean_concavity")
SMALL, LARGE = (11.0, 15.0, 0.09, 0.02), (22.0, 25.0, 0.11, 0.25)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(
        tmp_path_factory.mktemp("suites") / "project", CANCER_YAML + "  allow_pickle: true\n  classes: [0, 1]\n"
    )
    frame = cancer_frame()
    train_first(made, frame)
    trainers.train_first(made.stores, made.spec, frame, moody.moody())
    deploy(made.stores, made.spec, "1", actor="ann", reason="first")
    _serve_and_label(made, frame.head(60))
    yield made
    made.stores.database.close()


@pytest.fixture(autouse=True)
def no_suite(project: Project) -> Iterator[None]:
    yield
    for path in project.stores.settings.suites.rglob("*.csv"):
        path.unlink()


def _serve_and_label(project: Project, frame: Any) -> None:
    """Fill the log with answered rows and their labels, one request an hour of ten rows each."""
    rows = rows_of(frame)
    for number in range(len(rows) // 10):
        part, at = rows[10 * number : 10 * number + 10], START + timedelta(hours=number)
        features = {name: [row[name] for row in part] for name in FEATURES}
        record = request_record("cancer", number, at, 10, f=features)
        write_segment(project.stores, "cancer", "predictions", f"w{number}", [record])
        truth = frame["benign"].tolist()[10 * number :]
        labels = [label_row(record, row, str(truth[row]), at + timedelta(days=1)) for row in range(10)]
        write_segment(project.stores, "cancer", "labels", f"w{number}", [{"rows": labels}])
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)


def written(project: Project, lines: list[list[Any]], header: str = "expected", name: str = "core") -> Path:
    path = project.stores.settings.suites / "cancer" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as opened:
        csv.writer(opened).writerows([["case", *FEATURES, *header.split(",")], *lines])
    return path


def test_every_failed_case_is_named_with_what_was_expected_and_answered(project: Project) -> None:
    lines = [
        ["small", *SMALL, "1", "", "0.5", ""],
        ["large", *LARGE, "0", "", "", "0.2"],
        ["large, called benign", *LARGE, "1", "", "", ""],
        ["large, sure to be benign", *LARGE, "", "", "0.9", ""],
        ["large, near a half", *LARGE, "0.5", "0.01", "", ""],
    ]
    written(project, lines, "expected,tolerance,score_min,score_max")
    test = run_suite(project.stores, project.spec, "1", "core", "ann")
    assert (5, 2, 3, "1", "core", "ann") == (test.cases, test.passed, test.failed, test.version, test.suite, test.actor)
    assert ["large, called benign", "large, sure to be benign", "large, near a half"] == [
        one["case"] for one in test.failures
    ]
    assert ["1", "score >= 0.9", "score 0.5 ± 0.01"] == [one["expected"] for one in test.failures]
    assert all(one["answered"].startswith("0 (score ") for one in test.failures)
    assert test.seconds > 0
    assert [test] == project.stores.version_tests.of("cancer", "1", "core")[-1:]


def test_the_inputs_hash_is_of_the_content(project: Project) -> None:
    written(project, [["a", *SMALL, "1"], ["b", *LARGE, "0"]])
    first = inputs_hash(read_suite(project.stores, project.spec, "core").cases)
    written(project, [["b", *LARGE, "0"], ["a", "11.00", "15", ".09", "2e-2", "1"]])
    assert first == inputs_hash(read_suite(project.stores, project.spec, "core").cases)
    written(project, [["a", *SMALL, "1"], ["b", *LARGE, "1"]])
    assert first != inputs_hash(read_suite(project.stores, project.spec, "core").cases)


def test_two_versions_are_compared_case_by_case(project: Project) -> None:
    lines = [
        ["near the edge", 15.05, 18, 0.09, 0.08, "1"],
        ["wrong in both", *LARGE, "1"],
        ["small", *SMALL, "1"],
        ["odd", 30, 18, 0.09, 0.08, "1"],
        ["between", 15.5, 10, 0.05, 0.0, "0"],
    ]
    written(project, lines)
    runs = [run_suite(project.stores, project.spec, version, "core", "ann") for version in ("1", "2")]
    found = compare(project.stores, project.spec, "1", "2", "core")
    failed = [{one["case"] for one in run.failures} for run in runs]
    told = {row["case"]: row["change"] for row in found.rows}
    assert {
        "fixed": failed[0] - failed[1],
        "broken": failed[1] - failed[0],
        "still failing": failed[0] & failed[1],
    } == {
        what: {case for case, change in told.items() if change == what} for what in ("fixed", "broken", "still failing")
    }
    assert "still failing" == told["wrong in both"]
    assert {"fixed", "still failing"} <= set(told.values()) or {"broken", "still failing"} <= set(told.values())
    assert all("passed" in (row["first"], row["second"]) for row in found.rows if row["change"] != "still failing")


def test_runs_of_different_cases_are_not_compared(project: Project) -> None:
    written(project, [["a", *SMALL, "1"]], name="moving")
    run_suite(project.stores, project.spec, "1", "moving", "ann")
    with pytest.raises(EvidenceError, match="Version 2 was never tested with suite 'moving'"):
        compare(project.stores, project.spec, "1", "2", "moving")
    written(project, [["a", *SMALL, "0"]], name="moving")
    run_suite(project.stores, project.spec, "2", "moving", "ann")
    with pytest.raises(ConflictError, match="were tested on different cases of 'moving' \\(inputs hashes "):
        compare(project.stores, project.spec, "1", "2", "moving")


def test_a_case_that_the_model_raises_on_has_failed_and_the_others_are_judged(project: Project) -> None:
    written(project, [["odd", moody.RAISE, *SMALL[1:], "1"], ["small", *SMALL, "1"]])
    test = run_suite(project.stores, project.spec, "2", "core", "ann")
    assert [{"case": "odd", "expected": "1", "answered": "error: ValueError: … of … radii make no sense"}] == list(
        test.failures
    )


@pytest.mark.parametrize(
    ("mood", "deadline", "why"),
    [(moody.HANG, 3, "in 3 s; its process was killed"), (moody.EXIT, 120, "out of paper")],
)
def test_a_version_that_hangs_or_crashes_fails_the_run_and_leaves_no_number(
    project: Project, mood: float, deadline: float, why: str
) -> None:
    written(project, [["odd", mood, *SMALL[1:], "1"]], name="wild")
    with pytest.raises(PredictionError, match=why):
        run_suite(project.stores, project.spec, "2", "wild", "ann", deadline=deadline)
    assert [] == project.stores.version_tests.of("cancer", suite="wild")


FAULTS = {
    "a feature that is no number": ([["a", "big", *SMALL[1:], "1"]], "expected", "2: mean_radius: 'big' is not a num"),
    "a case twice": ([["a", *SMALL, "1"], ["a", *SMALL, "1"]], "expected", "3: case: the name 'a' is used twice"),
    "a case without a name": ([["", *SMALL, "1"]], "expected", "2: case: it is empty"),
    "nothing expected": ([["a", *SMALL, ""]], "expected", "2: expected: the case has no expectation"),
    "an unknown column": ([["a", *SMALL, "1", "2"]], "expected,weight", "1: weight: it is neither a feature nor"),
    "a column twice": ([["a", *SMALL, "1", "2"]], "expected,expected", "1: expected: the column occurs twice"),
    "a short line": ([["a", *SMALL]], "expected", "2: the line: it has 5 fields; the first line has 6"),
    "a tolerance of a class": ([["a", *SMALL, "x", "1"]], "expected,tolerance", "2: expected: 'x' is not a number"),
    "a negative tolerance": ([["a", *SMALL, "1", "-1"]], "expected,tolerance", "2: tolerance: it needs an expected"),
    "bounds the wrong way": (
        [["a", *SMALL, ".9", ".1"]],
        "score_min,score_max",
        "2: score_min: 0.9 is above score_max",
    ),
    "endless": ([["a", "inf", *SMALL[1:], "1"]], "expected", "2: mean_radius: 'inf' is not a number"),
    "nothing to hold against": ([["a", *SMALL, "1"]], "tolerance", "1: expected: no column holds an expectation"),
    "no case": ([], "expected", "has no case"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_by_file_line_and_column(project: Project, name: str) -> None:
    lines, header, told = FAULTS[name]
    path = written(project, lines, header)
    with pytest.raises(InputError) as caught:
        read_suite(project.stores, project.spec, "core")
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_faults_of_a_file_are_told_at_once(project: Project) -> None:
    written(project, [["a", "x", "y", *SMALL[2:], "1"], ["b", *SMALL, ""]])
    with pytest.raises(InputError, match="3 fault\\(s\\) in the suite"):
        read_suite(project.stores, project.spec, "core")


def test_what_is_not_there_is_told(project: Project) -> None:
    with pytest.raises(UnknownError, match=r"There is no suite .*core\.csv .*modelops model cases"):
        read_suite(project.stores, project.spec, "core")
    with pytest.raises(UnknownError, match="Endpoint 'cancer' has no suite in"):
        suite_names(project.stores, project.spec)
    with pytest.raises(InputError, match=r"'\.\./\.\./core' is not a valid name of a suite"):
        read_suite(project.stores, project.spec, "../../core")
    path = written(project, [["a", *SMALL, "1"]])
    path.write_bytes(b"case,mean_radius,expected\na,\xff,1\n")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_suite(project.stores, project.spec, "core")
    path.write_text('case,mean_radius,expected\na,1,"1\n')
    with pytest.raises(InputError, match=r"core.csv:2: the line cannot be read"):
        read_suite(project.stores, project.spec, "core")
    path.write_text("case,mean_radius,expected\na,1,1\n")
    with pytest.raises(InputError, match=r"core.csv:1: version 1 takes feature\(s\) mean_texture, mean_smoothness"):
        run_suite(project.stores, project.spec, "1", "core", "ann")


def test_a_suite_of_labelled_rows_is_the_same_every_time(project: Project) -> None:
    suite = suite_from_log(project.stores, project.spec, "real", 25)
    content = suite.path.read_bytes()
    assert (25, FEATURES) == (len(suite.cases), suite.features)
    with pytest.raises(ConflictError, match=r"The suite .*real\.csv already exists"):
        suite_from_log(project.stores, project.spec, "real", 25)
    suite_from_log(project.stores, project.spec, "real", 25, overwrite=True)
    assert content == suite.path.read_bytes()
    chosen = sorted((case.name for case in suite.cases), key=lambda name: hashlib.md5(name.encode()).hexdigest())
    assert chosen == [case.name for case in suite.cases]
    more = suite_from_log(project.stores, project.spec, "more", 1000)
    assert 60 == len(more.cases)
    frame = cancer_frame().head(60)
    truth = {round(row.mean_radius, 6): str(row.benign) for row in frame.itertuples()}
    assert all(truth[round(case.features["mean_radius"], 6)] == case.expected for case in suite.cases)
    test = run_suite(project.stores, project.spec, "1", "real", "ann")
    assert 25 == test.cases
    assert test.passed >= 20


def test_a_suite_from_the_log_is_refused_where_it_would_be_none(project: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="A regression's suite needs a tolerance"):
        suite_from_log(project.stores, project.spec, "real", 5, tolerance=1.0)
    redacting = replace(project.spec, capture=replace(project.spec.capture, redact=("mean_texture",)))
    with pytest.raises(InputError, match="mean_texture are not in the log"):
        suite_from_log(project.stores, redacting, "real", 5)
    fresh = make_project(tmp_path / "project")
    with pytest.raises(EvidenceError, match="has a label yet"):
        suite_from_log(fresh.stores, fresh.spec, "real", 5)


@pytest.mark.parametrize(
    ("case", "answered", "passed"),
    [
        (Case("a", {}, 10.0, 0.5), Answered(10.5, None), True),
        (Case("a", {}, 10.0, 0.5), Answered(10.6, None), False),
        (Case("a", {}, 10.0, 0.5), Answered(float("nan"), None), False),
        (Case("a", {}, 10.0, 0.5), Answered(None, None, "ValueError: x"), False),
    ],
)
def test_a_regression_s_answer_is_within_the_tolerance(case: Case, answered: Answered, passed: int) -> None:
    assert bool(passed) == passes(case, answered, "regression")


def test_a_regression_s_case_needs_a_tolerance_and_has_no_score(project: Project) -> None:
    spec = replace(project.spec, task="regression")
    written(project, [["a", *SMALL, "3", "", ""], ["b", *SMALL, "3", "1", "0.5"]], "expected,tolerance,score_min")
    with pytest.raises(InputError, match=r"2: tolerance: a regression(.|\n)*3: score_min: a regression has"):
        read_suite(project.stores, spec, "core")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_is_answered_and_measured(project: Project, tmp_path: Path, suffix: str) -> None:
    frame = cancer_frame()
    path, output = tmp_path / f"rows{suffix}", tmp_path / f"answers{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    batch = evaluate_file(project.stores, project.spec, "1", path)
    assert (569, 0, None) == (batch.rows, batch.failed, batch.first_error)
    assert batch.metrics is not None
    right = sum(
        said == str(true) for said, true in zip(batch.answers["prediction"].to_pylist(), frame["benign"], strict=True)
    )
    assert right / 569 == pytest.approx(batch.metrics["accuracy"])
    assert batch.metrics["auc"] > 0.95
    write_answers(batch.answers, output)
    assert output.stat().st_size > 1000
    if suffix == ".parquet":
        assert [*FEATURES, "benign", "prediction", "score", "error"] == pq.read_table(output).column_names


def test_a_file_without_labels_is_answered_and_one_that_does_not_fit_is_refused(
    project: Project, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    cancer_frame().head(5).drop(columns=["benign"]).to_csv(path, index=False)
    assert evaluate_file(project.stores, project.spec, "1", path).metrics is None
    path.write_text("mean_radius\nbig\n")
    with pytest.raises(InputError, match="cannot be read as version 1's features"):
        evaluate_file(project.stores, project.spec, "1", path)
    path.write_text("mean_radius\n1\n")
    with pytest.raises(InputError, match=r"lacks the column\(s\) mean_texture, mean_smoothness, mean_concavity"):
        evaluate_file(project.stores, project.spec, "1", path)
    path.write_text("mean_radius,mean_texture,mean_smoothness,mean_concavity,mean_texture\n1,2,3,4,5\n")
    with pytest.raises(InputError, match=r"has the column\(s\) mean_texture more than once"):
        evaluate_file(project.stores, project.spec, "1", path)
    with pytest.raises(InputError, match="is neither CSV nor Parquet"):
        evaluate_file(project.stores, project.spec, "1", tmp_path / "rows.txt")


def test_an_unknown_version_is_told(project: Project) -> None:
    written(project, [["a", *SMALL, "1"]])
    with pytest.raises((UnknownError, SchemaError), match="no version '99'"):
        run_suite(project.stores, project.spec, "99", "core", "ann")
