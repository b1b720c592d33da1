"""Any registered version can be judged: by the operation, in a process of its own, by the command and by the job."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from modelops_pipelines.core.errors import ConflictError, EvidenceError, OverloadError, UnknownError
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS, held_reasons, is_evaluation_day
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.evaluation.candidates import evaluate_version, promotable_gate
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.improve.evaluation.process import evaluate_in_process
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.filesystem.files import exclusive
from tests.fakes.records import label_row, request_record, write_segment
from tests.fakes.trainers import logistic
from tests.support.command_line import modelops
from tests.support.project import CANCER_YAML, Project, cancer_frame, copied_project, make_project

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS, ROWS_A_DAY = 60, 100
LOW = "  gate: {min_days: 4, min_rows: 200, min_regimes: 1}\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project: a champion trained on few rows, sixty labelled days, and version 2, registered elsewhere."""
    made = make_project(tmp_path_factory.mktemp("judged") / "project", CANCER_YAML + LOW)
    frame = cancer_frame()
    first = train_first(made.stores, made.spec, frame.head(60))
    deploy(made.stores, made.spec, first.version, actor="ann", reason="first")
    send(made, {FIRST + timedelta(days=day): frame.sample(ROWS_A_DAY, random_state=day) for day in range(DAYS)})
    register_elsewhere(made, frame)
    yield made
    made.stores.database.close()


@pytest.fixture
def project(world: Project, tmp_path: Path) -> Iterator[Project]:
    made = copied_project(world, tmp_path / "project")
    yield made
    made.stores.database.close()


def send(project: Project, requests: dict[datetime, Any]) -> None:
    """Let the log hold a labelled request at each of the times."""
    records, labels = [], []
    for number, (at, rows) in enumerate(requests.items()):
        features = {name: rows[name].tolist() for name in rows.columns if name != "benign"}
        records.append(request_record("cancer", number, at, len(rows), f=features))
        labels.append({"rows": [label_row(records[-1], n, str(truth), at) for n, truth in enumerate(rows["benign"])]})
    for stream, lines in (("predictions", records), ("labels", labels)):
        write_segment(project.stores, "cancer", stream, "w", lines)
        assert [] == ingest(project.stores, project.spec, stream).reasons


def register_elsewhere(project: Project, frame: Any) -> None:
    """Register a version that no trainer of the project trained; nothing of it is recorded here."""

    class Context:
        seed, label, features = 0, "benign", tuple(name for name in frame.columns if name != "benign")

    registry, features = project.stores.registry, frame[list(Context.features)]
    registry.log(
        registry.prepare(logistic(frame, Context), features, project.spec.task, allow_pickle=False),
        model_name=project.spec.model_name,
        experiment="elsewhere",
        training_set="none of ours",
        trainer="none",
    )


def test_a_version_registered_elsewhere_is_judged_and_its_pass_waits_for_a_person(project: Project) -> None:
    stores, spec = project.stores, project.spec
    assert stores.deployments.version("tumours", "2") is None
    gate = evaluate(stores, spec, "2")
    assert (PASS, "1", "unknown") == (gate.verdict, gate.champion, gate.numbers["training_rows"])
    assert gate == stores.gates.of("cancer")[-1]
    unknown = (
        "version 2 was not trained by this project: it cannot be known whether it was trained on the evaluation rows"
    )
    later = "on the 0 rows after it was registered alone the verdict is 'not enough evidence'"
    assert [f"{unknown}; {later}"] == held_reasons(gate.numbers)
    automatic = replace(spec, promotion=replace(spec.promotion, automatic=True))
    assert promotable_gate(stores, automatic) is None


def test_rows_that_came_after_it_was_registered_are_rows_that_it_cannot_have_seen(project: Project) -> None:
    stores, spec = project.stores, project.spec
    evaluate(stores, spec, "2")
    known = stores.deployments.version("tumours", "2")
    assert known is not None
    for registered, unseen, held in (
        (FIRST - timedelta(days=1), PASS, False),
        (FIRST + timedelta(days=55), NOT_ENOUGH, True),
    ):
        stores.deployments.record_version(replace(known, registered_at=registered))
        gate = evaluate(stores, spec, "2")
        assert (PASS, unseen, held) == (gate.verdict, gate.numbers["unseen_verdict"], bool(held_reasons(gate.numbers)))


def test_a_version_of_our_own_retraining_is_known_to_be_trained_on_other_rows_and_is_not_held(project: Project) -> None:
    *_, last = retrain(project.stores, project.spec, "a test")
    assert (PASS, 0, []) == (
        last.record.verdict,
        last.record.numbers["training_rows"],
        held_reasons(last.record.numbers),
    )
    automatic = replace(project.spec, promotion=replace(project.spec.promotion, automatic=True))
    assert promotable_gate(project.stores, automatic) == last.record


def test_a_version_trained_on_evaluation_rows_is_held_with_their_number(project: Project) -> None:
    """Another day is kept for evaluation than when the set was frozen."""
    retrain_version = list(retrain(project.stores, project.spec, "a test"))[1].record.version
    other = replace(project.spec, gate=replace(project.spec.gate, every_nth_day=4))
    gate = evaluate(project.stores, other, retrain_version)
    days = [(FIRST + timedelta(days=day)).date() for day in range(DAYS)]
    trained_on = ROWS_A_DAY * sum(is_evaluation_day(day, 4) and not is_evaluation_day(day, 5) for day in days)
    assert (PASS, trained_on) == (gate.verdict, gate.numbers["training_rows"])
    assert f"was trained on {trained_on} of the {gate.numbers['rows']} evaluation rows" in held_reasons(gate.numbers)[0]


def test_the_same_rows_under_other_ids_are_found(project: Project) -> None:
    """A frame exported from the log has the log's times, features and labels, but new ids."""
    days = [FIRST + timedelta(days=day) for day in range(DAYS)]
    number = next(
        n for n, at in enumerate(days) if is_evaluation_day(at.date(), 2) and not is_evaluation_day(at.date(), 5)
    )
    exported = cancer_frame().sample(ROWS_A_DAY, random_state=number).assign(event_time=days[number])
    version = train_first(project.stores, project.spec, pd.concat([exported, cancer_frame()]))
    every_second = replace(project.spec, gate=replace(project.spec.gate, every_nth_day=2))
    assert ROWS_A_DAY == evaluate(project.stores, every_second, version.version).numbers["training_rows"]


@pytest.mark.parametrize(
    ("version", "error", "message"),
    [
        ("77", UnknownError, "77"),
        ("1", ConflictError, "Version 1 is the champion of 'cancer': there is nothing to compare it with"),
    ],
)
def test_what_cannot_be_judged_is_told_alike_here_and_in_a_process_of_its_own(
    project: Project, version: str, error: type[Exception], message: str
) -> None:
    for judge in (evaluate_version, evaluate_in_process):
        with pytest.raises(error, match=message):
            judge(project.stores, project.spec, version)
    assert [] == project.stores.gates.of("cancer")


def test_without_a_champion_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    for judge in (evaluate_version, evaluate_in_process):
        with pytest.raises(EvidenceError, match="has no champion to compare with"):
            judge(project.stores, project.spec, "2")


def test_a_process_of_its_own_records_the_same_verdict(project: Project) -> None:
    apart = evaluate_in_process(project.stores, project.spec, "2")
    here = evaluate(project.stores, project.spec, "2")
    timed = {"champion_ms_a_row", "candidate_ms_a_row"}
    assert {name: value for name, value in here.numbers.items() if name not in timed} == {
        name: value for name, value in apart.numbers.items() if name not in timed
    }
    assert (here.verdict, here.data_hash, here.gate_hash) == (apart.verdict, apart.data_hash, apart.gate_hash)


def test_one_version_is_evaluated_at_a_time_and_a_slow_one_is_stopped(project: Project) -> None:
    with (
        exclusive(project.stores.settings.home / "evaluation.lock", "a test"),
        pytest.raises(ConflictError, match="Another version is being evaluated in this project"),
    ):
        evaluate_in_process(project.stores, project.spec, "2")
    with pytest.raises(OverloadError, match=r"The evaluation of version 2 took over 0\.01 s and was stopped"):
        evaluate_in_process(project.stores, project.spec, "2", deadline=0.01)
    assert [] == project.stores.gates.of("cancer")


def test_a_feature_that_nobody_has_logged_is_not_enough_evidence(project: Project) -> None:
    frame = cancer_frame().assign(shade=1.0)
    register_elsewhere(project, frame)
    gate = evaluate(project.stores, project.spec, "3")
    assert NOT_ENOUGH == gate.verdict
    assert "no evaluation row has a value of feature(s) shade, which version 3 takes" == gate.numbers["reason"]


def test_the_command_prints_the_verdict_and_its_exit_code_says_pass_fail_or_not_enough(project: Project) -> None:
    passed = modelops(project, "evaluate", "cancer", "2", "--json")
    assert (0, PASS) == (passed.code, json.loads(passed.out)["verdict"])
    assert "pass, held for a person (version 2 was not trained by this project" in passed.err
    register_elsewhere(project, cancer_frame().assign(benign=1 - cancer_frame()["benign"]))
    failed = modelops(project, "evaluate", "cancer", "3", "--json")
    assert (3, FAIL) == (failed.code, json.loads(failed.out)["verdict"])
    path = project.folder / "endpoints" / "endpoint.yaml"
    path.write_text(path.read_text().replace("min_rows: 200", "min_rows: 100000"))
    lacking = modelops(project, "evaluate", "cancer", "2")
    assert (4, True) == (lacking.code, NOT_ENOUGH in lacking.out)
