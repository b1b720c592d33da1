"""Estimated quality from the stores: which labels it rests on, and that it follows inputs and not concepts."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.metrics.cbpe import METRICS, AnswerCounts, calibrate, estimate
from modelops_pipelines.core.metrics.score_histogram import BINS, score_bins
from modelops_pipelines.core.tables.lake import ESTIMATED_QUALITY, QUALITY_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake.incremental import Range
from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
from modelops_pipelines.operations.metrics.quality import measure_quality
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.support.project import Project, make_project

NAMES = count()
HOUR = timedelta(hours=1)
HORIZON = timedelta(hours=2)
ROWS = 600
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("estimating") / "project")
    made.stores.deployments.record_version(VERSION)
    return made


@pytest.fixture
def spec(project: Project) -> EndpointSpec:
    return replace(project.spec, name=f"estimated{next(NAMES)}", label_horizon=HORIZON)


def asked(spec: EndpointSpec, hour: int, *, centre: float = 0.0, rows: int = ROWS, **changes: Any) -> dict[str, Any]:
    """Return a request of the hour; its scores are the chances of the labels that ``labels_of`` draws."""
    scores = 1 / (1 + np.exp(-np.random.default_rng(hour).normal(centre, 1.5, rows)))
    answers = [str(int(score >= 0.5)) for score in scores]
    said = {"p": answers, "s": scores.tolist(), "f": {}} | changes
    return request_record(spec.name, next(NAMES), START + hour * HOUR, rows, **said)


def labels_of(record: dict[str, Any], *, timid: float = 1.0) -> Rows:
    """Return a label for each row: positive with the chance that the score, sharpened by ``timid``, tells."""
    logit = timid * np.log(np.array(record["s"]) / (1 - np.array(record["s"])))
    drawn = np.random.default_rng(record["t"] % 2**32).random(len(logit)) < 1 / (1 + np.exp(-logit))
    return [label_row(record, row, str(int(label)), START) for row, label in enumerate(drawn)]


def deliver(project: Project, spec: EndpointSpec, predictions: Rows, labels: Rows) -> None:
    for stream, records in (("predictions", predictions), ("labels", [{"rows": labels}] if labels else [])):
        write_segment(project.stores, spec.name, stream, f"w{next(NAMES)}", records)
        assert ingest(project.stores, spec, stream).reasons == []
    measure_quality(project.stores, spec)


def stored(project: Project, spec: EndpointSpec) -> dict[tuple[datetime, str], dict[str, Any]]:
    with project.stores.lake.query(spec.name, [ESTIMATED_QUALITY]) as connected:
        rows = connected.table("estimated_quality").to_arrow_table().to_pylist()
    keyed = {(row["window_start"], row["model_version"]): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def by_hand(reference: list[tuple[dict[str, Any], Rows]], record: dict[str, Any]) -> dict[str, float | None]:
    """Return the estimate of a request's rows from the labels of others, counted here from the records."""
    scores = np.concatenate([one["s"] for one, _ in reference])
    labels = np.array([float(row["label"]) for _, rows in reference for row in rows])
    bins = score_bins(scores)
    chance = calibrate(np.bincount(bins, labels, BINS), np.bincount(bins, 1 - labels, BINS))
    assert chance is not None
    answers = np.array([float(answer) for answer in record["p"]])
    return dict(estimate(AnswerCounts.of(np.array(record["s"]), answers), chance).values)


def test_a_window_rests_on_the_labels_of_its_version_that_ended_a_label_horizon_before(
    project: Project, spec: EndpointSpec
) -> None:
    hours = [asked(spec, hour) for hour in range(7)]
    other = asked(spec, 1, version="2")
    labels = {record["id"]: labels_of(record, timid=1.3) for record in [*hours, other]}
    deliver(project, spec, [*hours, other], [row for rows in labels.values() for row in rows])
    made = estimate_quality(project.stores, spec)
    assert ("estimated_quality", tuple(START + hour * HOUR for hour in range(7)), 8) == (
        made.table,
        made.windows,
        made.rows,
    )
    found = stored(project, spec)
    labelled = [found[START + hour * HOUR, "1"]["labelled"] for hour in range(7)]
    assert [0, 0, 0, ROWS, 2 * ROWS, 3 * ROWS, 4 * ROWS] == labelled
    too_few = "the calibration needs 1000 earlier rows with score and label, and there are 600"
    assert (too_few, None) == (found[START + 3 * HOUR, "1"]["reason"], found[START + 3 * HOUR, "1"]["auc"])
    assert (0, ROWS) == tuple(found[START + HOUR, "2"][name] for name in ("labelled", "scored"))
    for hour in (4, 5, 6):
        row = found[START + hour * HOUR, "1"]
        expected = by_hand([(record, labels[record["id"]]) for record in hours[: hour - 2]], hours[hour])
        assert expected == {name: pytest.approx(row[name], abs=1e-9) for name in METRICS}
        assert (ROWS, ROWS, None) == (row["predictions"], row["scored"], row["reason"])


def test_an_estimate_follows_the_inputs_and_cannot_see_another_concept(project: Project, spec: EndpointSpec) -> None:
    past = [asked(spec, hour, rows=2000) for hour in range(3)]
    sure, unsure = asked(spec, 6, rows=2000, centre=3.0), asked(spec, 7, rows=2000)
    labels = [row for record in (*past, sure) for row in labels_of(record)]
    upside_down = labels_of(unsure, timid=-1.0)
    deliver(project, spec, [*past, sure, unsure], labels + upside_down)
    estimate_quality(project.stores, spec)
    found = stored(project, spec)
    realized = {row["window_start"]: row["accuracy"] for row in quality(project, spec)}
    of_sure, of_unsure = found[START + 6 * HOUR, "1"]["accuracy"], found[START + 7 * HOUR, "1"]["accuracy"]
    assert of_sure > of_unsure + 0.1
    assert of_sure == pytest.approx(realized[START + 6 * HOUR], abs=0.02)
    assert of_unsure > realized[START + 7 * HOUR] + 0.3


def quality(project: Project, spec: EndpointSpec) -> Rows:
    with project.stores.lake.query(spec.name, [QUALITY_METRICS]) as connected:
        rows: Rows = connected.table("quality_metrics").to_arrow_table().to_pylist()
    return rows


def test_labels_that_come_later_count_when_the_window_is_asked_for_again(project: Project, spec: EndpointSpec) -> None:
    past, now = [asked(spec, hour) for hour in range(2)], asked(spec, 5)
    deliver(project, spec, [*past, now], labels_of(past[0]))
    estimate_quality(project.stores, spec)
    assert ROWS == stored(project, spec)[START + 5 * HOUR, "1"]["labelled"]
    deliver(project, spec, [], labels_of(past[1]))
    assert () == estimate_quality(project.stores, spec).windows
    again = estimate_quality(project.stores, spec, Range(START + 5 * HOUR, START + 6 * HOUR))
    assert ((START + 5 * HOUR,), 1) == (again.windows, again.rows)
    row = stored(project, spec)[START + 5 * HOUR, "1"]
    assert (2 * ROWS, None) == (row["labelled"], row["reason"])
    assert row["auc"] > 0.7


def test_rows_without_a_score_and_test_calls_are_left_out(project: Project, spec: EndpointSpec) -> None:
    past = [asked(spec, hour, rows=1000) for hour in range(2)]
    now = asked(spec, 6, rows=50)
    scoreless = asked(spec, 6, rows=7, s=None)
    beside = [scoreless, asked(spec, 6, rows=9, source="test"), asked(spec, 7, rows=5, s=None)]
    labels = {record["id"]: labels_of(record) for record in past}
    deliver(project, spec, [*past, now, *beside], [row for rows in labels.values() for row in rows])
    estimate_quality(project.stores, spec)
    found = stored(project, spec)
    row, without = found[START + 6 * HOUR, "1"], found[START + 7 * HOUR, "1"]
    assert (57, 50) == (row["predictions"], row["scored"])
    expected = by_hand([(record, labels[record["id"]]) for record in past], now)
    assert expected == {name: pytest.approx(row[name], abs=1e-9) for name in METRICS}
    reason = "the model returns no score: log it with probabilities (docs/endpoints.md: Flavours)"
    assert (5, 0, reason) == (without["predictions"], without["scored"], without["reason"])
    assert dict.fromkeys(METRICS) == {name: without[name] for name in METRICS}


def test_labels_of_one_class_calibrate_nothing(project: Project, spec: EndpointSpec) -> None:
    past, now = asked(spec, 0, rows=1000), asked(spec, 5, rows=5)
    deliver(project, spec, [past, now], [label_row(past, row, "0", START) for row in range(1000)])
    estimate_quality(project.stores, spec)
    row = stored(project, spec)[START + 5 * HOUR, "1"]
    assert (None, 1000, "the earlier labels have one class only") == (row["auc"], row["labelled"], row["reason"])


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_say_that_there_is_no_estimate(project: Project, spec: EndpointSpec, task: str) -> None:
    other = replace(spec, name=f"{spec.name}-{task}", task=task, positive_label="yes")
    record = asked(other, 0, rows=3, **({"p": [1.0, 2.0, 3.0], "s": None} if task == "regression" else {}))
    deliver(project, other, [record], [])
    project.stores.touched_windows.mark(other.name, ["estimated_quality"], [START])
    estimate_quality(project.stores, other)
    [row] = stored(project, other).values()
    assert (3, None, 0) == (row["predictions"], row["auc"], row["labelled"])
    assert "quality is estimated for binary classification only" == row["reason"]
