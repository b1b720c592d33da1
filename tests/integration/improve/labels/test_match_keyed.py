"""Labels by the caller's own id, and by entity and time: the same labels in any order, at any delay, killed anywhere."""

import random
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.capture.keyed_labels import EntityKey, RequestKey, keyed_row
from modelops_pipelines.core.capture.spool_records import Origin
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS
from modelops_pipelines.core.tables.lake import QUALITY_METRICS
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.keyed_rows import append_keyed
from modelops_pipelines.operations.improve.labels import match_keyed as matching
from modelops_pipelines.operations.improve.labels.match_keyed import Matching, match_keyed
from modelops_pipelines.operations.metrics.quality import measure_quality
from modelops_pipelines.store.lake.writer import LakeWriter
from modelops_pipelines.store.state.improve.label_sources import LabelSources
from tests.fakes.records import START, VERSION, label_row, request_record, write_segment
from tests.support.crashing import crash_at
from tests.support.imported_labels import HOUR, NOW, UNTIL, label_now
from tests.support.project import Project, make_project

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ORIGIN = Origin("warehouse")
_NUMBERS = count(1)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.stores.deployments.record_version(VERSION)
    return made


def predictions() -> list[dict[str, Any]]:
    """Return requests of three flights over two days: a request of a client id each, of which one came twice."""
    rows = []
    for number in range(12):
        flight, at = "abc"[number % 3], START + (number // 3) * timedelta(hours=1)
        features = {"x": [1.0, 2.0], "c": [flight, f"{flight}2"]}
        client = f"call {min(number, 10)}"
        rows.append(request_record("cancer", number, at, 2, client=client, f=features))
    return rows


def by_flight(flight: str, minutes: float, label: str, known: int = 0, within: timedelta = DAY) -> dict[str, Any]:
    key = EntityKey({"c": flight}, START + minutes * MINUTE, within)
    return keyed_row(key, label, START + known * DAY, NOW, UNTIL, ORIGIN)


def by_call(number: int, row: int, label: str, known: int = 0) -> dict[str, Any]:
    return keyed_row(RequestKey(f"call {number}", row), label, START + known * DAY, NOW, UNTIL, ORIGIN)


LABELS = [
    by_flight("a", 30, "0"),
    by_flight("a", 130, "1", known=2),
    by_flight("a", 130, "0", known=1),  # is corrected by the one before
    by_flight("b2", 300, "1"),
    by_flight("b", 300, "1", within=10 * MINUTE),  # too long ago
    by_flight("nowhere", 300, "1"),
    by_call(4, 1, "1"),
    by_call(4, 1, "0", known=3),
    by_call(5, 7, "1"),  # has no such row
    by_call(10, 0, "1"),  # used twice
    by_call(99, 0, "1"),
]


def statuses(project: Project) -> dict[str, int]:
    with project.stores.lake.query("cancer", [KEYED_LABELS]) as connected:
        return dict(connected.execute("SELECT status, count(*) FROM keyed_labels GROUP BY 1").fetchall())


def expected() -> dict[str, str]:
    made = predictions()
    return {
        f"{made[0]['id']}-0": "0",  # flight a at 30 minutes: its prediction of minute 0
        f"{made[6]['id']}-0": "1",  # flight a at 130 minutes: that of minute 120
        f"{made[10]['id']}-1": "1",  # flight b2 at 300 minutes: the last one
        f"{made[4]['id']}-1": "0",
    }


def quality(project: Project) -> list[dict[str, Any]]:
    """Return the quality metrics, computed from what has changed."""
    measure_quality(project.stores, project.spec)
    with project.stores.lake.query("cancer", [QUALITY_METRICS]) as connected:
        found: list[dict[str, Any]] = connected.sql("FROM quality_metrics ORDER BY ALL").to_arrow_table().to_pylist()
    return found


@pytest.fixture(scope="module")
def metrics_at_once(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the metrics of the same predictions with each one's final label, sent by its id before all else."""
    project = make_project(tmp_path_factory.mktemp("once") / "project")
    project.stores.deployments.record_version(VERSION)
    by_id = {f"{one['id']}-{row}": (one, row) for one in predictions() for row in range(2)}
    labels = [label_row(*by_id[prediction], label, START) for prediction, label in expected().items()]
    capture(project, "labels", {"rows": labels})
    capture(project, "predictions", *predictions())
    for stream in ("labels", "predictions"):
        ingest(project.stores, project.spec, stream)
    return quality(project)


EXPECTED_STATUSES = {"matched": 6, "waiting": 4, "ambiguous": 1}


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_predictions_labels_and_readings_gives_the_same_labels_and_metrics(
    project: Project, metrics_at_once: list[dict[str, Any]], seed: int
) -> None:
    chance = random.Random(seed)
    steps: list[Any] = [("row", one) for one in predictions()] + [("label", one) for one in LABELS]
    chance.shuffle(steps)
    for kind, one in steps:
        if kind == "row":
            capture(project, "predictions", one, worker=f"w{chance.randrange(2)}")
        elif chance.random() < 0.5:
            append_keyed(project.stores, project.spec, [one])
        else:
            capture(project, "labels", {"keyed": [one]})
        if chance.random() < 0.35:
            read(project)
        if chance.random() < 0.1:
            quality(project)
    read(project)
    assert expected() == label_now(project)
    assert EXPECTED_STATUSES == statuses(project)
    assert Matching() == read(project)
    assert metrics_at_once == quality(project)


def test_a_record_with_a_faulty_label_with_a_key_is_rejected_whole_and_holds_nothing_up(project: Project) -> None:
    good, faulty = by_call(4, 1, "1"), {name: value for name, value in by_call(5, 0, "1").items() if name != "until"}
    plain = label_row(predictions()[0], 0, "1", START)
    capture(project, "labels", {"rows": [plain], "keyed": [good, faulty]}, {"rows": [plain], "keyed": [good]})
    capture(project, "labels", {"keyed": {"a": 1}}, {"keyed": [good]})
    report = ingest(project.stores, project.spec, "labels")
    assert (1, 1, 2) == (report.rows, report.keyed, report.rejected)


def capture(project: Project, stream: str, *records: dict[str, Any], worker: str = "w1") -> None:
    """Write a sealed segment, with a number that was never used."""
    write_segment(project.stores, "cancer", stream, worker, records, number=next(_NUMBERS))


def read(project: Project) -> Matching:
    for stream in ("predictions", "labels"):
        ingest(project.stores, project.spec, stream)
    return match_keyed(project.stores, project.spec)


def test_a_nearer_prediction_that_arrives_late_takes_the_label_over_and_history_stays(project: Project) -> None:
    made = predictions()
    capture(project, "predictions", made[0])
    append_keyed(project.stores, project.spec, [by_flight("a", 130, "1")])
    assert Matching(1, 1, 0, 1) == read(project)
    assert {f"{made[0]['id']}-0": "1"} == label_now(project)
    capture(project, "predictions", made[3])
    assert Matching(1, 0, 1, 2) == read(project)  # the new label, and the withdrawal of the old one
    assert {f"{made[3]['id']}-0": "1"} == label_now(project)
    assert 3 == project.stores.lake.rows("cancer", "labels")


def test_a_callers_id_that_turns_out_to_be_used_twice_takes_its_label_back(project: Project) -> None:
    made = predictions()
    capture(project, "predictions", made[10])
    append_keyed(project.stores, project.spec, [by_call(10, 0, "1")])
    read(project)
    assert {f"{made[10]['id']}-0": "1"} == label_now(project)
    capture(project, "predictions", made[11])
    read(project)
    assert {} == label_now(project)
    assert {"ambiguous": 1} == statuses(project)


def test_nobody_takes_a_label_from_another_key_by_sending_its_request_id_again(project: Project) -> None:
    made = predictions()
    mine = Origin(None, None, "mine")
    label = keyed_row(RequestKey("call 10", 0), "1", START, NOW, UNTIL, mine)
    append_keyed(project.stores, project.spec, [label])
    capture(project, "predictions", made[10] | {"key": "another"})
    read(project)
    assert {f"{made[10]['id']}-0": "1"} == label_now(project)  # the only request with that id
    capture(project, "predictions", made[11] | {"key": "mine"})
    read(project)
    assert {f"{made[11]['id']}-0": "1"} == label_now(project)
    third = request_record("cancer", 12, START + HOUR, 2, client="call 10", key="another")
    capture(project, "predictions", third)
    read(project)
    assert {f"{made[11]['id']}-0": "1"} == label_now(project)
    capture(project, "predictions", request_record("cancer", 13, START + HOUR, 2, client="call 10", key="mine"))
    read(project)
    assert ({}, {"ambiguous": 1}) == (label_now(project), statuses(project))


def test_two_keys_that_number_their_requests_alike_each_label_their_own(project: Project) -> None:
    made = predictions()
    key = RequestKey("call 10", 0)
    labels = [keyed_row(key, "1", START, NOW, UNTIL, Origin(key_id=sender)) for sender in ("mine", "another")]
    for label in (*labels, *labels):  # each of them sent twice
        append_keyed(project.stores, project.spec, [label])
    capture(project, "predictions", made[10] | {"key": "mine"}, made[11] | {"key": "another"})
    read(project)
    assert ({f"{one['id']}-0": "1" for one in made[10:12]}, {"matched": 2}) == (label_now(project), statuses(project))


def test_a_label_whose_time_has_passed_is_final_and_later_captures_do_not_change_it(project: Project) -> None:
    made = predictions()
    past = START + timedelta(hours=4)
    key = EntityKey({"c": "a"}, START + 130 * MINUTE, DAY)
    rows = [
        keyed_row(key, "1", START, START, past, ORIGIN),
        keyed_row(RequestKey("call 4"), "1", START, START, past, ORIGIN),
    ]
    append_keyed(project.stores, project.spec, rows)
    capture(project, "predictions", made[0])
    capture(project, "predictions", made[6] | {"at": made[6]["at"] + 10**12})
    read(project)
    assert {f"{made[0]['id']}-0": "1"} == label_now(project)  # the nearer one was captured after the time had passed
    assert {"matched": 1, "expired": 1} == statuses(project)
    capture(project, "predictions", made[3], made[4])
    read(project)
    assert {f"{made[0]['id']}-0": "1"} == label_now(project)


STEPS: dict[str, tuple[Any, str, int]] = {
    "recording the intention": (LabelSources, "record", 1),
    "replacing rows": (LakeWriter, "replace_days", 1),
    "writing labels": (matching, "write_labels", 1),
    "recording the end": (LabelSources, "record", 2),
}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_and_called_again_it_gives_the_same_labels(project: Project, step: str, moment: str) -> None:
    made = predictions()
    for one in made[:3]:
        capture(project, "predictions", one)
    append_keyed(project.stores, project.spec, LABELS)
    read(project)
    for one in made[3:]:
        capture(project, "predictions", one)
    with crash_at(*STEPS[step], moment):
        read(project)
    read(project)
    assert expected() == label_now(project)
    assert EXPECTED_STATUSES == statuses(project)
