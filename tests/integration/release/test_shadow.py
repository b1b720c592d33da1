"""A shadow answers the log: what it says is kept once, whatever it does, and nothing else changes."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, EvidenceError, SchemaError
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.release.sequential_tests import Moments
from modelops_pipelines.core.release.shadow import (
    LastComparison,
    ShadowPeriod,
    agrees,
    next_shadow,
    paired_difference,
    shadow_periods,
    verdict,
)
from modelops_pipelines.core.tables.lake import SHADOW_LOG
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy, end_shadow
from modelops_pipelines.operations.release.trials.shadow import compare_shadow, shadow_summary, start_shadow
from modelops_pipelines.store.registry.model_loader import load_model
from tests.fakes import moody_models as moody
from tests.fakes.records import START, label_row, request_record, write_segment
from tests.support.paths import ROOT
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.waiting import wait_until
from tests.support.warm import WarmProcess

FEATURES = ("mean_radius", "mean_texture", "mean_smoothness", "mean_concavity")
GOOD, MOODY = "2", "3"
RUN = """\
import sys
from dataclasses import replace
from pathlib import Path
from modelops_pipelines.operations.endpoints.lookup import endpoint_named
from modelops_pipelines.operations.release.trials.shadow import compare_shadow
from modelops_pipelines.store.stores import Stores
stores = Stores()
print("begun", flush=True)
compare_shadow(stores, replace(endpoint_named(stores, "cancer"), name=sys.argv[1]), 40)
"""
_NAMES = (f"endpoint{number}" for number in count())


@dataclass
class Shadowed:
    """An endpoint of its own in the module's project, and the scores of its versions to all rows of the data."""

    project: Project
    spec: EndpointSpec
    scores: dict[str, Any]
    sent: int = 0

    def start(self, version: str, share: int = 100) -> None:
        start_shadow(self.project.stores, self.spec, version, actor="ann", reason="curious", share=share)

    def compare(self, most: int = 10_000, **more: Any) -> Any:
        return compare_shadow(self.project.stores, self.spec, most, **more)

    def send(self, rows: Sequence[int], **changes: Any) -> dict[str, Any]:
        """Log a request for these rows of the data, as if version 1 had answered it now."""
        self.sent += 1
        radii = changes.pop("radii", {})
        frame = cancer_frame().iloc[list(rows)].reset_index(drop=True)
        for row, radius in radii.items():
            frame.loc[row, "mean_radius"] = radius
        features = {name: [row[name] for row in rows_of(frame)] for name in FEATURES}
        scores = [float(self.scores["1"][row]) for row in rows]
        answers = {"f": features, "s": scores, "p": [str(int(score >= 0.5)) for score in scores]}
        past = START + self.sent * timedelta(hours=1)
        record = request_record(self.spec.name, self.sent, past, len(rows), **{**answers, **changes})
        record["at"] = to_micros(datetime.now(UTC))
        write_segment(self.project.stores, self.spec.name, "predictions", f"w{self.sent}", [record])
        ingest(self.project.stores, self.spec, "predictions")
        return record

    def label(self, record: dict[str, Any], rows: Sequence[int]) -> None:
        truth = cancer_frame()["benign"].tolist()
        labels = [label_row(record, place, str(truth[row]), datetime.now(UTC)) for place, row in enumerate(rows)]
        write_segment(self.project.stores, self.spec.name, "labels", f"w{self.sent}", [{"rows": labels}])
        ingest(self.project.stores, self.spec, "labels")

    def said(self) -> list[dict[str, Any]]:
        """Return shadow_log, in the order of time."""
        with self.project.stores.lake.query(self.spec.name, [SHADOW_LOG]) as connected:
            query = "SELECT * FROM shadow_log ORDER BY event_time, prediction_id"
            return connected.sql(query).to_arrow_table().to_pylist()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, dict[str, Any]]]:
    made = make_project(tmp_path_factory.mktemp("shadows") / "project", CANCER_YAML + "  allow_pickle: true\n")
    frame = cancer_frame()
    versions = [train_first(made, frame), train_first(made, frame.head(150))]
    trainers.train_first(made.stores, made.spec, frame, moody.moody())
    rows = frame.drop(columns=["benign"]).astype("float64")
    scores = {one.version: load_model(one, made.spec).predict(rows)[:, 1] for one in versions}
    yield made, scores
    made.stores.database.close()


@pytest.fixture
def shadowed(project: tuple[Project, dict[str, Any]]) -> Shadowed:
    made, scores = project
    spec = replace(made.spec, name=next(_NAMES))
    deploy(made.stores, spec, "1", actor="ann", reason="first")
    return Shadowed(made, spec, scores)


def test_what_the_shadow_says_stands_beside_what_was_answered(shadowed: Shadowed) -> None:
    shadowed.send(range(5))
    shadowed.start(GOOD)
    shadowed.send(range(20, 50))
    done = shadowed.compare()
    assert (GOOD, 30, 0, 0, 0, None) == (
        done.version,
        done.compared,
        done.failed,
        done.left_out,
        done.without_features,
        done.error,
    )
    rows = shadowed.said()
    by_row = sorted(rows, key=lambda row: int(row["prediction_id"].rsplit("-", 1)[1]))
    assert np.allclose(shadowed.scores[GOOD][20:50], [row["score"] for row in by_row], rtol=0, atol=1e-12)
    assert np.allclose(shadowed.scores["1"][20:50], [row["live_score"] for row in by_row], rtol=0, atol=1e-12)
    assert {(GOOD, "1", None)} == {(row["model_version"], row["live_version"], row["error"]) for row in rows}
    same = [
        (mine >= 0.5) == (live >= 0.5) for mine, live in zip(*(shadowed.scores[v][20:50] for v in "21"), strict=True)
    ]
    assert same == [row["agrees"] for row in by_row]
    assert all(row["milliseconds"] > 0 and row["live_milliseconds"] > 0 for row in rows)
    assert {(START + timedelta(hours=2)).date()} == {row["date"] for row in rows}


def test_the_summary_is_of_all_rows_and_pairs_the_losses(shadowed: Shadowed) -> None:
    shadowed.start(GOOD)
    chosen = list(range(0, 569, 3))
    for part in range(0, len(chosen), 1):
        if part % 60 == 0:
            rows = chosen[part : part + 60]
            shadowed.label(shadowed.send(rows), rows)
    shadowed.compare()
    told = shadow_summary(shadowed.project.stores, shadowed.spec)
    mine, live = (np.clip(shadowed.scores[version][chosen], 1e-15, 1 - 1e-15) for version in (GOOD, "1"))
    truth = cancer_frame()["benign"].to_numpy()[chosen] == 1
    losses = [-np.log(np.where(truth, one, 1 - one)) for one in (mine, live)]
    assert (len(chosen), 0, len(chosen), 4) == (told["compared"], told["failed"], told["labelled"], told["people"])
    assert np.mean((mine >= 0.5) == (live >= 0.5)) == pytest.approx(told["agreement"])
    assert np.abs(mine - live).mean() == pytest.approx(told["score_difference"])
    assert [one.mean() for one in losses] == [pytest.approx(told["loss"]), pytest.approx(told["live_loss"])]
    assert (losses[0] - losses[1]).mean() == pytest.approx(told["loss_difference"])
    assert (None, "undecided") == (told["lower"], told["verdict"])  # four callers are too few for an interval
    assert 0.05 < told["latency_ratio"] < 20


def test_a_run_is_bounded_takes_the_newest_and_tells_what_it_left_out(shadowed: Shadowed) -> None:
    shadowed.start(GOOD)
    first = shadowed.send(range(20))
    second = shadowed.send(range(20, 40))
    done = shadowed.compare(25)
    assert (25, 15) == (done.compared, done.left_out)
    ids = {row["prediction_id"] for row in shadowed.said()}
    assert {f"{second['id']}-{row}" for row in range(20)} <= ids
    assert {f"{first['id']}-{row}" for row in range(5)} <= ids
    assert (15, 0) == ((done := shadowed.compare(25)).compared, done.left_out)
    assert (0, 0) == ((done := shadowed.compare(25)).compared, done.left_out)
    assert 40 == len({row["prediction_id"] for row in shadowed.said()}) == len(shadowed.said())


def test_a_share_is_of_requests_and_always_the_same_ones(shadowed: Shadowed) -> None:
    shadowed.start(GOOD, share=40)
    for _ in range(30):
        shadowed.send(range(2))
    assert 0 < shadowed.compare().compared < 60
    rows = shadowed.said()
    requests = {row["prediction_id"].rsplit("-", 1)[0] for row in rows}
    assert 2 * len(requests) == len(rows)
    assert 3 <= len(requests) <= 22
    assert 0 == shadowed.compare().compared


def test_rows_that_depend_on_each_other_are_compared_as_whole_requests(shadowed: Shadowed) -> None:
    shadowed.spec = replace(shadowed.spec, row_wise=False)
    shadowed.start(GOOD)
    for size in (4, 30, 5, 6):
        shadowed.send(range(size))
    done = shadowed.compare(12)
    assert (11, 4) == (done.compared, done.left_out)  # the request of 30 rows is larger than a run
    assert {6: 6, 5: 5} == _sizes(shadowed.said())
    assert [4, 0] == [shadowed.compare(12).compared, shadowed.compare(12).compared]
    assert {6: 6, 5: 5, 4: 4} == _sizes(shadowed.said())


def _sizes(rows: list[dict[str, Any]]) -> dict[int, int]:
    requests = [row["prediction_id"].rsplit("-", 1)[0] for row in rows]
    return {requests.count(one): requests.count(one) for one in requests}


def test_what_has_no_features_or_is_a_test_is_not_compared_and_counted(shadowed: Shadowed) -> None:
    shadowed.start(GOOD)
    nothing: dict[str, Any] = {name: [None] * 3 for name in FEATURES}
    shadowed.send(range(3), sampled=False, f=nothing)
    shadowed.send(range(3), truncated=True, f=nothing)
    shadowed.send(range(3), source="test")
    shadowed.send(range(3), status=500, error="prediction", p=None, s=None)
    shadowed.send(range(3), source="replay")
    done = shadowed.compare()
    assert (3, 0, 6) == (done.compared, done.left_out, done.without_features)


@pytest.mark.parametrize(
    ("mood", "deadline", "error"),
    [(moody.HANG, 3, "did not answer 6 rows in 3 s; its process was killed"), (moody.EXIT, 120, "crashed on 6 rows")],
)
def test_a_shadow_that_hangs_or_crashes_changes_nothing_but_its_table(
    shadowed: Shadowed, mood: float, deadline: float, error: str
) -> None:
    shadowed.start(MOODY)
    shadowed.send(range(6), radii={3: mood})
    stores, name = shadowed.project.stores, shadowed.spec.name
    before = (stores.deployments.desired(name), stores.deployments.events(name), _log(shadowed))
    began = time.monotonic()
    done = shadowed.compare(deadline=deadline)
    assert time.monotonic() - began < 60
    assert (6, 6) == (done.compared, done.failed)
    assert all(error in row["error"] and row["prediction"] is None is row["agrees"] for row in shadowed.said())
    assert 0 == shadowed.compare().compared
    assert before == (stores.deployments.desired(name), stores.deployments.events(name), _log(shadowed))
    told = shadow_summary(stores, shadowed.spec)
    assert (6, 6, None, None) == (told["compared"], told["failed"], told["agreement"], told["latency_ratio"])
    assert error in told["first_error"]


def test_a_shadow_that_raises_on_a_row_answers_the_others(shadowed: Shadowed) -> None:
    shadowed.start(MOODY)
    record = shadowed.send(range(6), radii={3: moody.RAISE})
    done = shadowed.compare()
    assert (6, 1, "ValueError: … of … radii make no sense") == (done.compared, done.failed, done.error)
    assert {f"{record['id']}-3"} == {row["prediction_id"] for row in shadowed.said() if row["error"]}


def test_a_slow_shadow_is_told_by_the_ratio(shadowed: Shadowed) -> None:
    shadowed.start(MOODY)
    shadowed.send(range(100), radii={3: moody.SLOW})
    shadowed.compare()
    told = shadow_summary(shadowed.project.stores, shadowed.spec)
    assert told["milliseconds"] >= 2
    assert told["latency_ratio"] > 3


def test_a_run_killed_at_any_instant_and_run_again_gives_each_row_once(shadowed: Shadowed) -> None:
    shadowed.start(GOOD)
    for _ in range(5):
        shadowed.send(range(20))
    folder = shadowed.project.folder
    environment = {**os.environ, **shadowed.project.environment, "PYTHONPATH": str(ROOT)}
    for instant in (0.3, 3.0, 8.0):
        said = folder / f"said {instant}"
        run = WarmProcess(RUN, shadowed.spec.name, cwd=folder, env=environment, out=said, err=said)
        wait_until(lambda said=said: said.exists() and "begun\n" in said.read_text(), 30)
        time.sleep(instant)
        run.kill()
        run.wait()
    while shadowed.compare(40).compared:
        pass
    rows = shadowed.said()
    assert 100 == len(rows) == len({row["prediction_id"] for row in rows})
    by_row = {row["prediction_id"]: row["score"] for row in rows}
    expected = shadowed.scores[GOOD][:20]
    assert all(expected[int(name.rsplit("-", 1)[1])] == pytest.approx(score) for name, score in by_row.items())


def test_without_a_shadow_nothing_is_compared_and_what_was_said_stays(shadowed: Shadowed) -> None:
    stores, spec = shadowed.project.stores, shadowed.spec
    assert shadowed.compare() is None
    with pytest.raises(EvidenceError, match="never had a shadow"):
        shadow_summary(stores, spec)
    shadowed.start(GOOD)
    assert 0 == shadowed.compare().compared
    assert 0 == shadow_summary(stores, spec)["compared"]
    shadowed.send(range(3))
    shadowed.compare()
    end_shadow(stores, spec, actor="ann", reason="seen enough")
    shadowed.send(range(3))
    assert shadowed.compare() is None
    told = shadow_summary(stores, spec)
    assert (GOOD, 3) == (told["version"], told["compared"])
    assert told["until"] is not None
    shadowed.start(GOOD)
    shadowed.send(range(4))
    assert 4 == shadowed.compare().compared
    assert 4 == shadow_summary(stores, spec)["compared"]


def test_a_version_that_the_log_cannot_feed_is_refused(shadowed: Shadowed) -> None:
    stores = shadowed.project.stores
    with pytest.raises(ConflictError, match="and cannot be its shadow"):
        shadowed.start("1")
    redacting = replace(shadowed.spec.capture, redact=("mean_texture",))
    shadowed.spec = replace(shadowed.spec, capture=redacting)
    with pytest.raises(SchemaError, match=r"mean_texture, which 'capture\.redact' keeps out of the log"):
        shadowed.start(GOOD)
    known = stores.deployments.version("tumours", GOOD)
    assert known is not None
    wider = replace(known, model_name="others", inputs={**known.inputs, "more": "float"})
    first = stores.deployments.version("tumours", "1")
    assert first is not None
    for one in (wider, replace(first, model_name="others")):
        stores.deployments.record_version(one)
    spec = replace(shadowed.spec, model_name="others", capture=replace(redacting, redact=()))
    with pytest.raises(SchemaError, match="takes feature\\(s\\) that champion 1 does not"):
        start_shadow(stores, spec, GOOD, actor="ann", reason="curious")


def _log(shadowed: Shadowed) -> int:
    return shadowed.project.stores.lake.rows(shadowed.spec.name, "inference_log")


def event(hour: int, *variants: tuple[str, str, int]) -> Event:
    live = {"status": "active", "variants": [list(one) for one in variants]}
    return Event(hour, "cancer", START + timedelta(hours=hour), "ann", "x", None, "1", hour, "", {"live": live})


def test_a_shadow_reigns_from_its_start_to_its_end_whatever_else_changes() -> None:
    first, other = ("2", "shadow", 100), ("3", "shadow", 10)
    events = [
        event(0, ("1", "champion", 100)),
        event(1, ("1", "champion", 100), first),
        event(2, ("1", "champion", 90), ("4", "challenger", 10), ("2", "shadow", 50)),
        event(3, ("1", "champion", 100), other),
        event(4, ("1", "champion", 100)),
        event(5, ("1", "champion", 100), first),
    ]
    at = [START + timedelta(hours=hour) for hour in range(6)]
    expected = (ShadowPeriod("2", at[1], at[3]), ShadowPeriod("3", at[3], at[4]), ShadowPeriod("2", at[5], None))
    assert expected == shadow_periods(events)
    assert () == shadow_periods([replace(events[0], evidence={})])


def test_answers_agree_to_six_digits() -> None:
    assert [True, False, None, True, False] == [
        agrees("1", "1"),
        agrees("1", "0"),
        agrees(None, "1"),
        agrees(1234567.0, 1234567.5),
        agrees(1.0, 1.001),
    ]


def test_a_paired_interval_is_valid_at_all_looks_and_sharper_than_an_unpaired_one() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(300):
        values = rng.exponential(1.0, 1200) - 1.0
        looks = range(100, 1201, 50)
        found = [
            paired_difference(
                Moments.of(n, float(values[:n].sum()), float((values[:n] ** 2).sum())), planned=1000, alpha=0.05
            )
            for n in looks
        ]
        missed += any(one is not None and not one.lower <= 0 <= one.upper for one in found)
    assert missed <= 30  # 15 of 300 are expected at most; more than 30 has a chance of 0.0003
    assert paired_difference(Moments(99, 0.0, 1.0), planned=1000) is None
    assert ["worse", "better", "undecided", "undecided"] == [
        verdict(paired_difference(Moments(1000, mean, 1e-4), planned=1000)) for mean in (0.1, -0.1, 0.0)
    ] + [verdict(None)]


def test_the_next_shadow_is_the_one_that_waits_longest_and_has_something_new() -> None:
    marks = {"a": "1 10", "b": "1 20", "c": "1 30"}
    asked = {"a": LastComparison(100, "1 9"), "b": LastComparison(90, "1 19"), "c": LastComparison(0, "1 30")}
    assert "b" == next_shadow(marks, asked, 200, 60)
    assert "b" == next_shadow(marks, asked, 155, 60)
    assert next_shadow(marks, asked, 140, 60) is None
    assert "d" == next_shadow({**marks, "d": "0 0"}, asked, 140, 60)
    assert next_shadow({}, asked, 200, 60) is None
