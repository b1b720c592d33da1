"""modelops model test, tests, diff, cases and evaluate, as a user runs them."""

import csv
from pathlib import Path

import pytest

from tests.support.command_line import Loop, modelops, refused


@pytest.fixture(scope="module")
def suite(loop: Loop) -> Path:
    """Return a suite of the log's labelled rows, with a case that no version passes."""
    done = modelops(loop.project, "model", "cases", "cancer", "real", "--rows", "40")
    assert (0, "40 cases written\n") == (done.code, done.err)
    path = Path(done.out.strip())
    assert loop.project.folder / "suites" / "cancer" / "real.csv" == path
    lines = list(csv.reader(path.open()))
    assert ["case", "mean_radius", "mean_texture", "mean_smoothness", "mean_concavity", "expected"] == lines[0]
    wrong = ["never", *lines[1][1:-1], "neither"]
    with path.open("a", newline="") as opened:
        csv.writer(opened).writerow(wrong)
    return path


def test_a_suite_is_not_written_over_unasked(loop: Loop, suite: Path) -> None:
    before = suite.read_bytes()
    refused(modelops(loop.project, "model", "cases", "cancer", "real"), f"The suite {suite} already exists")
    assert before == suite.read_bytes()


def test_a_failed_case_ends_with_3_and_is_named(loop: Loop, suite: Path) -> None:
    done = modelops(loop.project, "model", "test", "cancer", "1")
    assert 3 == done.code
    assert ["suite", "case", "expected", "answered"] == done.out.split("\n")[0].split()
    assert "never" in done.out
    assert "version 1, suite real: " in done.err
    assert "of 41 cases passed" in done.err


def test_a_suite_that_passes_ends_with_0(loop: Loop, suite: Path) -> None:
    passing = suite.with_name("passing.csv")
    try:
        passing.write_text(
            "case,mean_radius,mean_texture,mean_smoothness,mean_concavity,score_min\nsmall,11,15,0.09,0.02,0.5\n"
        )
        done = modelops(loop.project, "model", "test", "cancer", "1", "--suite", "passing", "--json")
        assert (0, 1, 1, []) == (done.code, done.json[0]["cases"], done.json[0]["passed"], done.json[0]["failures"])
    finally:
        passing.unlink()


def test_two_versions_differ_by_their_newest_tests(loop: Loop, suite: Path) -> None:
    refused(
        modelops(loop.project, "model", "diff", "cancer", "1", "99"), "Version 99 was never tested with suite 'real'"
    )
    for version in ("1", "2"):
        assert 3 == modelops(loop.project, "model", "test", "cancer", version, "--suite", "real").code
    done = modelops(loop.project, "model", "diff", "cancer", "1", "2", "--json")
    told = {row["case"]: row for row in done.json}
    assert "still failing" == told["never"]["change"]
    assert {"suite", "case", "change", "expected", "first", "second"} == set(told["never"])
    listed = modelops(loop.project, "model", "tests", "cancer", "--suite", "real", "--json").json
    assert {"1", "2"} <= {one["version"] for one in listed}
    assert 1 == len({one["inputs_hash"] for one in listed})
    shown = modelops(loop.project, "model", "tests", "cancer", "--version", "2").out
    assert ["at", "version", "suite"] == shown.split()[:3]


def test_evaluate_measures_a_file_and_writes_its_answers(loop: Loop, tmp_path: Path) -> None:
    output = tmp_path / "answers.csv"
    done = modelops(loop.project, "model", "evaluate", "cancer", "1", str(loop.data), "--output", str(output), "--json")
    assert (0, 569, 0) == (done.code, done.json["rows"], done.json["failed"])
    assert done.json["accuracy"] > 0.9
    assert 570 == len(output.read_text().splitlines())


def test_what_cannot_be_tested_is_refused_with_the_fix(loop: Loop, suite: Path, tmp_path: Path) -> None:
    refused(modelops(loop.project, "model", "test", "cancer", "1", "--suite", "gone"), "There is no suite")
    refused(modelops(loop.project, "model", "test", "cancer", "99", "--suite", "real"), "no version '99'")
    odd = tmp_path / "rows.txt"
    odd.write_text("x")
    refused(modelops(loop.project, "model", "evaluate", "cancer", "1", str(odd)), "is neither CSV nor Parquet")
