"""A new champion is compared with the one before on labelled rows, and rolled back when it is worse."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.release.trials.probation import judge_new_champion, probation_due
from modelops_pipelines.store.registry.model_loader import load_model
from tests.fakes.records import START, label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first

WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
REQUESTS = 160
FEATURES = ("mean_radius", "mean_texture", "mean_smoothness", "mean_concavity")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, list[float]]]:
    """Return a project with two versions, and the first one's scores of all rows."""
    made = make_project(tmp_path_factory.mktemp("probation") / "project", CANCER_YAML + "  allow_pickle: true\n")
    frame = cancer_frame()
    first = train_first(made, frame)
    train_first(made, frame.head(150))
    scores = load_model(first, made.spec).predict(frame.drop(columns=["benign"]).astype("float64"))[:, 1]
    yield made, [float(score) for score in scores]
    made.stores.database.close()


def answer(project: Project, number: int, scores: Sequence[float]) -> None:
    """Log requests of one row each that version 2 answered with these scores, and their labels."""
    frame, now = cancer_frame(), datetime.now(UTC)
    records, labels = [], []
    for row, score in enumerate(scores):
        features = {name: [rows_of(frame.iloc[[row]])[0][name]] for name in FEATURES}
        known = {"version": "2", "f": features, "s": [score], "p": [str(int(score >= 0.5))]}
        at = START + timedelta(minutes=number * REQUESTS + row)
        record = request_record("cancer", number * REQUESTS + row, at, 1, **known)
        record["at"] = to_micros(now)
        records.append(record)
        labels.append({"rows": [label_row(record, 0, str(frame["benign"].iloc[row]), now)]})
    write_segment(project.stores, "cancer", "predictions", f"w{number}", records)
    write_segment(project.stores, "cancer", "labels", f"w{number}", labels)


def test_a_new_champion_that_is_worse_on_labelled_rows_is_rolled_back_with_its_numbers(
    trained: tuple[Project, list[float]],
) -> None:
    project, scores = trained
    stores, spec = project.stores, project.spec
    deploy(stores, spec, "1", **WHO)
    assert judge_new_champion(stores, spec) is None
    deploy(stores, spec, "2", **WHO, force=True)
    answer(project, 1, [min(0.999, max(0.001, score + 0.001)) for score in scores[:REQUESTS]])
    good = judge_new_champion(stores, spec)
    assert good is not None
    assert (("2", None), "fail") != ((good.version, good.change), good.verdict.verdict)
    assert "2" == stores.deployments.desired("cancer").champion
    assert judge_new_champion(stores, spec) is None
    deploy(stores, spec, "1", **WHO, force=True)
    deploy(stores, spec, "2", **WHO, force=True)
    answer(project, 2, [1 - score for score in scores[:REQUESTS]])
    bad = judge_new_champion(stores, spec)
    assert bad is not None
    assert ("2", "fail", "quality") == (bad.version, bad.verdict.verdict, bad.verdict.guard)
    event = stores.deployments.events("cancer")[-1]
    numbers: Any = event.evidence["numbers"]
    assert ("rollback", "1", "2") == (event.action, event.to_version, event.evidence["withdrawn"])
    assert numbers["labelled_callers"] == REQUESTS
    assert numbers["loss"] > numbers["previous_loss"]
    assert "the previous champion's" in event.reason
    assert probation_due(stores, spec, stores.deployments.desired("cancer")) is None
