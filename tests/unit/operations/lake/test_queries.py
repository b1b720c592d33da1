"""The queries that come with the project, against a log that is known row by row."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.queries import SHIPPED, query_lake, query_text
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, make_project

LATER = START + timedelta(days=1)
OWN: dict[str, dict[str, Any]] = {
    "binary_classification": {
        "answers": ["1", "0", "1", "1"],
        "labels": ["1", "1", "1"],
        "scores": [0.9, 0.1, 0.8, 0.7],
    },
    "multiclass": {"answers": ["a", "b", "c", "a"], "labels": ["a", "a", "c"], "scores": [0.9, 0.1, 0.8, 0.7]},
    "regression": {"answers": [1.0, 2.5, 1e16, 4.0], "labels": [1.0, 2.0, 1e16], "scores": None},
}


def project_of(folder: Path, task: str) -> Project:
    """Return a project with a day of four answers, three of them labelled, and a day of one without label."""
    yaml = CANCER_YAML.replace("binary_classification", task)
    made = make_project(folder / "project", yaml)
    made.stores.deployments.record_version(VERSION)
    known = OWN[task]
    first = request_record("cancer", 1, START, 4, p=known["answers"], s=known["scores"])
    failed = request_record("cancer", 2, START, 1, status=503, error="overloaded", p=None, s=None)
    one = {"p": known["answers"][:1], "s": known["scores"] and known["scores"][:1]}
    second = request_record("cancer", 3, LATER, 1, **one)
    write_segment(made.stores, "cancer", "predictions", "w", [first, failed, second])
    labels = [label_row(first, row, label, LATER) for row, label in enumerate(known["labels"])]
    write_segment(made.stores, "cancer", "labels", "w", [{"rows": labels}])
    for stream in ("predictions", "labels"):
        assert ingest(made.stores, made.spec, stream).reasons == []
    return made


@pytest.mark.parametrize(
    ("task", "accuracy", "mae"),
    [("binary_classification", 2 / 3, None), ("multiclass", 2 / 3, None), ("regression", None, 0.5 / 3)],
)
def test_a_days_accuracy_is_of_classes_and_its_error_of_numbers(
    tmp_path: Path, task: str, accuracy: float | None, mae: float | None
) -> None:
    project = project_of(tmp_path, task)
    first, second = query_lake(project.stores, query_text("health_daily"), "cancer")
    assert (4, 3, 0.75, 1) == tuple(first[name] for name in ("predictions", "labelled", "coverage", "server_errors"))
    assert (pytest.approx(accuracy), pytest.approx(mae)) == (first["accuracy"], first["mae"])
    assert (1, 0, 0.0, None, None) == tuple(
        second[name] for name in ("predictions", "labelled", "coverage", "accuracy", "mae")
    )
    project.stores.database.close()


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("task", OWN)
def test_an_endpoint_without_a_row_has_no_row_of_health(tmp_path: Path, name: str, task: str) -> None:
    project = make_project(tmp_path / "project", CANCER_YAML.replace("binary_classification", task))
    assert [] == query_lake(project.stores, query_text(name), "cancer")
    project.stores.database.close()
