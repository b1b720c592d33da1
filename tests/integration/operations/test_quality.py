"""Quality of windows and segments, counted again by scikit-learn, however late rows and labels come."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.metrics.score_histogram import SCORE_EDGES, ScoreCounts, score_bins
from modelops_pipelines.core.tables.lake import QUALITY_METRICS
from modelops_pipelines.operations.alerting.judges import judge_rules as judge_rules_module
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.lake import incremental
from modelops_pipelines.operations.metrics.quality import judged_rows, measure_quality, quality_of
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION, feedback_row, label_row, request_record, write_segment
from tests.integration.operations.quality_recount import NO_SCORE, ONE_CLASS, assert_same, made_up, recount, truth
from tests.support.project import Project, make_project

TASKS = ("binary_classification", "multiclass", "regression")
SEGMENTS = ("c", "x")
SCORED = {"log_loss", "brier_skill", "calibration_error", "base_rate", "mean_score"}
NAMES = count()
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("quality") / "project")
    made.stores.deployments.record_version(VERSION)
    return made


def spec_of(project: Project, task: str = "binary_classification", segments: tuple[str, ...] = ()) -> EndpointSpec:
    return replace(project.spec, name=f"judged{next(NAMES)}", task=task, segments=segments)


def deliver(project: Project, spec: EndpointSpec, stream: str, records: Rows) -> None:
    write_segment(project.stores, spec.name, stream, f"w{next(NAMES)}", records)
    assert ingest(project.stores, spec, stream).reasons == []


def stored(stores: Stores, spec: EndpointSpec) -> dict[Any, dict[str, Any]]:
    with stores.lake.query(spec.name, [QUALITY_METRICS]) as connected:
        rows = connected.table("quality_metrics").to_arrow_table().to_pylist()
    keyed = {tuple(row[name] for name in QUALITY_METRICS.key): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


# Against a recount


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", range(2))
def test_late_rows_and_late_labels_give_what_a_recount_gives(project: Project, task: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    spec = spec_of(project, task, SEGMENTS)
    requests = [made_up(rng, task, number) for number in range(40)]
    truths = [
        (record, row, truth(rng, task)) for record in requests for row in range(record["n"]) if rng.random() < 0.7
    ]
    for batch in (requests[::2], requests[1::2]):
        deliver(project, spec, "predictions", batch)
        measure_quality(project.stores, spec)
    for wave in (truths[1::2], truths[::2]):
        labels = [label_row(record, row, label, START + timedelta(days=2)) for record, row, label in wave]
        deliver(project, spec, "labels", [{"rows": labels}])
        measure_quality(project.stores, spec)
    deliver(project, spec, "feedback", [{"rows": [feedback_row(requests[0], 0, 1, None)]}])
    measure_quality(project.stores, spec)
    assert_same(recount(requests, truths, spec), stored(project.stores, spec))


# Counts that merge


def test_the_score_counts_of_windows_merge_into_the_quality_of_them_all(project: Project) -> None:
    rng = np.random.default_rng(11)
    spec = spec_of(project)
    requests = [made_up(rng, spec.task, number) | {"version": "1", "source": "live"} for number in range(60)]
    deliver(project, spec, "predictions", requests)
    known = [label_row(record, row, truth(rng, spec.task), START) for record in requests for row in range(record["n"])]
    deliver(project, spec, "labels", [{"rows": known}])
    windows = measure_quality(project.stores, spec).windows
    parts = [json.loads(row["score_counts"]) for row in stored(project.stores, spec).values()]
    assert 3 == len(parts)
    merged = ScoreCounts.merge(map(ScoreCounts.read, parts)).quality()
    judged = judged_rows(project.stores, spec, windows)
    place = judged.column_names.index("window_start")
    one_window = judged.set_column(place, "window_start", pa.array([START] * len(judged), pa.timestamp("us", "UTC")))
    [whole] = quality_of(spec, one_window).to_pylist()
    assert {name: pytest.approx(value, abs=1e-9) for name, value in merged.items() if name != "auc"} == {
        name: whole[name] for name in merged if name != "auc"
    }
    assert merged["auc"] == pytest.approx(whole["auc"], abs=0.002)


def test_the_bins_of_sql_are_those_of_the_core() -> None:
    rng = np.random.default_rng(3)
    near = [SCORE_EDGES, np.nextafter(SCORE_EDGES, 0), np.nextafter(SCORE_EDGES, 1)]
    scores = np.concatenate([*near, rng.random(5000), rng.random(5000) ** 9, [-1.0, 5e-324, 1e-9, 2.0]])
    with duckdb.connect(":memory:") as connected:
        connected.execute(sql.named("score_bin"))
        query = "SELECT score_bin(score) AS bin FROM (SELECT unnest($scores::DOUBLE[]) AS score)"
        found = connected.execute(query, {"scores": scores.tolist()}).fetchnumpy()["bin"]
    assert score_bins(scores).tolist() == found.tolist()


# Windows that say little


@pytest.mark.parametrize(
    ("answers", "scores", "labels", "nulls", "reason"),
    [
        ("1", [0.9], "", "accuracy precision recall f1 auc brier score_counts confusion", "no label has arrived yet"),
        ("1", [0.9], "1", "auc brier_skill", ONE_CLASS),
        (
            "00",
            [0.1, 0.2],
            "00",
            "auc brier_skill precision recall f1",
            f"{ONE_CLASS}; precision is undefined: no prediction is positive; recall is undefined: no label is positive",
        ),
        ("01", [0.1, 0.2], "10", "", None),
        ("00", [0.1, 0.2], "10", "precision", "precision is undefined: no prediction is positive"),
        (
            "01",
            None,
            "10",
            "auc log_loss brier brier_skill calibration_error base_rate mean_score confidence score_counts",
            NO_SCORE,
        ),
    ],
)
def test_what_a_window_cannot_tell_is_null_with_a_reason(
    project: Project, answers: str, scores: list[float] | None, labels: str, nulls: str, reason: str | None
) -> None:
    spec = spec_of(project)
    record = request_record(spec.name, 1, START, len(answers), p=list(answers), s=scores, f={})
    deliver(project, spec, "predictions", [record])
    if labels:
        known = [label_row(record, row, label, START) for row, label in enumerate(labels)]
        deliver(project, spec, "labels", [{"rows": known}])
    measure_quality(project.stores, spec)
    [found] = stored(project.stores, spec).values()
    assert reason == found["reason"]
    always = {"mae", "rmse", "bias", "r2"}
    unlabelled = set() if labels else SCORED
    missing = {name for name in QUALITY_METRICS.names if found[name] is None} - {"reason"}
    assert {*nulls.split(), *always, *unlabelled} == missing


def test_labels_without_spread_have_no_r2(project: Project) -> None:
    spec = spec_of(project, "regression")
    record = request_record(spec.name, 1, START, 2, p=[1.0, 2.0], s=None)
    deliver(project, spec, "predictions", [record])
    deliver(project, spec, "labels", [{"rows": [label_row(record, row, 1.0, START) for row in range(2)]}])
    measure_quality(project.stores, spec)
    [found] = stored(project.stores, spec).values()
    assert (None, 0.5, "r2 is undefined: all labels are equal") == (found["r2"], found["mae"], found["reason"])


# Verdicts


def of_labels(project: Project, spec: EndpointSpec) -> list[Verdict]:
    """Return the verdicts on windows with any label."""
    return [verdict for verdict in judge_rules(project.stores, spec, ["quality"], [START]) if verdict.n]


@pytest.mark.parametrize("over", [None, timedelta(hours=5)])
def test_windows_that_are_judged_in_many_parts_get_the_same_verdicts(
    project: Project, monkeypatch: pytest.MonkeyPatch, over: timedelta | None
) -> None:
    rng = np.random.default_rng(5)
    rules = tuple(
        AlertRule("quality", metric=metric, below=0.5, over=over, minimum=5) for metric in ("accuracy", "auc")
    )
    spec = replace(spec_of(project), alerts=rules, window="hour", label_horizon=timedelta(0))
    requests = [made_up(rng, spec.task, number) for number in range(60)]
    labels = [label_row(record, row, truth(rng, spec.task), START) for record in requests for row in range(record["n"])]
    deliver(project, spec, "predictions", requests)
    deliver(project, spec, "labels", [{"rows": labels}])
    hours = [START + timedelta(hours=number) for number in range(-2, 30)]
    at_once = judge_rules(project.stores, spec, ["quality"], hours)
    monkeypatch.setattr(judge_rules_module, "MOST_ROWS", 1)
    monkeypatch.setattr(incremental, "BATCH", timedelta(hours=2))
    assert at_once == judge_rules(project.stores, spec, ["quality"], hours)
    assert len({verdict.window for verdict in at_once if verdict.passed is not None}) > 1


def test_a_verdict_counts_the_rows_that_its_metric_can_be_of(project: Project) -> None:
    rules = (
        AlertRule("quality", metric="auc", below=0.6),
        AlertRule("quality", metric="accuracy", below=0.6),
        AlertRule("quality", metric="base_rate", above=0.6),
    )
    spec = replace(spec_of(project), alerts=rules, label_horizon=timedelta(0))
    labels = ["1" if row % 4 else "0" for row in range(298)]
    unscored = request_record(spec.name, 1, START, 298, p=labels, s=None, f={})
    scored = request_record(spec.name, 2, START, 2, p=["0", "1"], s=[0.9, 0.1], f={})
    deliver(project, spec, "predictions", [unscored, scored])
    deliver(project, spec, "predictions", [request_record(spec.name, 3, START + timedelta(hours=3), 1, p=["0"], f={})])
    known = [label_row(unscored, row, label, START) for row, label in enumerate(labels)]
    known += [label_row(scored, row, label, START) for row, label in enumerate("01")]
    deliver(project, spec, "labels", [{"rows": known}])
    auc, accuracy, base_rate = of_labels(project, spec)
    assert [(None, 2), (None, 2)] == [(one.passed, one.n) for one in (auc, base_rate)]
    assert auc.message == ("not judged: 2 labelled rows; a verdict needs 200; 298 more have a label but no score")
    assert (True, 300) == (accuracy.passed, accuracy.n)


def test_a_label_shift_is_a_rule_of_the_base_rate(project: Project) -> None:
    spec = replace(spec_of(project), alerts=(AlertRule("quality", metric="base_rate", above=0.6),))
    spec = replace(spec, label_horizon=timedelta(0))
    record = request_record(spec.name, 1, START, 300, p=["0"] * 300, s=[0.4] * 300, f={})
    later = request_record(spec.name, 3, START + timedelta(hours=3), 1, p=["0"], f={})
    deliver(project, spec, "predictions", [record, later])
    labels = ["1" if row % 4 else "0" for row in range(300)]
    known = [label_row(record, row, label, START) for row, label in enumerate(labels)]
    deliver(project, spec, "labels", [{"rows": known}])
    [found] = of_labels(project, spec)
    assert (False, 300, 0.75) == (found.passed, found.n, found.value)


# Segments


def test_the_fifty_most_frequent_values_of_a_window_have_rows_and_the_rest_share_one(project: Project) -> None:
    spec = spec_of(project, segments=("c",))
    values = [f"v{number:02}" for number in range(53) for _ in range(1 + (number >= 4))] + [None]
    n = len(values)
    first = request_record(spec.name, 1, START, n, f={"x": [1.0] * n, "c": values})
    later = request_record(spec.name, 2, START + timedelta(hours=1), 2, f={"x": [1.0] * 2, "c": ["v00", "v01"]})
    deliver(project, spec, "predictions", [first, later])
    measure_quality(project.stores, spec)
    found = {key[::3]: row["predictions"] for key, row in stored(project.stores, spec).items() if key[2] == "c"}
    frequent = {(START, f"v{number:02}"): 2 for number in range(4, 53)} | {(START, "v00"): 1}
    rest = {(START, "(other)"): 3, (START, "(null)"): 1}
    assert frequent | rest | {(later_start := START + timedelta(hours=1), "v00"): 1, (later_start, "v01"): 1} == found


def test_a_segment_called_as_a_column_of_ours_is_no_trouble(project: Project) -> None:
    inputs = {"feedback": "int", "kept": "bool", "value": "text", "segment_value": "text", "place": "float"}
    project.stores.deployments.record_version(replace(VERSION, model_name="clashing", version="9", inputs=inputs))
    spec = replace(spec_of(project, segments=tuple(inputs)), model_name="clashing")
    features = {"feedback": [7], "kept": [False], "value": ["v"], "segment_value": ["s"], "place": [0.5]}
    deliver(project, spec, "predictions", [request_record(spec.name, 1, START, 1, f=features)])
    measure_quality(project.stores, spec)
    found = {(key[2], key[3]): row["predictions"] for key, row in stored(project.stores, spec).items()}
    values = {("feedback", "7"), ("kept", "false"), ("value", "v"), ("segment_value", "s"), ("place", "0.5")}
    assert dict.fromkeys({("all", ""), *values}, 1) == found


def test_a_segment_that_is_no_feature_is_refused(project: Project) -> None:
    spec = spec_of(project, segments=("nothing",))
    deliver(project, spec, "predictions", [request_record(spec.name, 1, START, 1)])
    with pytest.raises(SchemaError, match="nothing that the model does not take"):
        measure_quality(project.stores, spec)


def test_quality_of_rows_without_segments_is_of_the_whole(project: Project) -> None:
    spec = spec_of(project, segments=("c",))
    deliver(project, spec, "predictions", [request_record(spec.name, 1, START, 3)])
    rows = quality_of(spec, judged_rows(project.stores, spec, [START])).to_pylist()
    assert [("all", "", 3)] == [(row["segment"], row["segment_value"], row["predictions"]) for row in rows]
